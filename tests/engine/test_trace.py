"""The catalogue, the rows and the planted defects agree."""

from __future__ import annotations

import tomllib

import pytest

from drillbook import catalogue, rows, trace

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


def test_held_needs_a_test_and_a_planted_defect() -> None:
    traced = {one.entry.id: one for one in trace.trace("config-manager")}
    assert traced["config-manager.verify.success-health"].state == "held"
    assert traced["config-manager.preflight.cpu-load"].state == "waiting"
    assert traced["config-manager.shutdown.notify-users"].state == "human"
    counts = trace.count(tuple(traced.values()))
    assert (counts.held + counts.waiting + counts.human, counts.human) == (271, 39)


def test_what_holds_in_one_system_holds_in_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows and tests of one system are no proof of another's, though both judge the same statement."""
    statement = catalogue.entry("config-manager.verify.success-health")
    monkeypatch.setattr(catalogue, "entries", lambda _system: (statement,))
    tests = {(system, statement.id): "a test" for system in ("config-manager", "data-vault")}
    monkeypatch.setattr(rows, "tests", lambda: tests)
    assert [trace.trace(system)[0].state for system in ("config-manager", "data-vault")] == ["held", "waiting"]
    del tests["config-manager", statement.id]
    assert trace.trace("config-manager")[0].test is None
