"""What goes wrong with us and not with the system: its own exit status, one line, never a traceback, never 0 or 1."""

from __future__ import annotations

import os
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ..running import ROOT, gate

COMMAND = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "smoke")
ONE = "checks/config_manager/test_health.py"


def run(environment: Path, *arguments: str, full: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a gate on one file of checks, by its own command line; ``full`` lets no file grow from the start."""
    return subprocess.run(
        [*COMMAND, ONE, f"--env={environment}", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=_no_growth if full else None,
    )


def _no_growth() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))


def plain(said: str) -> None:
    """See that nothing of the inside is shown."""
    assert "Traceback" not in said, said
    assert "INTERNALERROR" not in said, said


@pytest.mark.parametrize("what", ["a file", "below a file", "latest is a folder", "latest is a file"])
def test_reports_that_cannot_be_written_end_a_run_before_anything_is_asked(
    what: str, lab_environment: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    if what in ("a file", "below a file"):
        reports.write_text("")
        reports = reports / "below" if what == "below a file" else reports
    else:
        reports.mkdir()
        latest = reports / "latest"
        latest.mkdir() if what == "latest is a folder" else latest.write_text("")
    done = run(lab_environment, f"--reports={reports}")
    assert done.returncode == 4, done.stdout
    plain(done.stdout)
    assert str(reports) in done.stdout


def test_a_disk_that_is_full_costs_the_evidence_and_not_the_verdicts(lab_environment: Path, tmp_path: Path) -> None:
    done = run(lab_environment, f"--reports={tmp_path / 'reports'}", full=True)
    assert done.returncode == 3, done.stdout
    plain(done.stdout)
    assert "evidence was lost" in done.stdout
    assert re.search(r"\d+ MET", done.stdout)


def test_a_reader_that_has_seen_enough_is_no_error(lab_environment: Path, tmp_path: Path) -> None:
    words = [*COMMAND, ONE, f"--env={lab_environment}", f"--reports={tmp_path / 'reports'}"]
    command = f"{shlex.join(words)} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_collection_that_the_variables_ask_for_judges_nothing(lab_environment: Path, tmp_path: Path) -> None:
    reports = f"--reports={tmp_path / 'reports'}"
    hidden = run(lab_environment, reports, PYTEST_ADDOPTS="--collect-only")
    assert hidden.returncode == 11, hidden.stdout
    assert "PYTEST_ADDOPTS" in hidden.stdout
    assert run(lab_environment, reports, "--collect-only").returncode == 0


@pytest.mark.parametrize("option", ["--reports", "--alluredir", "--junitxml", "--env"])
def test_a_path_may_be_a_word_of_its_own_more_than_once(option: str, lab_environment: Path, tmp_path: Path) -> None:
    place = {"--junitxml": str(tmp_path / "r.xml"), "--env": str(lab_environment)}.get(option, str(tmp_path / "there"))
    others = [] if option == "--reports" else [f"--reports={tmp_path / 'reports'}"]
    for _ in range(2):
        done = run(lab_environment, option, place, *others)
        assert done.returncode == 0, done.stdout


def test_allure_knows_a_test_again(lab_environment: Path, tmp_path: Path) -> None:
    known = []
    for number in range(2):
        folder = tmp_path / f"allure-{number}"
        done = gate(lab_environment, f"--alluredir={folder}", reports=tmp_path / "reports")
        assert done.exit_status == 0, done.output
        found = [re.findall(r'"historyId": "([^"]+)"', path.read_text()) for path in folder.glob("*-result.json")]
        known.append(sorted(one for row in found for one in row))
    assert known[0] == known[1]
    assert len(set(known[0])) == len(known[0]) == 36


@pytest.mark.parametrize("password", ["postgres", "config", "healthy", "2026", "MET", "critical"])
def test_a_password_that_is_a_word_breaks_no_verdict(password: str, tmp_path: Path) -> None:
    environment = tmp_path / "x.toml"
    environment.write_text(
        'name = "other"\nplatform = "process"\n'
        "[systems.config-manager.components.postgres]\nkind = 'postgres'\nurl = { env = 'CONFIG_DATABASE_URL' }\n"
    )
    address = f"postgresql://postgres:{password}@127.0.0.1:1/llm_config"
    done = gate(environment, "-k", "postgres", reports=tmp_path / "r", variables={"CONFIG_DATABASE_URL": address})
    assert done.exit_status == 1, done.output
    plain(done.output)
    assert done.verdicts() == {
        "config-manager.pool.postgres-connections": "NOT_MET",
        "config-manager.startup.compose-postgres-ready": "NOT_MET",
    }
