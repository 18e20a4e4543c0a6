"""Judges a saved run again from its journal: no environment and no runbook is asked, the verdicts are the same.

Only the judges themselves are this version's. A verdict that they cannot come to again is told as it was written, with
the reason; one whose reading was lost is UNKNOWN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import journal, rows
from .journal.events import Observed, RunBegan, RunEnded, StatementJudged
from .model import Facts, Observation, Outcome, Verdict, judge
from .redaction import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .model import Criterion


class CannotRejudge(Exception):
    """A journal that does not hold what judging needs."""


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A verdict of a saved run."""

    system: str
    verdict: Verdict
    as_then: str | None = None
    """Why it is the one that was written then, where it could not be come to again."""


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """A saved run, judged again."""

    verdicts: tuple[Rejudged, ...]
    exit_status_then: int
    """With which it ended."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What a journal holds for judging."""

    facts: Mapping[str, Facts]
    seen: Mapping[tuple[int, str, str], Observation]
    """By round, probe and target."""
    judged: tuple[StatementJudged, ...]
    """The last verdict of each test on each statement of a system."""
    ended: int | None
    """Its exit status; None when it did not end."""


def rejudge(directory: Path) -> JudgedAgain:
    """Judge every criterion of a run again by the observations of its last round.

    Raises:
        journal.NoSuchRun: the journal is not there, damaged, or of a newer Drillbook.
        CannotRejudge: it holds no verdict, or not the facts by which one was given, or its run did not end.
    """
    run = _read(directory)
    if run.ended is None:
        raise CannotRejudge(f"{directory.name}: the run did not end, and what it judged is not all; run it again")
    if not run.judged:
        raise CannotRejudge(f"{directory.name}: nothing was judged in this run")
    if strange := sorted({one.system for one in run.judged} - run.facts.keys()):
        raise CannotRejudge(f"{directory.name}: the journal holds no facts of {', '.join(strange)}")
    known: dict[tuple[str, str], list[Criterion[Any]]] = {}
    for case in rows.cases():
        known.setdefault((case.system, case.criterion.id), []).append(case.criterion)
    verdicts = tuple(_again(one, known.get((one.system, one.id), []), run) for one in run.judged)
    return JudgedAgain(verdicts, run.ended)


def _read(directory: Path) -> _Run:
    facts: Mapping[str, Facts] = {}
    seen: dict[tuple[int, str, str], Observation] = {}
    judged: dict[tuple[str, str, str], StatementJudged] = {}
    ended: int | None = None
    for record in journal.read(directory):
        match record.event:
            case RunBegan() as run:
                facts = run.facts
            case Observed() as one:
                reading = one.observation
                seen[one.round, reading.probe, reading.target] = reading
            case StatementJudged() as one:
                judged[one.system, one.test, one.id] = one
            case RunEnded() as end:
                ended = end.exit_status
    return _Run(facts, seen, tuple(judged.values()), ended)


def _again(one: StatementJudged, criteria: list[Criterion[Any]], run: _Run) -> Rejudged:
    """Judge one saved verdict's readings again; a statement may have rows with different probes."""
    if not one.by_a_test:
        return Rejudged(one.system, one.verdict, "no test has judged it")
    found = [run.seen.get((one.round, probe, target)) for probe, target in one.readings]
    if None in found:
        return Rejudged(one.system, _lost(one.verdict, one.readings[found.index(None)]))
    whole = [reading for reading in found if reading is not None]
    if any(reading.masked for reading in whole):
        return Rejudged(one.system, one.verdict, "what was judged holds secrets, and the journal does not")
    criterion = next((row for row in criteria if not whole or row.probe.key == whole[0].probe), None)
    if criterion is None:
        what = "judges other readings for it" if criteria else "has no row for it"
        return Rejudged(one.system, one.verdict, f"this version of Drillbook {what}")
    return Rejudged(one.system, judge(criterion, whole, run.facts[one.system], visible))


def _lost(then: Verdict, reading: tuple[str, str]) -> Verdict:
    """Return the verdict on something of which a reading was not kept."""
    return Verdict(
        then.id,
        Outcome.UNKNOWN,
        then.expected,
        f"a reading is not in the journal: {reading[0]} of {reading[1]}",
        then.source,
        then.duration_ms,
        hint="judge the environment anew: the evidence of this run was not kept whole",
    )
