"""Where the processes of a system are held on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...tables import Strict
from ..border import Border, absolute_path
from ..capabilities import PlatformRefused

if TYPE_CHECKING:
    from ...model import Json
    from ...tables import Resolver
    from ..border import Data


class ProcessTable(Strict):
    """The processes of a system on this machine."""

    control: Path | None = None
    marker: Path | None = None


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a system on this machine."""

    control: Path | None = None
    """The control socket of the lab's keeper that holds them."""
    marker: Path | None = None
    """The file whose lines name the environments that they may be disrupted as."""

    def pinned(self) -> dict[str, Json]:
        """Return the way to the keeper. Raises PlatformRefused."""
        if self.control is None:
            raise PlatformRefused("the environment names no control socket", hint="name it as process.control")
        return {"control": str(self.control.absolute())}


def _settings(table: ProcessTable, resolver: Resolver, key: str) -> Processes:
    return Processes(resolver.path(table.control, f"{key}.control"), resolver.path(table.marker, f"{key}.marker"))


def _read(data: Data) -> Processes:
    return Processes(absolute_path(data, "control"))


BORDER = Border(ProcessTable, _settings, _read, needs_table=False)
