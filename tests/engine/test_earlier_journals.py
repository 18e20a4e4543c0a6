"""Journals of earlier formats stay evidence: they are reported and judged as on the day they were written.

``tests/journals/first-format`` holds a gate and a scenario as the first format wrote them; no record names its version.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from drillbook import catalogue, journal, rows
from drillbook.journal.events import Observed, RoundJudged, StatementJudged
from drillbook.journal.formats import event_of
from drillbook.model import Outcome, Severity, Verdict
from drillbook.redaction import Redactor
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
        "14 MET, 1 NOT_MET, 4 UNKNOWN, 1 waived, 20 judged   gate   exit 1"
    )
    (at,) = [number for number, row in enumerate(said) if row.startswith("NOT_MET drillbook.deploy.expected-version")]
    assert said[at + 3 : at + 5] == [
        "  runbook   Drillbook > Deploy > Every instance runs the version that was deployed",
        "  next      Startup and Shutdown Procedures > Rollback Procedure",
    ]


def test_a_scenario_of_the_first_format_is_reported() -> None:
    said = text.whole(summary.from_journal(FIRST / "scenario"))
    assert said == ["may go on: 4 MET, 4 judged   scenario   exit 0"]


@pytest.mark.parametrize("run", ["gate", "scenario"])
def test_a_run_of_the_first_format_is_judged_again_with_the_same_verdicts(run: str) -> None:
    assert {one.verdict.id: one.verdict.outcome.value for one in rejudge(FIRST / run).verdicts} == told(FIRST / run)


def test_what_the_first_format_called_a_mend_is_a_hint() -> None:
    seen = {"probe": "Get()", "target": "s/a", "source": "GET /", "at": "2026-01-01T00:00:00Z", "duration_ms": 1.0}
    unseen = {**seen, "error": "refused", "mend": "open the port"}
    observed = event_of({"kind": "observation", "round": 1, "seen": unseen})
    assert isinstance(observed, Observed)
    assert observed.observation.hint == "open the port"
    verdict = {"id": "a.b", "outcome": "UNKNOWN", "expected": "e", "observed": "o", "source": "s", "duration_ms": 1.0}
    masked = ["config-manager", "a.b", "Get()", {**verdict, "mend": "name it"}]
    judged = event_of({"kind": "round", "number": 1, "good": False, "open": ["a.b"], "judged": [masked]})
    assert isinstance(judged, RoundJudged)
    assert judged.judged[0][3].hint == "name it"


@pytest.fixture
def no_runbooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the catalogue have lost every id, and Drillbook every row."""

    def lost(statement_id: str) -> catalogue.Entry:
        raise catalogue.UnknownId(statement_id)

    monkeypatch.setattr(catalogue, "entry", lost)
    monkeypatch.setattr(rows, "cases", lambda: ())


@pytest.mark.usefixtures("no_runbooks")
def test_a_run_of_the_first_format_is_reported_and_judged_without_the_runbooks() -> None:
    run = summary.from_journal(FIRST / "gate")
    said = text.whole(run)
    assert said[-1].startswith(
        "stop: 1 critical NOT_MET, 2 critical UNKNOWN, 2 warning UNKNOWN, 1 expired waivers; 14 MET"
    )
    (broken,) = [one for one in run.verdicts if one.verdict == "NOT_MET" and not one.waived]
    assert (broken.runbook, broken.remedy) == (None, "config-manager.rollback.restore-compose")
    assert "  runbook   not in the journal, which is of the first format, and no runbook of today has the id" in said
    again = rejudge(FIRST / "gate").verdicts
    assert {one.verdict.id: one.verdict.outcome.value for one in again} == told(FIRST / "gate")
    assert {one.as_then for one in again} == {"this version of Drillbook has no row for it"}


@pytest.mark.usefixtures("no_runbooks")
def test_a_run_of_today_says_of_itself_what_the_runbook_said(tmp_path: Path) -> None:
    kept = journal.Journal(tmp_path, Redactor())
    verdict = Verdict("config-manager.x.gone", Outcome.NOT_MET, "status 200", "503", "GET u", 1.0)
    kept.write(
        StatementJudged(
            **asdict(verdict), system="config-manager", test="t", severity=Severity.CRITICAL, round=1, readings=(),
            statement="It answers.", heading="Book > Section", remedy="config-manager.x.help", advice="Book > Help",
        )
    )  # fmt: skip
    kept.close()
    run = summary.from_journal(tmp_path)
    assert text.whole(run)[:5] == [
        "NOT_MET config-manager.x.gone   critical   GET u (1 ms)",
        "  expected  status 200",
        "  observed  503",
        "  runbook   Book > Section",
        "  next      Book > Help",
    ]
    assert run.verdicts[0].statement == "It answers."
