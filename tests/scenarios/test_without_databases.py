"""A Config Manager without PostgreSQL and Redis: what is declared absent is left out, and hides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook import catalogue

from ..running import Run, disrupt, gate
from .without_databases import running

ABSENT = 'absent = ["postgres", "redis"]\n'
SIX = {
    "config-manager.startup.compose-postgres-ready",
    "config-manager.startup.compose-redis-pong",
    "config-manager.pool.postgres-connections",
    "config-manager.pool.redis-clients",
    "config-manager.verify.success-cache-connections",
    "config-manager.verify.success-database-connections",
}
RUNNING = "config-manager.verify.success-dependencies-running"
SAW = ("-k", "not logs and not metrics and not log- and not error-logs")
"""The service of these tests keeps no log and no metrics."""


def reasons(run: Run) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in run.summary["not_judged"]}


def test_what_is_declared_absent_is_left_out_and_listed(tmp_path: Path) -> None:
    with running(tmp_path, ABSENT) as environment:
        run = gate(environment, *SAW, reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    assert "config-manager.startup.compose-all-up" in run.verdicts()
    why = reasons(run)
    assert {name for name in why if "declared absent" in why[name]} == {*SIX, RUNNING}
    assert why["config-manager.pool.redis-clients"] == "redis is declared absent"
    assert why[RUNNING] == "postgres and redis are declared absent"


def test_without_the_declaration_they_are_unknown(tmp_path: Path) -> None:
    with running(tmp_path) as environment:
        run = gate(environment, *SAW, reports=tmp_path / "reports")
    assert run.exit_status == 1, run.output
    assert run.broken() == {*SIX, RUNNING}


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_a_component_that_the_health_document_names_is_not_absent(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with running(tmp_path, ABSENT, also="redis-primary") as environment:
        run = gate(environment, *SAW, *arguments, reports=tmp_path / "reports")
    assert run.exit_status == 10, run.output
    assert run.broken() == {name for name in {*SIX, RUNNING} if "redis" in catalogue.entry(name).about}
    assert "redis is declared absent, and is seen all the same: checks.redis-primary names redis-primary" in run.output
    assert reasons(run)["config-manager.pool.postgres-connections"] == "postgres is declared absent"


def test_a_health_document_that_the_selection_does_not_need_is_read_for_it(tmp_path: Path) -> None:
    with running(tmp_path, ABSENT, also="redis") as environment:
        run = gate(environment, "-k", "api-get-example or redis-clients", reports=tmp_path / "reports")
    assert run.exit_status == 10, run.output
    assert run.broken() == {"config-manager.pool.redis-clients"}


def test_scenarios_run_without_them(tmp_path: Path) -> None:
    with running(tmp_path, ABSENT) as environment:
        only = ("-k", "sigkill or full_shutdown or lost_cache")
        run = disrupt(environment, "chaos", *only, reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    judged, why = run.verdicts(), reasons(run)
    assert judged["config-manager.emergency.systemd-sigkill"] == "MET"
    assert judged["config-manager.slo.rto"] == "MET"
    assert why["drillbook.durability.cache-loss-survived"] == "redis is declared absent"
    assert why["config-manager.shutdown.order"] == "postgres and redis are declared absent"
    assert "stop api verified after" in run.output
    assert "stop redis" not in run.output


def test_a_plan_says_what_is_left_out(tmp_path: Path) -> None:
    with running(tmp_path, ABSENT) as environment:
        run = disrupt(environment, "chaos", "--plan", reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    assert "not judged: redis is declared absent" in run.output
    assert "test_a_lost_cache" not in run.output


def test_no_scenario_runs_where_a_component_is_seen_all_the_same(tmp_path: Path) -> None:
    with running(tmp_path, ABSENT, also="redis") as environment:
        run = disrupt(environment, "chaos", "-k", "sigkill", reports=tmp_path / "reports")
    assert run.exit_status == 1, run.output
    assert "redis is declared absent, and is seen all the same" in run.output
