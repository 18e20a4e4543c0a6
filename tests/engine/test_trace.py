"""The catalogue, the rows and the planted defects agree."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from drillbook import catalogue, control_runs, rows, trace
from drillbook.control_runs import ControlRun

from ..running import ROOT

DEFECTS = tomllib.loads((ROOT / "lab" / "defects.toml").read_text("utf-8"))


def test_the_catalogue_has_every_statement_and_every_defect_of_the_runbooks() -> None:
    entries = [entry for system in catalogue.SYSTEMS for entry in catalogue.entries(system)]
    assert len(entries) == len({entry.id for entry in entries}) == 687
    assert sum(entry.human for entry in entries) == 78
    known = {name for system in catalogue.SYSTEMS for name in catalogue.defects(system)}
    assert len(known) == 201
    assert {name for entry in entries for name in entry.defects} <= known
    ids = {entry.id for entry in entries}
    assert {entry.same_as for entry in entries if entry.same_as} <= ids


def test_every_row_names_a_statement_and_an_advice_of_the_catalogue() -> None:
    for case in rows.cases():
        catalogue.entry(case.criterion.id)
        if case.criterion.remedy:
            catalogue.entry(case.criterion.remedy)


def test_every_row_is_judged_by_a_test() -> None:
    judged = rows.tests()
    steady = {("config-manager", "config-manager.verify.success-health")}  # judged as steady state as well
    assert {(case.system, case.criterion.id) for case in rows.cases()} - judged.keys() - steady == set()


def test_every_planted_defect_breaks_something_that_a_test_judges() -> None:
    judged = rows.tests()
    for name, row in DEFECTS.items():
        assert row["breaks"], name
        assert {("config-manager", one) for one in row["breaks"]} <= judged.keys(), name


HEALTH = "config-manager.verify.success-health"
SHOWN = ControlRun("degraded-status", "process", frozenset({HEALTH}), "unknown", "2026-01-01T00:00:00Z")


def state_of(statement: str, *runs: ControlRun) -> trace.Traced:
    return next(one for one in trace.trace("config-manager", runs) if one.entry.id == statement)


def test_held_needs_a_test_and_a_control_run_that_has_flipped_it() -> None:
    found = state_of(HEALTH, SHOWN)
    assert (found.state, found.platforms, found.proofs) == ("held", ("process",), ("degraded-status",))
    assert state_of("config-manager.preflight.cpu-load", SHOWN).state == "waiting"
    assert state_of("config-manager.shutdown.notify-users", SHOWN).state == "human"


@pytest.mark.parametrize(
    "run",
    [
        replace(SHOWN, flipped=frozenset({"config-manager.health.status-healthy"})),
        replace(SHOWN, platform="kubernetes"),
        replace(SHOWN, defect="no-uptime"),
    ],
    ids=["flipped-another", "on-another-platform", "by-another-defect"],
)
def test_what_no_control_run_has_shown_is_declared_and_not_held(run: ControlRun) -> None:
    assert state_of(HEALTH).state == "declared"
    assert state_of(HEALTH, run).state == "declared"


def test_every_statement_is_counted_once() -> None:
    counts = trace.count(trace.trace("config-manager", [SHOWN]))
    assert (counts.held + counts.declared + counts.waiting + counts.human, counts.human) == (271, 39)


def test_a_record_keeps_the_newest_run_of_each_defect_on_each_platform(tmp_path: Path) -> None:
    file = tmp_path / "control_runs.json"
    assert control_runs.read(file) == ()
    newer = replace(SHOWN, at="2026-02-01T00:00:00Z", beside=("no-metrics",))
    elsewhere = replace(SHOWN, platform="compose")
    control_runs.write((newer, SHOWN, elsewhere), file)
    assert control_runs.read(file) == (elsewhere, newer)


@pytest.mark.parametrize("text", ["no JSON", '[{"defect": "no-metrics"}]', '{"defect": 1}'])
def test_a_record_that_cannot_be_read_is_said_with_its_name(text: str, tmp_path: Path) -> None:
    file = tmp_path / "control_runs.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"{file}: expected a list of control runs"):
        control_runs.read(file)


def test_what_holds_in_one_system_holds_in_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows and tests of one system are no proof of another's, though both judge the same statement."""
    statement = catalogue.entry("config-manager.verify.success-health")
    monkeypatch.setattr(catalogue, "entries", lambda _system: (statement,))
    tests = {(system, statement.id): "a test" for system in ("config-manager", "data-vault")}
    monkeypatch.setattr(rows, "tests", lambda: tests)
    assert [trace.trace(system, [SHOWN])[0].state for system in ("config-manager", "data-vault")] == ["held", "waiting"]
    del tests["config-manager", statement.id]
    assert trace.trace("config-manager", [SHOWN])[0].test is None
