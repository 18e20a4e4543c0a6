"""Finds the rows of ``checks/``, ``chaos/`` and ``load/`` without pytest, for judging again and for the trace."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from . import carried
from .rounds import Case
from .tables import BadEnvironment, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .environment import Environment
    from .model import Criterion

_PREFIX = "_drillbook_"


@cache
def cases() -> tuple[Case, ...]:
    """Return every row of every system: those of checks, of scenarios and of load profiles."""
    found: list[Case] = []
    for kind in ("checks", "chaos", "load"):
        folder = carried.root() / kind
        _package(f"{_PREFIX}{kind}", folder)
        for path in sorted(folder.glob("*/criteria*.py")):
            name = f"{_PREFIX}{kind}.{path.parent.name}"
            _package(name, path.parent)
            module = importlib.import_module(f"{name}.{path.stem}")
            found += [Case(path.parent.name.replace("_", "-"), row) for row in _rows(module)]
    return tuple(found)


@cache
def tests() -> dict[tuple[str, str], str]:
    """Return ``{(system, statement id): the test that judges it}``, by what the test files themselves declare."""
    cases()  # makes the packages importable
    found: dict[tuple[str, str], str] = {}
    for kind in ("checks", "chaos", "load"):
        folder = carried.root() / kind
        for path in sorted(folder.rglob("test_*.py")):
            inside = path.relative_to(folder).with_suffix("").parts
            for depth in range(1, len(inside)):
                _package(".".join((f"{_PREFIX}{kind}", *inside[:depth])), folder.joinpath(*inside[:depth]))
            module = importlib.import_module(".".join((f"{_PREFIX}{kind}", *inside)))
            for name, function in vars(module).items():
                if name.startswith("test_"):
                    where = f"{kind}/{'/'.join(inside)}.py::{name}"
                    found |= {key: where for key in _declared(function) if key not in found}
    return found


def check_objectives(environment: Environment) -> None:
    """See that every objective of an environment is some scenario's.

    Raises:
        BadEnvironment: one is not: its drill would be judged by another.
    """
    named = [(system, name) for system, facts in environment.facts.items() for name in facts.objectives]
    if not named:
        return  # what the scenarios declare is imported for those who name an objective
    known = _objectives()
    problems = [
        f"systems.{system}.objectives.{name}: no scenario is judged by it{nearest(name, known.get(system, ()))};"
        f' known: {", ".join(sorted(known.get(system, ()))) or "none"}, and "*" for all others'
        for system, name in named
        if name not in known.get(system, ())
    ]
    if problems:
        raise BadEnvironment(environment.path, problems)


def _objectives() -> dict[str, set[str]]:
    """Return the names of the objectives that scenarios are judged by, by system."""
    tests()  # imports their modules
    found: dict[str, set[str]] = {}
    for module in [one for name, one in sys.modules.items() if name.startswith(f"{_PREFIX}chaos.")]:
        for function in vars(module).values():
            for mark in getattr(function, "pytestmark", []):
                if mark.name == "scenario" and mark.args[0].objective != "*":
                    found.setdefault(mark.args[0].system, set()).add(mark.args[0].objective)
    return found


def _declared(function: object) -> Iterator[tuple[str, str]]:
    """Yield system and id of the rows that a test judges: those it is parametrized with, or those its script holds."""
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize" and mark.args[0] == "case":
            yield from ((one.values[0].system, one.values[0].criterion.id) for one in mark.args[1])
        elif mark.name == "scenario":
            yield from ((mark.args[0].system, row.id) for row in mark.args[0].holds)


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
