"""Journals of earlier formats stay evidence: they are reported and judged as on the day they were written.

``tests/journals/first-format`` holds a gate and a scenario as the first format wrote them; no record names its version.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook import journal
from drillbook.rejudge import rejudge
from drillbook.report import summary, text

from ..running import ROOT

FIRST = ROOT / "tests" / "journals" / "first-format"


def told(directory: Path) -> dict[str, str]:
    """The verdicts of a run by id, as its own records say them."""
    return {row.data["id"]: row.data["outcome"] for row in journal.read(directory) if row.kind == "verdict"}


def test_a_gate_of_the_first_format_is_reported() -> None:
    said = text.whole(summary.from_journal(FIRST / "gate"))
    assert said[-1] == (
        "stop: 1 critical NOT_MET, 2 critical UNKNOWN, 2 warning UNKNOWN, 1 expired waivers; "
        "14 MET, 1 NOT_MET, 4 UNKNOWN, 1 waived, 4 not judged   gate   exit 1"
    )
    (at,) = [number for number, row in enumerate(said) if row.startswith("NOT_MET drillbook.deploy.expected-version")]
    assert said[at + 3 : at + 5] == [
        "  runbook   Drillbook > Deploy > Every instance runs the version that was deployed",
        "  next      Startup and Shutdown Procedures > Rollback Procedure",
    ]


def test_a_scenario_of_the_first_format_is_reported() -> None:
    said = text.whole(summary.from_journal(FIRST / "scenario"))
    assert said == ["may go on: 4 MET   scenario   exit 0"]


@pytest.mark.parametrize("run", ["gate", "scenario"])
def test_a_run_of_the_first_format_is_judged_again_with_the_same_verdicts(run: str) -> None:
    assert {one.id: one.outcome.value for one in rejudge(FIRST / run)} == told(FIRST / run)
