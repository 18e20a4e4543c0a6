"""One round: a drill runs, something hits it at a moment that its journal tells, and everything must come right.

Right is: every process of the lab runs again, no undo record and no key of ours is left, and the next gate is green.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg

from drillbook.polling import wait_until

from ..running import ROOT, gate, tell

RUN_S = 150.0
UNDONE_S = 90.0
OUR_KEYS = "drillbook-%"


@dataclass(frozen=True)
class Moment:
    """After a record of the drill's journal: a fault's state, or a steady state's; then so many seconds more."""

    fault: str
    state: str
    later_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.fault} {self.state} + {self.later_s:.2f} s"

    def passed(self, rows: Iterable[dict[str, object]]) -> bool:
        """Whether the journal has the record."""
        wanted = (self.fault, self.state)
        return any((row.get("name", row["kind"]), row.get("state", row.get("when"))) == wanted for row in rows)


MOMENTS = (
    Moment("steady", "before"),
    *(
        Moment(f"stop {component}", state)
        for component in ("api", "redis", "postgres")
        for state in ("recorded", "injected", "in_effect", "recovering", "recovered")
    ),
    Moment("steady", "after"),
)
ARMED = MOMENTS[1:-1]
"""Moments with a watchdog that has something to guard."""
HARMED = tuple(one for one in MOMENTS if one.state in ("in_effect", "recovering"))
"""Moments with a fault in."""


@dataclass(frozen=True)
class Drill:
    """A drill that runs."""

    process: subprocess.Popen[str]
    environment: Path
    reports: Path

    @classmethod
    def start(cls, environment: Path, reports: Path, variables: dict[str, str] | None = None) -> Drill:
        """Start it in a process of its own."""
        name = tomllib.loads(environment.read_text("utf-8"))["name"]
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "chaos", "-m", "drill"]
        asked = [f"--env={environment}", f"--disrupt={name}", f"--reports={reports}"]
        process = subprocess.Popen(
            [*command, *asked],
            cwd=ROOT,
            env={**os.environ, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return cls(process, environment, reports)

    def rows(self) -> list[dict[str, object]]:
        """Return the journal so far; a line that is being written is left out."""
        found: list[dict[str, object]] = []
        for path in self.reports.glob("2*/journal.jsonl"):
            for line in path.read_text("utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found

    def wait_for(self, moment: Moment) -> None:
        """Return when the journal has reached the moment. Raises TimedOut."""
        wait_until(lambda: moment.passed(self.rows()), what=str(moment), timeout_s=60, every_s=0.01)
        time.sleep(moment.later_s)

    def watchdogs(self) -> list[int]:
        """Return the processes that guard this run's reports, its own children or left alone."""
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if b"drillbook.faults.watchdog" in _command(pid) and self._ours(pid)]

    def wait_for_watchdogs(self) -> None:
        """Return when those that live have undone all and ended. Raises TimedOut."""
        for pid in self.watchdogs():
            wait_until(lambda pid=pid: not _command(pid), what="the watchdog's end", timeout_s=UNDONE_S)  # type: ignore[misc] # mypy cannot infer a lambda with a default

    def _ours(self, pid: int) -> bool:
        return _log_of(pid).startswith(f"{self.reports.resolve()}/")

    def descendants(self) -> list[int]:
        """Return the processes that the run has started."""
        found, heads = [], [self.process.pid]
        while heads:
            heads = [pid for head in heads for pid in _children(head)]
            found += heads
        return found


Hit = Callable[[Drill], None]


def kill_runner(drill: Drill) -> None:
    """SIGKILL for the runner."""
    drill.process.kill()


def kill_watchdog(drill: Drill) -> None:
    """SIGKILL for the watchdog."""
    for pid in drill.watchdogs():
        os.kill(pid, signal.SIGKILL)


def kill_both(drill: Drill) -> None:
    """SIGKILL for both; the runner is stopped before, for it would start another watchdog."""
    drill.process.send_signal(signal.SIGSTOP)
    kill_watchdog(drill)
    drill.process.kill()


def signals(*numbers: signal.Signals, every_s: float = 0.3) -> Hit:
    """Send signals to the runner, one after the other, as somebody does who is in a hurry."""

    def send(drill: Drill) -> None:
        for number in numbers:
            drill.process.send_signal(number)
            time.sleep(every_s)

    return send


def fill_disk(drill: Drill) -> None:
    """Let no file of the run grow by a byte from now on: what a full disk does, without filling anybody's."""
    for pid in (drill.process.pid, *drill.descendants()):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))


@dataclass(frozen=True)
class Storm:
    """A kind of hit, and how a drill may end after it."""

    name: str
    hits: tuple[Hit, ...]
    moments: tuple[Moment, ...]
    exits: tuple[int, ...]
    """Exit statuses that are right."""


@dataclass(frozen=True)
class Round:
    """What became of a drill that was hit."""

    moment: Moment
    exit_status: int
    output: str
    undone_s: float
    """From the hit to the last moment at which a process of the lab was seen down."""
    broken: tuple[str, ...]
    """What did not come right; empty for a good round."""


class Outage:
    """Watches the lab's processes and notes when one was down last."""

    def __init__(self, environment: Path) -> None:
        self._environment = environment
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.began_s = time.monotonic()
        self._down_s = self.began_s

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def lasted_s(self) -> float:
        """From its beginning to the last look that saw a process down."""
        return self._down_s - self.began_s

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            if down(self._environment):
                self._down_s = time.monotonic()


def play(
    storm: Storm, environment: Path, moment: Moment, hit: Hit, folder: Path, variables: dict[str, str] | None = None
) -> Round:
    """Play one round. Raises TimedOut when a moment does not come."""
    drill = Drill.start(environment, folder / "drill", variables)
    try:
        drill.wait_for(moment)
        with Outage(environment) as outage:
            hit(drill)
            output = drill.process.communicate(timeout=RUN_S)[0]
            _settle(drill, environment)
    finally:
        drill.process.kill()
        drill.process.wait()
    status = drill.process.returncode
    wrong = [f"exit {status}:\n{output[-3000:]}"] if status not in storm.exits else []
    wrong += [f"{word}:\n{output[-6000:]}" for word in ("Traceback", "INTERNALERROR") if word in output]
    return Round(moment, status, output, outage.lasted_s, (*wrong, *_left(environment, folder)))


def _settle(drill: Drill, environment: Path) -> None:
    """Be the one who comes next: a watchdog that lives ends first, and ``drillbook recover`` does what is left."""
    drill.wait_for_watchdogs()
    come_after(environment)


def come_after(environment: Path, command: str = "recover") -> str:
    """Run ``recover`` or ``clean``, which must succeed, and return what it said."""
    line = [sys.executable, "-m", "drillbook.cli", command, f"--env={environment}"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=UNDONE_S, check=False)
    if done.returncode:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _left(environment: Path, folder: Path) -> list[str]:
    """Say what is not as it was before the drill."""
    found = [f"{name} is not running" for name in down(environment)]
    records = (Path(os.environ["DRILLBOOK_STATE_DIR"]) / "faults").rglob("*.json")
    found += [f"the undo record {path.name} is left" for path in records]
    keys = keys_left(environment)
    found += [f"{keys} keys are left"] if keys else []
    after = gate(environment, reports=folder / "gate")
    found += [f"the next gate: exit {after.exit_status}, {after.output[-2000:]}"] if after.exit_status else []
    return found


def down(environment: Path) -> list[str]:
    """Return the processes of the lab that do not run."""
    return [row["name"] for row in tell(environment, do="list")["processes"] if row["state"] != "running"]


def keys_left(environment: Path) -> int:
    """Count the keys of any run, in the database itself."""
    systems = tomllib.loads(environment.read_text("utf-8"))["systems"]
    address = Path(systems["config-manager"]["components"]["postgres"]["url"]["file"]).read_text("utf-8").strip()
    with psycopg.connect(address) as connection:
        row = connection.execute("SELECT count(*) FROM config_entries WHERE key LIKE %s", [OUR_KEYS]).fetchone()
    assert row is not None
    return int(row[0])


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]
    return []


def _log_of(pid: int) -> str:
    """Return where a process's stderr goes."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/fd/2").readlink())
    return ""


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def signal_storms(rng: random.Random) -> tuple[Hit, ...]:
    """Return one, two and three signals, with random pauses."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return tuple(signals(*rng.choices(kinds, k=count), every_s=rng.uniform(0.05, 0.6)) for count in (1, 2, 3))
