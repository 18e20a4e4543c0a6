"""Verdicts as a person at a terminal reads them: six lines at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..redaction import visible

if TYPE_CHECKING:
    from .summary import Line, Summary

_WIDTH = 200


def block(line: Line) -> list[str]:
    """Return a verdict other than MET as at most six lines, the first of which names it."""
    first = f"{line.verdict} {line.id}   {line.source} ({line.duration_ms:.0f} ms)"
    rows = [
        first,
        f"  expected  {line.expected}",
        f"  observed  {line.observed}",
        f"  runbook   {line.runbook}",
    ]
    if line.remedy:
        rows.append(f"  next      {line.remedy}")
    if line.excuse:
        rows.append(f"  excused   {line.excuse}")
    rows = [visible(row) for row in rows]  # a journal may come from anywhere
    return [row if len(row) <= _WIDTH else row[: _WIDTH - 3] + "..." for row in rows]


def counts(summary: Summary) -> str:
    """Return ``36 MET, 1 NOT_MET, 1 UNKNOWN, 1 excused``."""
    parts = [f"{summary.count('MET')} MET"]
    parts += [f"{summary.count(name)} {name}" for name in ("NOT_MET", "UNKNOWN") if summary.count(name)]
    if summary.excused:
        parts.append(f"{summary.excused} excused")
    if summary.refused:
        parts.append(f"{len(summary.refused)} refused")
    if summary.not_judged:
        parts.append(f"{len(summary.not_judged)} not judged")
    return ", ".join(parts)


def whole(summary: Summary) -> list[str]:
    """Return all that a finished run has to say, without colours."""
    rows: list[str] = []
    for line in summary.verdicts:
        if line.verdict != "MET":
            rows += block(line)
    rows += [f"not judged: {name} ({reason})" for name, reason in summary.not_judged]
    rows += [f"refused: {test}: {reason}" for test, reason in summary.refused]
    if summary.unsettled:
        rows.append(f"not settled: {summary.unsettled} when time was up; raise --within")
    rows += [f"expired waiver: {text}: renew or remove it" for text in summary.expired_waivers]
    rows += summary.drills
    rows.append(f"{counts(summary)}   {summary.run.id}   exit {summary.run.exit_status}")
    return [visible(row) for row in rows]
