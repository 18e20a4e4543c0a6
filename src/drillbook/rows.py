"""Finds the rows of ``checks/`` without pytest: for judging a saved run again and for the trace."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from . import carried
from .rounds import Case

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .model import Criterion

_PACKAGE = "_drillbook_checks"


@cache
def cases() -> tuple[Case, ...]:
    """Return every row of every system that has checks."""
    folder = carried.root() / "checks"
    _package(_PACKAGE, folder)
    found: list[Case] = []
    for path in sorted(folder.glob("*/criteria.py")):
        package = path.parent.name
        _package(f"{_PACKAGE}.{package}", path.parent)
        module = importlib.import_module(f"{_PACKAGE}.{package}.criteria")
        found += [Case(package.replace("_", "-"), row) for row in _rows(module)]
    return tuple(found)


def _rows(module: ModuleType) -> Iterator[Criterion[object]]:
    from .model import Criterion  # noqa: PLC0415 - beside its only run-time use

    for value in vars(module).values():
        if isinstance(value, tuple):
            yield from (row for row in value if isinstance(row, Criterion))


def _package(name: str, folder: Path) -> None:
    """Make a folder importable as a package under a name that no user's module has."""
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
