"""Scenarios through pytest: allowed or refused, planned without change, undone whatever becomes of the run."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import tomli_w

from drillbook.faults.claims.records import LocalClaim
from drillbook.polling import wait_until

from ..running import Run, disrupt, run
from .stories import CRASH, DRILL, SHUTDOWN, kinds, leftovers, start, states

LIMITED = "[systems.config-manager.components.api]\nmax_rps"


@pytest.fixture
def environment(lab_environment: Path, tmp_path: Path) -> Path:
    """A copy of the lab's environment file that a test may change."""
    path = tmp_path / "environment.toml"
    path.write_text(lab_environment.read_text() + '\n[systems.config-manager.objectives."*"]\nrto_s = 30\nrpo_s = 0\n')
    return path


def pytest_on(environment: Path, *arguments: str, reports: Path) -> Run:
    return run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--env={environment}", *arguments], reports=reports
    )


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (("x", "x"), (), "nobody asked for disruption; add --disrupt lab"),
        (("x", "x"), ("--disrupt=prod",), "they must be the same"),
        (("[disruption]\nallowed = true", "[disruption]\nallowed = false"), ("--disrupt=lab",), "allows no disruption"),
        (("marker = ", "marker = '/nonexistent' #"), ("--disrupt=lab",), "the marker /nonexistent: No such file"),
        (('name = "lab"', 'name = "other"'), ("--disrupt=other",), "names lab, local, not other"),
        (("instances = 4", "instances = 0"), ("--disrupt=lab",), "at most 0 may be"),
        (("share = 1.0", "share = 0.4"), ("--disrupt=lab",), "at most 0.40 may be"),
        (("mutations]\nallowed = true", "mutations]\nallowed = false"), ("--disrupt=lab",), "its clients write"),
        (("[disruption]", f"{LIMITED} = 5\n[disruption]"), ("--disrupt=lab",), "need 8 requests a second"),
    ],
)
def test_a_refused_scenario_exits_11_and_touches_nothing(
    change: tuple[str, str], arguments: tuple[str, ...], said: str, environment: Path, tmp_path: Path
) -> None:
    before = states(environment)
    text = environment.read_text()
    assert change[0] == "x" or change[0] in text
    environment.write_text(text.replace(*change, 1))
    refused = pytest_on(environment, SHUTDOWN, *arguments, reports=tmp_path / "reports")
    assert refused.exit_status == 11, refused.output
    assert said in refused.output
    assert states(environment) == before


def test_disruption_refuses_xdist(environment: Path, tmp_path: Path) -> None:
    refused = pytest_on(environment, SHUTDOWN, "--disrupt=lab", "-n", "2", reports=tmp_path / "reports")
    assert refused.exit_status == 4, refused.output
    assert "--disrupt and -n do not go together" in refused.output


def test_a_plan_shows_faults_undo_and_refusals_and_changes_nothing(environment: Path, tmp_path: Path) -> None:
    before = states(environment)
    allowed = pytest_on(environment, "chaos", "--plan", "--disrupt=lab", reports=tmp_path / "reports")
    refused = pytest_on(environment, "chaos", "--plan", reports=tmp_path / "reports")
    assert (allowed.exit_status, refused.exit_status) == (0, 11), allowed.output
    assert "fault     kill api-1: api-1 (1 of 2 api)" in allowed.output
    assert "undo      instances.start" in allowed.output
    assert "refused   nobody asked for disruption" in refused.output
    assert states(environment) == before
    assert not (tmp_path / "reports").exists()


def test_a_system_that_a_scenario_does_not_touch_is_not_asked(environment: Path, tmp_path: Path) -> None:
    other = "[systems.data-vault]\nprocess = { control = '/nonexistent', marker = '/nonexistent' }\n"
    environment.write_text(environment.read_text() + other)
    with contextlib.closing(_Held("data-vault")):
        allowed = pytest_on(environment, CRASH, "--plan", "--disrupt=lab", reports=tmp_path / "reports")
    with contextlib.closing(_Held("config-manager")):
        refused = pytest_on(environment, CRASH, "--plan", "--disrupt=lab", reports=tmp_path / "reports")
    assert (allowed.exit_status, refused.exit_status) == (0, 11), allowed.output
    assert "config-manager of lab is held by" in refused.output


class _Held:
    """The place of a system, as another run holds it."""

    def __init__(self, system: str) -> None:
        self._claim = LocalClaim.take("lab", run="", systems=[system])

    def close(self) -> None:
        self._claim.release()


def test_a_drill_that_goes_too_far_with_its_last_fault_does_not_do_its_first(environment: Path, tmp_path: Path) -> None:
    before = states(environment)
    environment.write_text(environment.read_text().replace("instances = 4", "instances = 3"))
    plan = pytest_on(environment, DRILL, "--plan", "--disrupt=lab", reports=tmp_path / "plan")
    assert plan.exit_status == 11, plan.output
    run = disrupt(environment, DRILL, reports=tmp_path / "reports")
    assert run.exit_status == 11, run.output
    assert "at most 3 may be" in run.output
    assert states(environment) == before


def test_clients_that_never_got_going_are_ended_and_leave_nothing(environment: Path, tmp_path: Path) -> None:
    run = start(environment, tmp_path / "reports", SHUTDOWN)
    wait_until(lambda: list((tmp_path / "reports").rglob("ledger.jsonl")), what="the ledger", timeout_s=40)
    run.send_signal(signal.SIGHUP)  # the terminal is closed while the clients warm up
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 2, output
    assert "traffic-cleanup" in kinds(tmp_path / "reports")
    assert not leftovers()


def test_an_environment_that_is_held_is_refused_to_the_second(environment: Path, tmp_path: Path) -> None:
    first = start(environment, tmp_path / "first", CRASH)
    try:
        wait_until(lambda: "fault" in kinds(tmp_path / "first"), what="the first run's fault", timeout_s=40)
        second = disrupt(environment, CRASH, reports=tmp_path / "second")
    finally:
        output = first.communicate(timeout=90)[0]
    assert second.exit_status == 11, second.output
    assert first.returncode == 0, output


def test_a_healthy_drill_reports_its_figures_and_can_be_judged_again(environment: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    done = disrupt(environment, "chaos", "-m", "drill", reports=reports)
    assert done.exit_status == 0, done.output
    (line,) = done.summary["drills"]
    assert line.startswith("RTO ")
    assert "(objective 30), 0 of " in line
    assert line in done.output
    found = kinds(reports)
    assert {"steady", "step", "fault", "undo", "traffic", "traffic-cleanup", "drill", "verdict"} <= found
    again = subprocess.run(
        [sys.executable, "-m", "drillbook.cli", "judge", "latest", "--json", f"--reports={reports}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert {row["id"]: row["outcome"] for row in json.loads(again.stdout)} == done.verdicts()


def test_an_objective_that_nobody_states_is_unknown(lab_environment: Path, tmp_path: Path) -> None:
    done = disrupt(lab_environment, "chaos", "-m", "drill", reports=tmp_path)
    assert done.exit_status == 10, done.output
    assert done.broken() == {"config-manager.slo.rto", "config-manager.slo.rpo"}


def test_the_abort_condition_ends_a_fault_early(environment: Path, tmp_path: Path) -> None:
    facts = tomllib.loads(environment.read_text())
    # One instance alone, so that killing it is an outage, and a condition that an outage breaks at once.
    del facts["systems"]["config-manager"]["components"]["api"]["instances"][1:]
    facts["disruption"]["abort_when"] = {"bad_share": 0.1, "over_s": 1}
    environment.write_text(tomli_w.dumps(facts))
    done = disrupt(environment, CRASH, reports=tmp_path / "reports")
    assert done.exit_status == 1, done.output
    assert "the share of bad requests over 1 s" in done.output
    assert {state for state, _ in states(environment).values()} == {"running"}


@pytest.mark.parametrize(
    ("how", "seed"),
    [*((signal.SIGKILL, seed) for seed in range(4)), (signal.SIGTERM, 4), (signal.SIGINT, 5)],
)
def test_nothing_is_left_when_the_run_ends_at_a_random_moment(
    how: signal.Signals, seed: int, environment: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    runner = start(environment, reports, CRASH)
    wait_until(lambda: "fault" in kinds(reports), what="the fault", timeout_s=40, every_s=0.02)
    time.sleep(random.Random(seed).uniform(0, 1.5))  # noqa: S311 - the moment is the test's subject
    runner.send_signal(how)
    runner.communicate(timeout=60)
    wait_until(
        lambda: {state for state, _ in states(environment).values()} == {"running"},
        what="every process to run again",
        timeout_s=30,
    )
    wait_until(lambda: not leftovers(), what="the undo records to be gone", timeout_s=30)
    again = disrupt(environment, SHUTDOWN, reports=tmp_path / "again")
    assert again.exit_status == 0, again.output
