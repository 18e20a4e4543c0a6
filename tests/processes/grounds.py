"""Real processes of a test's own, and none of them after it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from drillbook.model import Place, System
from drillbook.platforms import InstanceState
from drillbook.platforms.process.found import Found, ProcessSettings
from drillbook.platforms.process.processes import Processes
from drillbook.polling import wait_until

SERVER = Path(__file__).with_name("server.py")
SUPERVISOR = Path(__file__).with_name("supervisor.py")


@dataclass
class Ground:
    """A folder that every process of the test names on its command line."""

    folder: Path
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def argv(self, port: int, *options: str) -> tuple[str, ...]:
        """How a server is started."""
        return (sys.executable, str(SERVER), str(self.folder), str(port), *options)

    def run(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a command as our child."""
        child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.children.append(child)
        return child

    def serve(self, port: int, *options: str) -> subprocess.Popen[bytes]:
        """Start a server and wait until it listens."""
        child = self.run(*self.argv(port, *options))
        wait_until(lambda: listens(port), what="the server", timeout_s=20)
        return child

    def left(self) -> list[psutil.Process]:
        """All processes that name the folder."""
        return [one for one in psutil.process_iter() if str(self.folder) in _words(one)]

    def clear(self) -> None:
        """Kill them and reap our own."""
        while left := self.left():
            for one in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            for child in self.children:
                child.poll()
        for child in self.children:
            child.wait(10)


@contextlib.contextmanager
def ground_in(folder: Path) -> Iterator[Ground]:
    ground = Ground(folder)
    try:
        yield ground
    finally:
        ground.clear()


def platform(**found: Found) -> Processes:
    """The platform of these instances; ``api_1`` is called api-1."""
    return Processes("config-manager", ProcessSettings({name.replace("_", "-"): one for name, one in found.items()}))


def state(processes: Processes, name: str = "api-1") -> InstanceState:
    """Look at one instance."""
    return next(one for one in processes.list_instances() if one.name == name)


def running(processes: Processes, name: str = "api-1") -> InstanceState:
    """Wait until an instance runs and return it."""

    def look() -> InstanceState | None:
        found = state(processes, name)
        return found if found.running else None

    return wait_until(look, what=name, timeout_s=20)


def system(**found: Found) -> System:
    """The system of these instances."""
    named = {name.replace("_", "-"): one for name, one in found.items()}
    return System("config-manager", Place("process", ProcessSettings(named)))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
