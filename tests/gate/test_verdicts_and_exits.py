"""The gate's promises: honest exit statuses, waivers, severities, what is not judged, and never a green no-op."""

from __future__ import annotations

import threading
import time
import tomllib
from pathlib import Path

import pytest

from drillbook.journal import read

from ..running import gate, tell

HEADER = 'name = "other"\nplatform = "process"\n'


@pytest.fixture
def environment(lab_environment: Path, tmp_path: Path) -> Path:
    """A copy of the lab's environment file that a test may change."""
    path = tmp_path / "environment.toml"
    path.write_text(lab_environment.read_text())
    return path


def append(environment: Path, text: str) -> Path:
    environment.write_text(environment.read_text() + "\n" + text)
    return environment


def test_a_healthy_system_exits_0(lab_environment: Path, tmp_path: Path) -> None:
    run = gate(lab_environment, reports=tmp_path)
    assert run.exit_status == 0, run.output
    assert "36 MET, 36 of 62 judged" in run.output


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (HEADER, ()),
        (HEADER + "[systems.data-vault]\n", ()),
        (HEADER + "[systems.config-manager]\n", ("-k", "no_such_test")),
        (HEADER + "[systems.config-manager]\n", ("-m", "smoke and preflight")),
    ],
)
def test_a_run_that_judges_nothing_exits_11(text: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    environment = tmp_path / "x.toml"
    environment.write_text(text)
    run = gate(environment, *arguments, reports=tmp_path / "reports")
    assert run.exit_status == 11, run.output
    assert "nothing was judged" in run.output


def test_an_environment_that_names_no_addresses_is_unknown_and_exits_10(tmp_path: Path) -> None:
    environment = tmp_path / "x.toml"
    environment.write_text(HEADER + "[systems.config-manager]\n")
    run = gate(environment, reports=tmp_path / "reports")
    assert run.exit_status == 10, run.output
    assert set(run.verdicts().values()) == {"UNKNOWN"}


def test_a_refused_login_is_unknown_with_a_hint_and_no_password(environment: Path, tmp_path: Path) -> None:
    planted = tmp_path / "url"
    address = tomllib.loads(environment.read_text())["systems"]["config-manager"]["components"]["postgres"]["url"][
        "file"
    ]
    good = Path(address).read_text().strip()
    user, _, host = good.partition("@")
    planted.write_text(user.rpartition(":")[0] + ":wrong-hunter22@" + host)
    environment.write_text(environment.read_text().replace(address, str(planted)))
    run = gate(environment, reports=tmp_path / "reports")
    assert run.exit_status == 10, run.output
    assert run.broken() == {
        "config-manager.startup.compose-postgres-ready",
        "config-manager.pool.postgres-connections",
        "config-manager.verify.success-database-connections",
    }
    assert "check systems.config-manager.components.postgres.url" in run.output
    assert "hunter22" not in run.output


def test_writes_that_are_not_allowed_are_listed_and_not_judged(environment: Path, tmp_path: Path) -> None:
    environment.write_text(environment.read_text().replace("mutations]\nallowed = true", "mutations]\nallowed = false"))
    run = gate(environment, reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    reason = "it writes, and mutations does not allow that here"
    assert {row["id"] for row in run.summary["not_judged"] if row["reason"] == reason} == {
        "config-manager.verify.api-create",
        "config-manager.verify.api-read-back",
        "config-manager.verify.api-delete",
        "config-manager.verify.success-api-responds",
    }
    assert "32 of 62 judged" in run.output


VERSION_WAIVER = """
[[waivers]]
id = "drillbook.deploy.expected-version"
reason = "rolling out"
owner = "ops"
expires = {day}
"""


def test_a_waiver_excuses_until_its_day_and_fails_after_it(environment: Path, tmp_path: Path) -> None:
    text = environment.read_text()
    append(environment, VERSION_WAIVER.format(day="2099-01-01"))
    waived = gate(environment, "--expect-version=9", reports=tmp_path / "reports")
    assert waived.exit_status == 0, waived.output
    assert "waived until 2099-01-01 by ops: rolling out" in waived.output
    assert "may go on: 35 MET, 1 waived" in waived.output

    environment.write_text(text)
    append(environment, VERSION_WAIVER.format(day="2020-01-01"))
    expired = gate(environment, reports=tmp_path / "reports")
    assert expired.exit_status == 1, expired.output
    assert "expired waiver: drillbook.deploy.expected-version" in expired.output


def test_warnings_pass_below_fail_on_critical_and_are_shown(environment: Path, tmp_path: Path) -> None:
    environment.write_text(environment.read_text().replace('log = "', 'log = "/nonexistent'))
    only = ("-k", "logs.quick-compose or health.quick")
    strict = gate(environment, *only, reports=tmp_path / "reports")
    lenient = gate(environment, *only, "--fail-on=critical", reports=tmp_path / "reports")
    assert (strict.exit_status, lenient.exit_status) == (10, 0), lenient.output
    assert "a warning, below --fail-on critical" in lenient.output


def test_a_failure_is_told_in_at_most_six_lines(environment: Path, tmp_path: Path) -> None:
    run = gate(environment, "--expect-version=9", reports=tmp_path / "reports")
    assert run.exit_status == 1
    lines = run.output.split("NOT_MET drillbook.deploy.expected-version", 1)[1].split("\n\n")[0].splitlines()
    assert len(lines) <= 6, lines
    told = "\n".join(lines)
    for word in ("expected", "observed", "runbook", "next", 'version == "9"', "GET http://", " ms)"):
        assert word in told


@pytest.mark.few
def test_within_waits_for_one_consistent_good_round(lab_environment: Path, tmp_path: Path) -> None:
    tell(lab_environment, do="stop", name="api-2", grace_s=10)

    def start_later() -> None:
        time.sleep(2.5)  # the deploy that the gate waits for takes this long
        tell(lab_environment, do="start", name="api-2")

    starter = threading.Thread(target=start_later)
    starter.start()
    try:
        run = gate(lab_environment, "--within=60s", "--good-rounds=2", reports=tmp_path)
    finally:
        starter.join()
    assert run.exit_status == 0, run.output
    rounds = [record.data["good"] for record in read(run.directory) if record.kind == "round"]
    assert rounds[-2:] == [True, True]
    assert rounds[0] is False
    assert "round 1, " in run.output


def test_good_rounds_that_never_came_in_a_row_are_not_green(lab_environment: Path, tmp_path: Path) -> None:
    run = gate(lab_environment, "-k", "quick", "--within=2s", "--good-rounds=99", reports=tmp_path)
    assert run.exit_status == 10, run.output
    assert set(run.verdicts().values()) == {"MET"}
    assert "of 99 good rounds in a row when time was up" in run.output


def test_good_rounds_without_the_time_for_them_are_a_mistake(lab_environment: Path, tmp_path: Path) -> None:
    run = gate(lab_environment, "-k", "quick", "--good-rounds=2", reports=tmp_path)
    assert run.exit_status == 4, run.output
    assert "say with --within how long they may take" in run.output


def test_the_deadline_makes_what_is_unseen_unknown(lab_environment: Path, tmp_path: Path) -> None:
    run = gate(lab_environment, "--deadline=1ms", "-k", "uptime-incrementing", reports=tmp_path)
    assert run.exit_status == 10, run.output
    assert "the deadline of the run" in run.output


def test_an_unknown_environment_lists_the_known_ones_and_exits_4(tmp_path: Path) -> None:
    run = gate("locl", reports=tmp_path)
    assert run.exit_status == 4
    assert 'did you mean "local"?' in run.output


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_a_green_run_leaves_nothing_open(lab_environment: Path, arguments: tuple[str, ...], tmp_path: Path) -> None:
    run = gate(lab_environment, *arguments, reports=tmp_path, variables={"PYTHONWARNINGS": "error"})
    assert run.exit_status == 0, run.output
    assert "Warning" not in run.output
