"""What an environment says of a system that is seen from outside alone: its addresses stand with its components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...tables import Strict
from ..border import Border

if TYPE_CHECKING:
    from ...model import Json
    from ...tables import Resolver
    from ..border import Data


class AddressTable(Strict):
    """A system that is seen from outside alone."""

    marker: Path | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """A system that is seen from outside alone."""

    marker: Path | None = None
    """The file whose lines name the environments that load may be sent to."""

    def pinned(self, _instances: tuple[str, ...] = ()) -> dict[str, Json]:
        """Return nothing: no fault can be done here, so none is to be undone."""
        return {}


def _settings(table: AddressTable, resolver: Resolver, key: str) -> Addresses:
    return Addresses(resolver.path(table.marker, f"{key}.marker"))


def _read(_data: Data) -> Addresses:
    return Addresses()


BORDER = Border(AddressTable, _settings, _read, needs_table=False)
