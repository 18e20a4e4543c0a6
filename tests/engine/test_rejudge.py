"""Judging a saved run again: each system's verdict by its own readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook import rows
from drillbook.accepts import http
from drillbook.journal import Journal
from drillbook.model import Criterion, Observation
from drillbook.probes.http import Answer, Get
from drillbook.redaction import Redactor
from drillbook.rejudge import rejudge
from drillbook.rounds import Case

NOW = "2026-11-21T10:00:00Z"
PROBE = Get("/health")
ROW = Criterion("config-manager.health.quick", PROBE, http.field("status", equals="healthy"))
SYSTEMS = ("config-manager", "data-vault")


def saved(directory: Path, statuses: dict[str, str]) -> Path:
    """Write the journal of a run in which one test judged each system's health by the one row."""
    journal = Journal(directory, Redactor())
    facts = {"platform": "process", "expected_version": None, "clock_skew_s": 2.0}
    journal.write("run", facts=dict.fromkeys(statuses, facts))
    for system, status in statuses.items():
        body = PROBE.encode(Answer(200, {"status": status}, read_at=NOW))
        journal.observation(Observation(PROBE.key, f"{system}/api", "GET u", NOW, 1.0, body), 1)
        readings = [(PROBE.key, f"{system}/api")]
        journal.write("verdict", id=ROW.id, system=system, test="t", round=1, readings=readings)
    journal.close()
    return directory


def test_each_system_is_judged_again_by_what_was_seen_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "cases", lambda: tuple(Case(system, ROW) for system in SYSTEMS))
    verdicts = rejudge(saved(tmp_path, {"config-manager": "sick", "data-vault": "healthy"}))
    assert [one.outcome.value for one in verdicts] == ["NOT_MET", "MET"]
