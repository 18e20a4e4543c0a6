from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drillbook.model import Instance, Secret, System
from drillbook.polling import wait_until
from drillbook.traffic.load import LoadProfile
from load.config_manager.profile import LOCUSTFILE
from tests.systems import system

TOKEN = "Bearer a-planted-secret"


@dataclass(frozen=True)
class Service:
    url: str
    pid: int

    @property
    def system(self) -> System:
        headers = {"Authorization": Secret(TOKEN, "env:TOKEN")}
        return system(
            "process",
            Instance("api-1", self.url, headers=headers),
            scratch_namespace="drillbook",
            load_max_rps=100.0,
        )

    def facts(self) -> dict[str, list[Any]]:
        with urllib.request.urlopen(f"{self.url}/facts", timeout=5) as answer:  # noqa: S310 - our own server
            found: dict[str, list[Any]] = json.load(answer)
        return found


def profile(*, rate_rps: float = 40, duration_s: float = 3, users: int = 200) -> LoadProfile:
    return LoadProfile("configs", LOCUSTFILE, rate_rps, duration_s, 0.5, users)


@contextlib.contextmanager
def running_service(**settings: str) -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("small_service.py")), str(port)],
        env={**os.environ, **settings},
    )

    def answers() -> bool:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    try:
        wait_until(answers, what="the small service", timeout_s=20)
        yield Service(f"http://127.0.0.1:{port}", process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@pytest.fixture
def service() -> Iterator[Service]:
    with running_service() as found:
        yield found


@pytest.fixture
def service_with() -> Iterator[Callable[[str], Service]]:
    """Start a service with one of its settings switched on."""
    with contextlib.ExitStack() as stack:
        yield lambda setting: stack.enter_context(running_service(**{setting: "1"}))
