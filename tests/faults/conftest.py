"""A real lab for the whole session; a state directory of its own for each test."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook import environment as environments
from drillbook import journal as journals
from drillbook import labs
from drillbook.environment import Environment
from drillbook.environment.settings import BlastRadius
from drillbook.faults.claims.records import folder_of, holder_of
from drillbook.journal import Journal
from drillbook.model import System
from drillbook.platforms import InstanceState
from drillbook.platforms.process.found import ProcessSettings
from drillbook.platforms.process.platform import Keeper
from drillbook.polling import wait_until
from drillbook.redaction import Redactor

RUNNER = Path(__file__).with_name("runner.py")
NAME = "lab"
UNDONE_WITHIN_S = 15.0


@dataclasses.dataclass(frozen=True)
class Range:
    """The lab, and what it is in the house's terms."""

    file: Path
    system: System
    keeper: Keeper

    def states(self) -> dict[str, InstanceState]:
        return {state.name: state for state in self.keeper.list_instances()}

    def calm(self) -> bool:
        return all(state.running for state in self.states().values())

    def state(self, name: str) -> str:
        return self.states()[name].state


@pytest.fixture(scope="session")
def lab() -> Iterator[Range]:
    """A lab of our own: these tests break it again and again."""
    found = labs.bring_up("config-manager")
    try:
        system = environments.load(found.environment).systems["config-manager"]
        where = system.place.held_as(ProcessSettings)
        assert where is not None
        assert where.control is not None
        yield Range(found.environment, system, Keeper(where.control))
    finally:
        found.close()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def target(lab: Range) -> Iterator[Range]:
    """The lab with everything running, before and after."""
    wait_until(lab.calm, what="the lab to be calm", timeout_s=10)
    yield lab
    for name, state in lab.states().items():
        if state.state == "paused":
            lab.keeper.resume(name)
        elif state.state == "exited":
            lab.keeper.start(name)
    wait_until(lab.calm, what="the lab to be calm", timeout_s=30)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def journal(run: Path) -> Iterator[Journal]:
    found = Journal(run, Redactor())
    yield found
    found.close()


@pytest.fixture
def environment(lab: Range) -> Environment:
    """The lab's environment with the narrowest blast radius."""
    loaded = environments.load(lab.file)
    narrow = loaded.disruption.model_copy(update={"at_most": BlastRadius(instances=1)})
    return dataclasses.replace(loaded, disruption=narrow)


class Runner:
    """A process that uses the machinery and can be killed.

    Args:
        options: as ``runner.py`` takes them.
    """

    def __init__(self, target: Range, run: Path, *options: str) -> None:
        self._run = run
        self.process = subprocess.Popen(
            [sys.executable, str(RUNNER), str(target.file), str(run), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def heard(self, word: str) -> str:
        """Wait for a line that begins with this word; the process itself bounds the wait."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.decode().startswith(word):
                return line.decode().strip()
        raise AssertionError(f"it ended with {self.process.wait(10)} before it said {word}")

    def signal(self, number: signal.Signals) -> float:
        self.process.send_signal(number)
        return time.monotonic()

    def watchdog(self) -> int:
        holder = holder_of(NAME)
        assert holder is not None
        assert holder.watchdog is not None
        return holder.watchdog

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@pytest.fixture
def runners(target: Range) -> Iterator[list[Runner]]:
    """Collects runners; none of them and none of their watchdogs outlives the test."""
    made: list[Runner] = []
    yield made
    for one in made:
        one.close()
    wait_until(lambda: holder_of(NAME) is None, what="the last watchdog to end", timeout_s=70)
    assert target.keeper.list_instances()


def records() -> list[Path]:
    return sorted(folder_of(NAME).rglob("*.json"))


def nothing_left(target: Range) -> bool:
    """All runs, no record is left, and neither runner nor watchdog holds the environment any more."""
    return target.calm() and not records() and holder_of(NAME) is None


def until_nothing_left(target: Range, since_s: float) -> float:
    """Wait for that and return the seconds since a moment of the monotonic clock."""
    wait_until(lambda: nothing_left(target), what="everything undone", timeout_s=UNDONE_WITHIN_S, every_s=0.01)
    return time.monotonic() - since_s


def told(run: Path, kind: str) -> list[dict[str, object]]:
    return [row.data for row in journals.read(run) if row.kind == kind]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
