"""The runner's whole container is removed in the middle of a fault, disk and watchdog with it; another undoes."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook.environment import load
from drillbook.faults import FaultSession, Refusal, spot_of
from drillbook.journal import Journal
from drillbook.platforms import KeepsClaim
from drillbook.polling import wait_until
from drillbook.redaction import Redactor

from ..requires import require
from ..running import ROOT
from .grounds import COMPONENT, Ground

KEYS = 12
IMAGES = {"compose": "python:3.11-slim", "kubernetes": "python:3.11-slim", "systemd": "drillbook-lab-systemd"}
"""Images with Python 3.11; the last one has ssh as well."""
LIMIT_S = 150


class Containers:
    """Runs Drillbook as this checkout has it in containers on this machine's network; removes them all."""

    def __init__(self, image: str, target: Path) -> None:
        packages = sysconfig.get_paths()["purelib"]
        mounts = [f"{path}:{path}:ro" for path in dict.fromkeys((str(ROOT), packages, str(target)))]
        self._options = [
            *(word for mount in [*mounts, "/var/run/docker.sock:/var/run/docker.sock"] for word in ("-v", mount)),
            *("--network", "host", "-e", f"PYTHONPATH={ROOT}/src:{packages}", "-e", "DRILLBOOK_STATE_DIR=/state"),
            *("-e", "PYTHONDONTWRITEBYTECODE=1", "--entrypoint", "python3", image),
        ]
        self._names: list[str] = []
        self._running = contextlib.ExitStack()
        """Waits for each, and closes its pipes."""

    def start(self, *command: str) -> tuple[str, subprocess.Popen[str]]:
        name = f"drillbook-test-runner-{secrets.token_hex(4)}"
        self._names.append(name)
        words = ["docker", "run", "-i", "--name", name, *self._options, *command]
        running = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return name, self._running.enter_context(running)

    @staticmethod
    def remove(name: str) -> None:
        subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True, timeout=60)

    def close(self) -> None:
        for name in self._names:
            self.remove(name)
        self._running.close()


@pytest.fixture
def containers(ground: Ground) -> Iterator[Containers]:
    if ground.name not in IMAGES:
        pytest.skip("processes end with their machine, and its disk has the records")
    require("compose", sys.version_info[:2] == (3, 11), "the images that stand in for another machine have Python 3.11")
    found = Containers(IMAGES[ground.name], ground.file.parent)
    yield found
    found.close()


def test_another_runner_finds_the_fault_and_undoes_it(
    ground: Ground, containers: Containers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = str(ROOT / "tests" / "faults" / "runner.py")
    name, running = containers.start(runner, str(ground.file), "/root", "lose", COMPONENT, f"--keys={KEYS}")
    heard = _until_in_effect(running)
    assert heard[-1].startswith("in effect"), heard
    containers.remove(name)  # SIGKILL to everything in it, and its disk is gone
    running.wait(30)
    assert all(not state.running for state in ground.copies())

    monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path / "state"))
    journal = Journal(tmp_path, Redactor())
    refused = FaultSession.open(load(ground.file), "lab", spot_of(ground.load()), journal=journal)
    journal.close()
    assert isinstance(refused, Refusal)
    assert "lab is held by" in refused.reason or "lab has leftovers" in refused.reason

    _, recovering = containers.start("-m", "drillbook.cli", "recover", "--env", str(ground.file))
    output, _ = recovering.communicate(timeout=LIMIT_S)
    assert recovering.returncode == 0, output
    assert f"undone  kill {COMPONENT}" in output
    assert f"cleaned  {KEYS} test keys of " in output
    assert len(ground.have(ground.count)) == ground.count
    keeps = ground.ask(KeepsClaim)
    assert keeps.read_claim() is None


def _until_in_effect(running: subprocess.Popen[str]) -> list[str]:
    """Return what the runner says up to the fault's effect, or up to its end."""
    heard: list[str] = []
    assert running.stdout is not None

    def said() -> bool:
        assert running.stdout is not None
        heard.append(running.stdout.readline().strip())
        return heard[-1].startswith(("in effect", "refused")) or running.poll() is not None

    wait_until(said, what="the fault", timeout_s=LIMIT_S, every_s=0.01)
    return heard
