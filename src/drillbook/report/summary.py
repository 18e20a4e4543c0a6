"""A run's journal, summed up: ``summary.json`` and the figures that the terminal shows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .. import __version__, journal
from ..journal.events import (
    DrillMeasured,
    Event,
    FaultLeftBehind,
    RoundsUnsettled,
    RunBegan,
    RunEnded,
    RunUnguarded,
    ScenarioRefused,
    StatementJudged,
    StatementNotJudged,
    StatementsSelected,
    WaiverExpired,
)
from ..model import id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Line:
    """One verdict as reports show it."""

    system: str
    id: str
    verdict: str
    test: str
    expected: str
    observed: str
    source: str
    duration_ms: float
    runbook: str | None
    """The heading in the runbook; None where neither the journal says it nor a runbook of today has it."""
    statement: str | None
    """What the runbook says there, in our own words; None likewise."""
    remedy: str | None
    """For NOT_MET the heading of the runbook's advice, for UNKNOWN how to see again."""
    severity: str
    excuse: str | None = None
    """Why it does not stop the gate (a waiver, a severity below --fail-on), where it does not."""
    by_a_test: bool = True
    """Whether a test judged it; else it ought to have been judged, and was not."""

    @property
    def name(self) -> str:
        """What it is a verdict on: the id, and the system where the id does not say it."""
        return id_of(self.id, self.system)

    @property
    def waived(self) -> bool:
        """Whether a waiver excuses it."""
        return self.excuse is not None and self.excuse.startswith("waived ")


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A statement that was selected and could not be judged here, with the reason."""

    system: str
    id: str
    reason: str
    runbook: str | None = None
    """The heading in the runbook; None where a journal of the first format is read."""
    statement: str | None = None
    """What the runbook says there, in our own words; None likewise."""

    @property
    def name(self) -> str:
        """The id, and the system where the id does not say it."""
        return id_of(self.id, self.system)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the run was."""

    id: str
    environment: str
    systems: tuple[str, ...]
    start: str
    end: str | None = None
    drillbook: str = __version__
    exit_status: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run."""

    run: RunFacts
    verdicts: tuple[Line, ...]
    not_judged: tuple[NotJudged, ...]
    expired_waivers: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()
    """Selected scenarios that may not, or cannot, run here, each with the reason."""
    left_behind: bool = False
    """Whether a fault may still be in."""
    drills: tuple[str, ...] = ()
    """One line a drill: what it measured."""
    unguarded: str | None = None
    """Why nobody would have undone the run's faults for a time, where that was so."""
    unsettled: str | None = None
    """Why a good last round is not enough, where it is not."""
    selected: frozenset[tuple[str, str]] = frozenset()
    """System and id of each statement that the selected tests speak of; a journal of before does not say it."""

    def count(self, outcome: str, severity: str | None = None) -> int:
        """Count the verdicts with this outcome, and this severity where one is given, that nothing excuses."""
        open_ones = [line for line in self.verdicts if line.verdict == outcome and line.excuse is None]
        return sum(severity in {None, line.severity} for line in open_ones)

    @property
    def judged(self) -> int:
        """Count the statements on which a test has come to a verdict."""
        return len(self._judged)

    @property
    def of(self) -> int:
        """Count the statements of the systems here that were selected, judged or not."""
        listed = {(one.system, one.id) for one in self.not_judged}
        return len({*self._judged, *listed, *self.selected})

    @property
    def _judged(self) -> set[tuple[str, str]]:
        return {(line.system, line.id) for line in self.verdicts if line.by_a_test}

    @property
    def excused(self) -> int:
        """Count the verdicts other than MET that something excuses."""
        return sum(line.excuse is not None for line in self.verdicts)


def from_journal(directory: Path) -> Summary:
    """Sum up a run. Raises journal.NoSuchRun."""
    return summed_up(directory.name, journal.read(directory))


def summed_up(run_id: str, records: Iterable[journal.Record]) -> Summary:
    """Sum up journal records; a test that ran twice counts with its last verdict."""
    told = list(records)
    facts = _facts(run_id, told)
    lines = {(one.system, one.test, one.id): _line(one) for one in _each(told, StatementJudged)}
    judged = {(one.system, one.id) for one in lines.values()}
    left_out = [_not_judged(one, facts) for one in _each(told, StatementNotJudged)]
    not_judged = {(one.system, one.id): one for one in left_out if (one.system, one.id) not in judged}
    refused = {one.test: one.reason for one in _each(told, ScenarioRefused)}
    return Summary(
        facts,
        tuple(lines.values()),
        tuple(not_judged.values()),
        tuple(_expired(one, facts) for one in _each(told, WaiverExpired)),
        tuple(refused.items()),
        any(_each(told, FaultLeftBehind)),
        tuple(one.line for one in _each(told, DrillMeasured)),
        next((one.reason for one in _each(told, RunUnguarded)), None),
        next((_unsettled(one) for one in _each(told, RoundsUnsettled)), None),
        frozenset(key for one in _each(told, StatementsSelected) for key in one.statements),
    )


def _each(records: Iterable[journal.Record], event: type[E]) -> Iterator[E]:
    return (record.event for record in records if isinstance(record.event, event))


def _facts(run_id: str, records: Iterable[journal.Record]) -> RunFacts:
    facts = RunFacts(run_id, "", (), "")
    for record in records:
        match record.event:
            case RunBegan() as run:
                facts = RunFacts(run_id, run.environment, run.systems, record.at, drillbook=run.drillbook)
            case RunEnded() as end:
                facts = replace(facts, end=record.at, exit_status=end.exit_status)
    return facts


def _not_judged(one: StatementNotJudged, facts: RunFacts) -> NotJudged:
    return NotJudged(_system(one, facts), one.id, one.reason, one.heading, one.statement)


def _expired(one: WaiverExpired, facts: RunFacts) -> str:
    return f"{id_of(one.id, _system(one, facts))} ({one.owner}, until {one.expires})"


def _unsettled(one: RoundsUnsettled) -> str:
    return f"{one.good_in_a_row} of {one.wanted} good rounds in a row"


def _system(one: StatementNotJudged | WaiverExpired, facts: RunFacts) -> str:
    """Return whose it is; the first format did not say it, and meant all systems of the run."""
    return one.system or ", ".join(facts.systems)


def write(summary: Summary, directory: Path) -> None:
    """Write ``summary.json``, atomically."""
    beside = directory / f".{journal.SUMMARY}"
    beside.write_text(json.dumps(as_json(summary), indent=2) + "\n", "utf-8")
    beside.replace(directory / journal.SUMMARY)


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the summary in the shape of ``summary.json``."""
    counts = Counter(line.verdict for line in summary.verdicts)
    return {
        "run": asdict(summary.run),
        "counts": {
            "MET": counts["MET"],
            "NOT_MET": counts["NOT_MET"],
            "UNKNOWN": counts["UNKNOWN"],
            "excused": summary.excused,
            "not_judged": len(summary.not_judged),
            "judged": summary.judged,
            "of": summary.of,
        },
        "verdicts": [asdict(line) for line in summary.verdicts],
        "not_judged": [asdict(one) for one in summary.not_judged],
        "expired_waivers": list(summary.expired_waivers),
        "refused": [{"test": test, "reason": reason} for test, reason in summary.refused],
        "left_behind": summary.left_behind,
        "unguarded": summary.unguarded,
        "drills": list(summary.drills),
        "unsettled": summary.unsettled,
    }


def _line(one: StatementJudged) -> Line:
    return Line(
        system=one.system,
        id=one.id,
        verdict=one.outcome,
        test=one.test,
        expected=one.expected,
        observed=one.observed,
        source=one.source,
        duration_ms=one.duration_ms,
        runbook=one.heading,
        statement=one.statement,
        remedy=one.hint or one.advice,
        severity=one.severity,
        excuse=one.excuse,
        by_a_test=one.by_a_test,
    )
