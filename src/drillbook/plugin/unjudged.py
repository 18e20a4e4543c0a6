"""Statements that no test has judged, and that are UNKNOWN all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import absence, catalogue
from ..journal.events import StatementJudged
from ..model import Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Observation, Probe
    from ..observations import Key
    from .gate import Gate
    from .selection import Statement


def note(gate: Gate, statement: Statement, *, expected: str, observed: str, source: str, hint: str) -> None:
    """Journal that a statement of a system is UNKNOWN; only a waiver excuses it.

    Args:
        gate: the run.
        statement: which.
        expected: what would have to be so.
        observed: what is so.
        source: who says so.
        hint: what the reader can do about it.
    """
    assert gate.journal is not None
    system, name = statement
    said = catalogue.entry(name)
    gate.journal.write(
        StatementJudged(
            system=system,
            id=name,
            outcome=Outcome.UNKNOWN,
            expected=expected,
            observed=observed,
            source=source,
            duration_ms=0.0,
            test=source,
            severity=Severity.CRITICAL,
            round=0,
            readings=(),
            hint=hint,
            excuse=gate.waiver_for(system, name),
            statement=said.statement,
            heading=said.full_heading,
            by_a_test=False,
        )
    )


def witnesses(gate: Gate) -> dict[str, tuple[Probe[Any], ...]]:
    """Return what shows that a component is there for whose absence statements were left out, by system."""
    assert gate.environment is not None
    systems = sorted({system for (system, _), one in gate.not_judged.items() if one.absent})
    return {system: absence.witnesses(gate.environment.systems[system]) for system in systems}


def note_seen(gate: Gate, seen: Mapping[Key, Observation]) -> None:
    """Make UNKNOWN what was left out for the absence of a component that was seen all the same."""
    assert gate.environment is not None
    for system in witnesses(gate):
        there = absence.seen_all_the_same(gate.environment.systems[system], seen)
        looked = absence.looked(gate.environment.systems[system], seen)
        for statement, one in gate.not_judged.items():
            if statement[0] == system and one.absent and not looked:
                note(
                    gate,
                    statement,
                    expected=f"{' and '.join(one.absent)} absent, as systems.{system}.absent declares",
                    observed="nothing was read that would show it: neither the health document nor the platform's list",
                    source=f"systems.{system}.absent",
                    hint="see that the health document can be read",
                )
                continue
            found = next((name for name in one.absent if name in there), None)
            if statement[0] == system and found is not None:
                note(
                    gate,
                    statement,
                    expected=f"{found} is absent, as systems.{system}.absent declares",
                    observed=absence.declared_and_seen(found, there[found]),
                    source=f"systems.{system}.absent",
                    hint="name its address in the environment file, and leave it out of absent",
                )
