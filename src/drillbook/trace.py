"""Which test holds which statement on which platform: what is held, what waits, what is a person's duty.

Held means that a test journals a verdict on the platform and that a planted defect has been seen to flip it there:
``lab/defects.toml`` says which defect breaks what, and ``lab/control_runs.json`` is the record of the negative controls
that planted it. What the one says and the other has not shown is declared.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import carried, catalogue, rows
from .control_runs import ControlRun


@dataclass(frozen=True, slots=True)
class Traced:
    """One statement and what holds it."""

    entry: catalogue.Entry
    state: str
    """held, declared, waiting or human."""
    platforms: tuple[str, ...] = ()
    """Where it is held; of one that is declared, where it is said to be."""
    proofs: tuple[str, ...] = ()
    """The planted defects that flip it there."""
    test: str | None = None
    """The test that judges it, where there is one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How a system's statements stand."""

    held: int = 0
    declared: int = 0
    waiting: int = 0
    human: int = 0

    def __str__(self) -> str:
        return f"{self.held} held, {self.declared} declared, {self.waiting} waiting, {self.human} human"

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.held + other.held,
            self.declared + other.declared,
            self.waiting + other.waiting,
            self.human + other.human,
        )


def trace(system: str, runs: Iterable[ControlRun]) -> tuple[Traced, ...]:
    """Return all statements of a system with what holds them.

    Args:
        system: a name of the catalogue.
        runs: what the negative controls have shown (``control_runs.read()``).
    """
    shown = {(run.defect, run.platform): run for run in runs}
    declared, proven = _Proofs(), _Proofs()
    for name, platform, statement in _declared(system):
        declared.add(statement, platform, name)
        run = shown.get((name, platform))
        if run is not None and statement in run.flipped:
            proven.add(statement, platform, name)
    tests = rows.tests()
    return tuple(_traced(entry, proven, declared, tests.get((system, entry.id))) for entry in catalogue.entries(system))


def count(traced: tuple[Traced, ...]) -> Counts:
    """Count the states."""
    states = [one.state for one in traced]
    return Counts(*(states.count(state) for state in ("held", "declared", "waiting", "human")))


class _Proofs:
    """Which defects flip which statement on which platform."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, set[str]]] = {}

    def add(self, statement: str, platform: str, defect: str) -> None:
        self._found.setdefault(statement, {}).setdefault(platform, set()).add(defect)

    def of(self, statement: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the platforms and the defects, sorted; both empty where nothing flips it."""
        found = self._found.get(statement, {})
        return tuple(sorted(found)), tuple(sorted(set[str]().union(*found.values())))


def _traced(entry: catalogue.Entry, proven: _Proofs, declared: _Proofs, test: str | None) -> Traced:
    if entry.human:
        return Traced(entry, "human")
    if test:
        for state, proofs in (("held", proven), ("declared", declared)):
            platforms, defects = proofs.of(entry.id)
            if defects:
                return Traced(entry, state, platforms, defects, test)
    return Traced(entry, "waiting", test=test)


def _declared(system: str) -> Iterator[tuple[str, str, str]]:
    """Yield each defect that is planted in a system, a platform, and a statement that it must flip there."""
    path = carried.root() / "lab" / "defects.toml"
    for name, row in tomllib.loads(path.read_text("utf-8")).items():
        for platform in row["platforms"] if _planted_in(row) == system else ():
            for statement in broken_on(row, platform):
                yield name, platform, statement


def _planted_in(row: Mapping[str, Any]) -> str:
    """Return whose lab plants a defect: what it breaks there says nothing of another system."""
    return str(row.get("system", "config-manager"))


def broken_on(row: Mapping[str, Any], platform: str) -> set[str]:
    """Return what a planted defect breaks on a platform: of its statements, those with a row of its stage there.

    Args:
        row: of ``lab/defects.toml``.
        platform: where it is planted.
    """
    stage = row.get("stage", "smoke")
    named = {*row["breaks"], *row.get("breaks_also", {}).get(platform, [])}
    return named & {
        case.criterion.id
        for case in rows.cases()
        if case.system == _planted_in(row) and case.criterion.is_about(platform) and case.criterion.stage == stage
    }
