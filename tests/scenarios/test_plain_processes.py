"""A whole environment of ordinary processes, without the lab's keeper: judged, and disrupted."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drillbook.environment import load
from drillbook.platforms.process.found import ProcessSettings
from drillbook.platforms.process.processes import Processes
from drillbook.polling import wait_until
from lab.postgres import release_shared_memory

from ..processes.grounds import running
from ..running import ROOT, disrupt, gate


@pytest.fixture(scope="module")
def environment() -> Iterator[Path]:
    """The reference service on this machine, every process started by its own command."""
    folder = Path(tempfile.mkdtemp(prefix="drillbook-plain-"))  # where whoever PostgreSQL runs as may enter
    folder.chmod(0o711)
    try:
        laid_out = subprocess.run(
            [sys.executable, "-m", "tests.processes.reference", str(folder)],
            cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert laid_out.returncode == 0, laid_out.stderr
        processes = found_in(folder / "environment.toml")
        for name in ("postgres", "redis", "api-1", "api-2"):
            processes.start(name)
            running(processes, name)
        yield folder / "environment.toml"
    finally:
        _clear(folder)


def found_in(environment: Path) -> Processes:
    place = load(environment).systems["config-manager"].place.held_as(ProcessSettings)
    assert place is not None
    return Processes("config-manager", place)


def test_the_gate_is_green(environment: Path, tmp_path: Path) -> None:
    judged = gate(environment, "--within", "30s", reports=tmp_path)
    assert judged.exit_status == 0, judged.output
    assert judged.verdicts()["config-manager.startup.compose-all-up"] == "MET"


STORIES = {
    "test_crash.py": {"api-1"},
    "drills": {"api-1", "api-2", "redis", "postgres"},
}


@pytest.mark.parametrize("story", STORIES)
def test_a_scenario_is_green_and_leaves_all_running(story: str, environment: Path, tmp_path: Path) -> None:
    processes = found_in(environment)
    before = {state.name: state for state in processes.list_instances()}
    done = disrupt(environment, f"chaos/{story}", reports=tmp_path)
    assert done.exit_status == 0, done.output
    after = {state.name: state for state in processes.list_instances()}
    assert all(state.running for state in after.values())
    assert {name for name in before if before[name].is_gone(after[name])} == STORIES[story]


def test_a_plan_shows_what_would_be_run(environment: Path, tmp_path: Path) -> None:
    plan = disrupt(environment, "chaos/test_crash.py", "--plan", reports=tmp_path)
    assert plan.exit_status == 0, plan.output
    assert f'"start": ["{environment.parent}/start-api-1"]' in plan.output


def _clear(folder: Path) -> None:
    """End all that was started here, and remove the folder."""
    mine = [one for one in psutil.process_iter() if _is_mine(one, folder)]
    for one in mine:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    wait_until(lambda: not any(_is_mine(one, folder) for one in psutil.process_iter()), what="their end", timeout_s=20)
    release_shared_memory(folder / "postgres" / "data")
    shutil.rmtree(folder)


def _is_mine(process: psutil.Process, folder: Path) -> bool:
    try:
        words = [*process.cmdline(), *process.environ().values()]
        return process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in words)
    except psutil.Error:
        return False
