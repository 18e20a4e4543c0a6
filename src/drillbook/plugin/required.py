"""``--require``: a statement that must be judged, and is not, is UNKNOWN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import catalogue
from ..tables import nearest
from . import unjudged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..environment import Environment
    from ..report.summary import Summary
    from .gate import Gate
    from .selection import Statement

ALL = "all"
OURS = "drillbook"
"""The book of rules of our own, which hold for every system."""


def mistakes(wanted: Iterable[str], environment: Environment) -> list[str]:
    """Return a line for each id that no statement has, or none of a system of this environment."""
    here = sorted({*environment.systems, *environment.lab_systems})
    found: list[str] = []
    for name in wanted:
        system = name.partition(".")[0]
        if name == ALL:
            continue
        if not catalogue.knows(name):
            known = {one.id for one_system in (*catalogue.SYSTEMS, OURS) for one in catalogue.entries(one_system)}
            found.append(
                f"--require {name}: no statement has this id{nearest(name, known)}; drillbook trace lists them"
            )
        elif system in catalogue.SYSTEMS and system not in here:
            found.append(
                f"--require {name}: {environment.name} has no system {system}, but {', '.join(here) or 'none'}"
            )
    return found


def unmet(wanted: Iterable[str], run: Summary, systems: Iterable[str]) -> dict[Statement, str]:
    """Return what should have been judged and was not, with the reason.

    Args:
        wanted: ids of statements, or ``all`` for everything that was selected.
        run: what became of it.
        systems: those of the environment.
    """
    reasons = {(one.system, one.id): one.reason for one in run.not_judged}
    selected = {*run.selected, *reasons}
    needed: set[Statement] = set()
    for name in wanted:
        if name == ALL:
            needed |= selected
        else:
            needed |= {key for key in selected if key[1] == name} or _owners(name, systems)
    judged = {(line.system, line.id) for line in run.verdicts}
    return {key: reasons.get(key) or _other_reason(key, run) for key in sorted(needed - judged)}


def note_unmet(gate: Gate, run: Summary) -> None:
    """Journal an UNKNOWN for each statement that should have been judged and was not."""
    assert gate.environment is not None
    for statement, reason in unmet(gate.options.require, run, gate.environment.systems).items():
        unjudged.note(
            gate,
            statement,
            expected="it is judged, as --require asks",
            observed=f"not judged: {reason}",
            source="--require",
            hint="let the environment file name what it takes, or do not require it here",
        )


def _owners(name: str, systems: Iterable[str]) -> set[Statement]:
    """Return whose statement it is that no selected test has a row for; a rule of our own is every system's."""
    here = tuple(systems)
    return {(one, name) for one in here if one == name.partition(".")[0]} or {(one, name) for one in here}


def _other_reason(statement: Statement, run: Summary) -> str:
    if statement in run.selected:
        return "the run ended before its test, or did not let it run"
    return "no test that was selected judges it"
