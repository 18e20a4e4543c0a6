"""A gate that brings up its own lab takes it down again, however the run ends; and two may run at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drillbook.polling import wait_until

from ..running import ROOT


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary directory with a name short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="dbt-", dir="/tmp") as name:
        yield Path(name)


def start_gate(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "smoke", "--env=local",
         f"--reports={folder / 'reports'}", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip


def processes_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that mention the folder: the lab's servers and services all do."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


def nothing_left(folder: Path) -> bool:
    return not processes_in(folder) and not list(folder.glob("drillbook-lab-*"))


@pytest.mark.parametrize(
    ("how", "ends_after_s"),
    [(signal.SIGINT, 1.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 0.6), (signal.SIGKILL, 1.4), (signal.SIGKILL, 2.2)],
)
def test_nothing_stays_behind_when_the_run_is_ended(how: signal.Signals, ends_after_s: float, folder: Path) -> None:
    runner = start_gate(folder)
    time.sleep(ends_after_s)  # the moment is the test's subject
    began = bool(processes_in(folder))
    runner.send_signal(how)
    runner.communicate(timeout=60)
    assert began
    assert wait_until(lambda: nothing_left(folder), what="everything of the lab to be gone", timeout_s=30)


def test_two_gates_at_once_each_with_a_lab_of_its_own(folder: Path) -> None:
    folders = [folder / "a", folder / "b"]
    for one in folders:
        one.mkdir()
    runners = [start_gate(one) for one in folders]
    outputs = [runner.communicate(timeout=120)[0] for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0], outputs
    assert all(nothing_left(one) for one in folders)


def test_a_hostile_conftest_in_the_users_directory_changes_nothing(lab_environment: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--env')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "checks").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "drillbook.cli", "gate", "--env", str(lab_environment)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "36 MET" in done.stdout
    assert (tmp_path / "reports" / "latest" / "summary.json").is_file()
