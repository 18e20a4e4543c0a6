"""Which test holds which statement on which platform: what is held, what waits, what is a person's duty.

Held means that a test journals a verdict on the platform and that a planted defect flips it there: ``lab/defects.toml``
names both, and the negative controls prove every line of it on each platform that it names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import carried, catalogue, rows


@dataclass(frozen=True, slots=True)
class Traced:
    """One statement and what holds it."""

    entry: catalogue.Entry
    state: str
    """held, waiting or human."""
    platforms: tuple[str, ...] = ()
    """Where it is held."""
    proofs: tuple[str, ...] = ()
    """The planted defects that flip it."""
    test: str | None = None
    """The test that judges it, where there is one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How a system's statements stand."""

    held: int
    waiting: int
    human: int

    def __str__(self) -> str:
        return f"{self.held} held, {self.waiting} waiting, {self.human} human"


def trace(system: str) -> tuple[Traced, ...]:
    """Return all statements of a system with what holds them."""
    proven = _proven(system)
    tests = rows.tests()
    return tuple(
        _traced(entry, proven.get(entry.id, {}), tests.get((system, entry.id))) for entry in catalogue.entries(system)
    )


def count(traced: tuple[Traced, ...]) -> Counts:
    """Count the states."""
    states = [one.state for one in traced]
    return Counts(states.count("held"), states.count("waiting"), states.count("human"))


def _traced(entry: catalogue.Entry, proofs: dict[str, list[str]], test: str | None) -> Traced:
    if entry.human:
        return Traced(entry, "human")
    if proofs and test:
        names = sorted({name for found in proofs.values() for name in found})
        return Traced(entry, "held", tuple(sorted(proofs)), tuple(names), test)
    return Traced(entry, "waiting", test=test)


def _proven(system: str) -> dict[str, dict[str, list[str]]]:
    """Return ``{statement id: {platform: [planted defects that flip it]}}`` of a system, each where a row is judged."""
    path = carried.root() / "lab" / "defects.toml"
    found: dict[str, dict[str, list[str]]] = {}
    for name, row in tomllib.loads(path.read_text("utf-8")).items():
        for platform in row["platforms"] if _planted_in(row) == system else ():
            for statement in broken_on(row, platform):
                found.setdefault(statement, {}).setdefault(platform, []).append(name)
    return found


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
        if case.system == _planted_in(row) and platform in case.criterion.platforms and case.criterion.stage == stage
    }
