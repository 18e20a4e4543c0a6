"""One real service, in a process that can be stopped, killed, frozen and started again."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drillbook import timeline
from drillbook.polling import wait_until
from drillbook.traffic.service import Service

SCRIPT = Path(__file__).with_name("range_server.py")


class Range:
    """The service process."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.service = Service((self.url,))
        self.data = data
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Range:
        """Start it, also after a kill, and wait until it answers."""
        self.process = subprocess.Popen([sys.executable, str(SCRIPT), str(self.port), str(self.data)])
        wait_until(self.answers, what="the range server", timeout_s=10, every_s=0.01)
        return self

    def answers(self) -> bool:
        """Say whether it answers."""
        try:
            return bool(self.ask("GET", "/counts"))
        except OSError:
            return False

    def ask(self, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, int]:
        """Send one request and return the JSON of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer: dict[str, int] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer

    def set(self, **settings: object) -> None:
        """Change how it behaves; see ``range_server``."""
        self.ask("POST", "/settings", settings)

    def signal(self, number: signal.Signals) -> float:
        """Send a signal and return when, in seconds since 1970."""
        assert self.process is not None
        at = timeline.now()
        self.process.send_signal(number)
        return at

    def kill(self) -> float:
        """Kill the process, reap it, and return when it was done."""
        at = self.signal(signal.SIGKILL)
        self.wait()
        return at

    def wait(self) -> None:
        """Wait for its end."""
        assert self.process is not None
        self.process.wait(10)

    def close(self) -> None:
        """Kill it unless it has ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def ranges(tmp_path: Path) -> Iterator[Callable[[], Range]]:
    """Start services; all are killed at the end."""
    started: list[Range] = []

    def start() -> Range:
        started.append(Range(tmp_path / f"data-{len(started)}.jsonl"))
        return started[-1].start()

    yield start
    for found in started:
        found.close()


@pytest.fixture
def target(ranges: Callable[[], Range]) -> Range:
    """One running service."""
    return ranges()
