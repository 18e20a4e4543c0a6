"""A run's journal, summed up: ``summary.json`` and the figures that the terminal shows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__, journal
from ..model import id_of

if TYPE_CHECKING:
    from collections.abc import Iterable


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

    def count(self, outcome: str, severity: str | None = None) -> int:
        """Count the verdicts with this outcome, and this severity where one is given, that nothing excuses."""
        open_ones = [line for line in self.verdicts if line.verdict == outcome and line.excuse is None]
        return sum(severity in {None, line.severity} for line in open_ones)

    @property
    def excused(self) -> int:
        """Count the verdicts other than MET that something excuses."""
        return sum(line.excuse is not None for line in self.verdicts)


def from_journal(directory: Path) -> Summary:
    """Sum up a run. Raises journal.NoSuchRun."""
    return summed_up(directory.name, journal.read(directory))


def summed_up(run_id: str, records: Iterable[journal.Record]) -> Summary:
    """Sum up journal records; a test that ran twice counts with its last verdict."""
    facts = RunFacts(run_id, "", (), "")
    lines: dict[tuple[str, str, str], Line] = {}
    not_judged: dict[tuple[str, str], NotJudged] = {}
    refused: dict[str, str] = {}
    said: dict[str, list[str]] = {
        "drill": [],
        "unsettled": [],
        "expired-waiver": [],
        "left-behind": [],
        "unguarded": [],
    }
    for record in records:
        match record.kind:
            case "run":
                facts = _run(run_id, record)
            case "verdict":
                line = _line(record.data)
                lines[line.system, line.test, line.id] = line
            case "not-judged":
                one = NotJudged(_system(record, facts), record.data["id"], record.data["reason"])
                not_judged[one.system, one.id] = one
            case "refused":
                refused[record.data["test"]] = record.data["reason"]
            case "drill" | "unsettled" | "expired-waiver" | "left-behind" | "unguarded":
                said[record.kind].append(_said(record, facts))
            case "end":
                facts = replace(facts, end=record.at, exit_status=record.data["exit_status"])
    return Summary(
        facts,
        tuple(lines.values()),
        tuple(not_judged.values()),
        tuple(said["expired-waiver"]),
        tuple(refused.items()),
        bool(said["left-behind"]),
        tuple(said["drill"]),
        next(iter(said["unguarded"]), None),
        next(iter(said["unsettled"]), None),
    )


def _system(record: journal.Record, facts: RunFacts) -> str:
    """Return whose record it is; the first format did not say it, and meant all systems of the run."""
    return str(record.data["system"] or ", ".join(facts.systems))


def _said(record: journal.Record, facts: RunFacts) -> str:
    data = record.data
    match record.kind:
        case "drill":
            return str(data["line"])
        case "unguarded":
            return str(data["reason"])
        case "unsettled":
            return f"{data['good_in_a_row']} of {data['wanted']} good rounds in a row"
        case "expired-waiver":
            return f"{id_of(data['id'], _system(record, facts))} ({data['owner']}, until {data['expires']})"
    return record.kind


def _run(run_id: str, record: journal.Record) -> RunFacts:
    data = record.data
    return RunFacts(run_id, data["environment"], tuple(data["systems"]), record.at, drillbook=data["drillbook"])


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


def _line(data: dict[str, Any]) -> Line:
    return Line(
        system=data["system"],
        id=data["id"],
        verdict=data["outcome"],
        test=data["test"],
        expected=data["expected"],
        observed=data["observed"],
        source=data["source"],
        duration_ms=data["duration_ms"],
        runbook=data["heading"],
        statement=data["statement"],
        remedy=data["mend"] or data["advice"],
        severity=data["severity"],
        excuse=data["excuse"],
    )
