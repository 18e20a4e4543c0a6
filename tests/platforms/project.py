"""A lab on Compose for tests, brought up and planted with the commands that users type."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
from pathlib import Path

from drillbook import carried
from drillbook.environment import load
from drillbook.platforms.compose.haproxy import Balancer
from drillbook.platforms.compose.settings import ComposeProject
from drillbook.polling import wait_until

from ..requires import absent
from ..running import ROOT

COPIES = ("llm-config-manager-1", "llm-config-manager-2")  # two: the negative controls replace them each time


def need_sdk() -> None:
    if importlib.util.find_spec("docker") is None:
        absent("compose", "the Docker SDK is not installed", "pip install 'drillbook[compose]'")


def need_compose() -> None:
    need_sdk()
    import docker  # noqa: PLC0415 - proven to be there

    answers = False
    with contextlib.suppress(Exception):  # whatever it is, there is no engine
        answers = docker.from_env(timeout=5).ping()
    if not answers:
        absent("compose", "no Docker engine answers", "install Docker Engine and start it, or set DOCKER_HOST")


class Planted:
    """A lab on Compose whose copies of the service have some defects, replaced only when others are asked for."""

    def __init__(self, environment: Path) -> None:
        self.environment = environment
        self._defects: tuple[str, ...] = ()

    def have(self, *defects: str) -> Path:
        if defects != self._defects:
            self._defects = ("unknown",)
            drillbook_lab("plant", "--on", "compose", f"--environment={self.environment}", *defects)
            self._defects = defects
        return self.environment


def await_balancer(environment: Path, *, serving: int) -> None:
    """Wait until HAProxy gives work to so many copies, as its own statistics say."""
    compose = load(environment).systems["config-manager"].place.held_as(ComposeProject)
    assert compose is not None
    balancer = Balancer(compose.balancers["api"])

    def look() -> bool:
        return sum(one.up and not one.drained and one.address is not None for one in balancer.servers()) == serving

    wait_until(look, what=f"HAProxy to give work to {serving} copies", timeout_s=30, every_s=0.1)


def drillbook_lab(*words: str, state: Path | None = None) -> str:
    """Run ``drillbook lab`` and return what it printed; it must succeed."""
    argv, variables = carried.lab_command(*words)
    if state is not None:
        variables["DRILLBOOK_STATE_DIR"] = str(state)
    done = subprocess.run(argv, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
