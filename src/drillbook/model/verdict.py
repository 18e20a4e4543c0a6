"""MET, NOT_MET or UNKNOWN, with the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from .criterion import Criterion, Finding
from .observation import Observation
from .system import Facts

V = TypeVar("V")


class Outcome(StrEnum):
    """The three answers. UNKNOWN never passes."""

    MET = "MET"
    NOT_MET = "NOT_MET"
    UNKNOWN = "UNKNOWN"


_ENTRY = "entry"
"""The name of the target at which users come in."""
_MANY = 3
"""So many names are shorter as "all 3 replicas"."""

_RANK = {Outcome.NOT_MET: 0, Outcome.UNKNOWN: 1, Outcome.MET: 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a criterion's observations amount to: the worst finding over all targets speaks for all."""

    id: str
    outcome: Outcome
    expected: str
    observed: str
    source: str
    duration_ms: float
    hint: str | None = None
    """For UNKNOWN: what to do so that it can be seen."""


def id_of(statement_id: str, system: str) -> str:
    """Return how a statement of a system is shown: its id, and the system where the id does not say it."""
    return statement_id if statement_id.startswith(f"{system}.") else f"{statement_id} of {system}"


def judge(
    criterion: Criterion[V],
    observations: Sequence[Observation],
    facts: Facts,
    shown: Callable[[str], str] = str,
) -> Verdict:
    """Judge one criterion by what was seen of each target.

    Args:
        criterion: the row.
        observations: one per target; none at all is UNKNOWN, never MET.
        facts: what the environment file and the command line say.
        shown: makes a text that was made of what was read fit to be shown.

    Returns:
        The verdict of the worst target (NOT_MET before UNKNOWN before MET), naming the target when there are several.
    """
    expected = criterion.accepts.expected(facts)
    if not observations:
        return Verdict(
            criterion.id,
            Outcome.UNKNOWN,
            expected,
            "nothing to look at: the environment names no such component",
            "nothing",
            0.0,
            hint="name the component in the environment file",
        )
    findings = [(_find(criterion, seen, facts), seen) for seen in sorted(observations, key=lambda one: one.target)]
    finding, seen = min(findings, key=lambda pair: _RANK[pair[0].outcome])
    broken = [other.target.rpartition("/")[2] for found, other in findings if found.outcome is finding.outcome]
    observed = shown(finding.observed)
    if len(observations) > 1 and finding.outcome is not Outcome.MET:
        observed = f"{_named(broken, len(observations))}: {observed}"
    elif len(observations) > 1:
        observed = f"{observed} (and {len(observations) - 1} more)"
    return Verdict(criterion.id, finding.outcome, expected, observed, seen.source, seen.duration_ms, hint=seen.hint)


def _named(broken: Sequence[str], of_total: int) -> str:
    """Name the targets that a finding is about; where it is about all of them, say so."""
    replicas = [name for name in broken if name != _ENTRY]
    if len(broken) < of_total or len(replicas) < _MANY:
        return ", ".join(broken)
    return f"all {len(replicas)} replicas" + (" and the entry" if _ENTRY in broken else "")


def _find(criterion: Criterion[V], seen: Observation, facts: Facts) -> Finding:
    if seen.error is not None:
        return Finding(Outcome.UNKNOWN, f"could not look: {seen.error}")
    try:
        return criterion.accepts.check(criterion.probe.decode(seen.judged_value), facts)
    except Exception as crash:  # noqa: BLE001 - a crash in a judge says nothing about the system: UNKNOWN
        return Finding(Outcome.UNKNOWN, f"the judge broke on this reading: {type(crash).__name__}: {crash}")
