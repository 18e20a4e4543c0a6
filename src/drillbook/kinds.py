"""Kinds of components: what the table of one may say in an environment file, and how its address is checked.

A kind stands in the file of its probe, as ``KIND`` of ``drillbook.probes.<kind>``, and is imported when an environment
names it: a new kind of dependency is one file.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .tables import ComponentTable

if TYPE_CHECKING:
    from types import ModuleType

_PROBES = "drillbook.probes"


class UnknownKind(KeyError):
    """No probe has a kind of this name."""


def _nothing_wrong(_address: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of component."""

    name: str
    table: type[ComponentTable]
    """The shape of a component's table."""
    unusable: Callable[[str], str | None] = _nothing_wrong
    """Says what its client could not use in an address, as ``expected ..., found ...``; None when nothing is wrong."""
    port: int | None = None
    """Where it listens, for an address that does not say."""
    stands_for: str = "another component"
    """What reports call it, in words: ``the database``."""


@cache
def find(name: str) -> Kind:
    """Return a kind. Raises UnknownKind."""
    module = f"{_PROBES}.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        raise UnknownKind(name)
    kind = _kind_in(importlib.import_module(module))
    if kind is None:
        raise UnknownKind(name)
    return kind


def known() -> dict[str, Kind]:
    """Return all kinds by name; every probe is imported for that."""
    folder = importlib.import_module(_PROBES)
    modules = [importlib.import_module(f"{_PROBES}.{found.name}") for found in pkgutil.iter_modules(folder.__path__)]
    return {kind.name: kind for module in modules if (kind := _kind_in(module)) is not None}


def _kind_in(module: ModuleType) -> Kind | None:
    found = vars(module).get("KIND")
    return found if isinstance(found, Kind) else None
