"""Verdicts as a person at a terminal reads them: six lines at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..redaction import visible

if TYPE_CHECKING:
    from .summary import Line, Summary

_WIDTH = 200
_FEW = 5
"""So many statements that are not judged for one reason are named each on the terminal."""
_OWN_ENDS = {
    None: "the run did not end",
    2: "interrupted",
    3: "not all evidence could be kept",
    4: "it could not be run",
    11: "nothing was judged",
}
"""Exit statuses that no verdict explains."""


_LOST = "not in the journal, which is of the first format, and no runbook of today has the id"


def block(line: Line) -> list[str]:
    """Return a verdict other than MET as at most six lines, the first of which names it."""
    first = f"{line.verdict} {line.name}   {line.severity}   {line.source} ({line.duration_ms:.0f} ms)"
    rows = [
        first,
        f"  expected  {line.expected}",
        f"  observed  {line.observed}",
        f"  runbook   {line.runbook or _LOST}",
    ]
    if line.remedy:
        rows.append(f"  next      {line.remedy}")
    if line.excuse:
        rows.append(f"  excused   {line.excuse}")
    rows = [visible(row) for row in rows]  # a journal may come from anywhere
    return [row if len(row) <= _WIDTH else row[: _WIDTH - 3] + "..." for row in rows]


def counts(summary: Summary) -> str:
    """Return ``34 MET, 1 NOT_MET, 1 UNKNOWN, 2 waived, 38 of 97 judged``."""
    waived = sum(line.waived for line in summary.verdicts)
    below = summary.excused - waived
    numbers = (
        *((summary.count(name), name) for name in ("NOT_MET", "UNKNOWN")),
        (waived, "waived"),
        (below, "below --fail-on"),
        (len(summary.refused), "refused"),
    )
    others = (f"{number} {what}" for number, what in numbers if number)
    return ", ".join([f"{summary.count('MET')} MET", *others, how_much(summary)])


def how_much(summary: Summary) -> str:
    """Return ``38 of 97 judged``: how much of what was selected somebody has come to a verdict on."""
    if not summary.selected:  # a journal of before does not say what was selected
        return f"{summary.judged} judged"
    return f"{summary.judged} of {summary.of} judged"


def last_line(summary: Summary, where: str, exit_status: int | None) -> str:
    """Return what to do, the counts, where the evidence is, and the exit status: the one line that a deploy reads."""
    if exit_status == 0:
        return f"may go on: {counts(summary)}   {where}   exit 0"
    return f"stop: {_why(summary, exit_status)}; {counts(summary)}   {where}   exit {exit_status}"


def _why(summary: Summary, exit_status: int | None) -> str:
    """Say why a deploy stops here, the worst first."""
    worst = [
        f"{found} {severity} {outcome}"
        for outcome in ("NOT_MET", "UNKNOWN")
        for severity in ("critical", "warning")
        if (found := summary.count(outcome, severity))
    ]
    others = (
        (summary.left_behind, "a fault may be left in"),
        (summary.expired_waivers, f"{len(summary.expired_waivers)} expired waivers"),
        (summary.refused, f"{len(summary.refused)} refused"),
        (summary.unsettled, f"{summary.unsettled}"),
    )
    said = [*worst, *(text for holds, text in others if holds)]
    own = _OWN_ENDS.get(exit_status)
    return ", ".join([own, *said] if own else said or ["a test failed"])


def not_judged(summary: Summary) -> list[str]:
    """Return why what was selected was not judged: a line for each statement, or for many that share a reason."""
    by_reason: dict[str, list[str]] = {}
    for one in summary.not_judged:
        by_reason.setdefault(one.reason, []).append(one.name)
    rows: list[str] = []
    for reason, names in by_reason.items():
        many = [f"{len(names)} statements, which drillbook report {summary.run.id} names"]
        rows += [f"not judged: {name} ({reason})" for name in (names if len(names) <= _FEW else many)]
    return rows


def whole(summary: Summary) -> list[str]:
    """Return all that a finished run has to say, without colours."""
    rows: list[str] = []
    for line in summary.verdicts:
        if line.verdict != "MET":
            rows += block(line)
    rows += [f"not judged: {one.name} ({one.reason})" for one in summary.not_judged]
    rows += [f"refused: {test}: {reason}" for test, reason in summary.refused]
    if summary.unsettled:
        rows.append(f"not settled: {summary.unsettled} when time was up; raise --within")
    rows += [f"expired waiver: {text}: renew or remove it" for text in summary.expired_waivers]
    rows += summary.drills
    rows.append(last_line(summary, summary.run.id, summary.run.exit_status))
    return [visible(row) for row in rows]
