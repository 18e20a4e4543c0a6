"""Judging a saved run again: each system's verdict by its own readings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from drillbook import rows
from drillbook.accepts import http
from drillbook.cli import main
from drillbook.journal import JOURNAL, Journal
from drillbook.journal.events import Observed, RunBegan, RunEnded, StatementJudged
from drillbook.model import Criterion, Facts, Observation, Outcome, Severity, Verdict
from drillbook.probes.http import Answer, Get
from drillbook.redaction import Redactor
from drillbook.rejudge import CannotRejudge, rejudge
from drillbook.rounds import Case

NOW = "2026-11-21T10:00:00Z"
PROBE = Get("/health")
ROW = Criterion("config-manager.health.quick", PROBE, http.field("status", equals="healthy"))
SYSTEMS = ("config-manager", "data-vault")


def saved(directory: Path, statuses: dict[str, str], *, masked: bool = False, ended: int | None = 0) -> Path:
    """Write the journal of a run in which one test judged each system's health by the one row, and called it MET."""
    journal = Journal(directory, Redactor())
    facts = Facts("process", None, 2.0)
    journal.write(RunBegan("e", "process", SYSTEMS, dict.fromkeys(statuses, facts), "0.1.0"))
    for system, status in statuses.items():
        body = PROBE.encode(Answer(200, {"status": status}, read_at=NOW))
        journal.write(
            Observed(1, Observation(PROBE.key, f"{system}/api", "GET u", NOW, 1.0, body, masked=masked).record())
        )
        verdict = Verdict(ROW.id, Outcome.MET, "e", f"as written of {system}", "GET u", 1.0)
        readings = ((PROBE.key, f"{system}/api"),)
        journal.write(
            StatementJudged(
                **asdict(verdict), system=system, test="t", severity=Severity.CRITICAL, round=1, readings=readings
            )
        )
    if ended is not None:
        journal.write(RunEnded(ended))
    journal.close()
    return directory


def observed(directory: Path) -> list[tuple[str, str, str | None]]:
    return [(one.verdict.outcome.value, one.verdict.observed, one.as_then) for one in rejudge(directory).verdicts]


def test_a_verdict_whose_row_is_gone_is_told_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "cases", lambda: (Case("data-vault", ROW),))
    assert observed(saved(tmp_path, {"config-manager": "sick"})) == [
        ("MET", "as written of config-manager", "this version of Drillbook has no row for it")
    ]


def test_a_row_that_reads_something_else_judges_no_old_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Criterion(ROW.id, Get("/ready"), http.field("status", equals="sick"))
    monkeypatch.setattr(rows, "cases", lambda: (Case("config-manager", other),))
    assert observed(saved(tmp_path, {"config-manager": "sick"})) == [
        ("MET", "as written of config-manager", "this version of Drillbook judges other readings for it")
    ]


def test_a_verdict_whose_reading_was_lost_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "cases", lambda: (Case("config-manager", ROW),))
    path = saved(tmp_path, {"config-manager": "healthy"}) / JOURNAL
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if '"observation"' not in line))
    (found,) = observed(tmp_path)
    assert found[:2] == ("UNKNOWN", f"a reading is not in the journal: {PROBE.key} of config-manager/api")


def test_a_reading_that_was_masked_is_not_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "cases", lambda: (Case("config-manager", ROW),))
    assert observed(saved(tmp_path, {"config-manager": "***"}, masked=True)) == [
        ("MET", "as written of config-manager", "what was judged holds secrets, and the journal does not")
    ]


def test_a_journal_without_the_facts_of_a_system_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "cases", lambda: (Case("config-manager", ROW),))
    path = saved(tmp_path, {"config-manager": "healthy"}) / JOURNAL
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if '"run"' not in line))
    with pytest.raises(CannotRejudge, match="holds no facts of config-manager"):
        rejudge(tmp_path)


def test_each_system_is_judged_again_by_what_was_seen_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "cases", lambda: tuple(Case(system, ROW) for system in SYSTEMS))
    verdicts = rejudge(saved(tmp_path, {"config-manager": "sick", "data-vault": "healthy"})).verdicts
    assert [one.verdict.outcome.value for one in verdicts] == ["NOT_MET", "MET"]


@pytest.mark.parametrize(
    ("ended", "status", "said"),
    [
        (0, 0, ""),
        (None, 4, "the run did not end"),
        (11, 10, "the run ended with exit 11"),
        (3, 10, "the run ended with exit 3"),
    ],
)
def test_judge_is_green_for_no_run_that_was_not(
    ended: int | None, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = saved(tmp_path, {"config-manager": "healthy"}, ended=ended)
    assert main(["judge", str(directory)]) == status
    assert said in capsys.readouterr().err
