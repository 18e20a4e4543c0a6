"""A run in a process of its own: takes the lab, injects one fault, says so, and stays until its stdin ends.

    runner.py ENVIRONMENT_FILE RUN_DIRECTORY FAULT NAME [--at MOMENT] [--in STATE] [--signal NAME] [--beat-limit S]
              [--keys COUNT]

At a moment (before-harm, after-harm, in-harm), or when its journal says that the fault has come to a state, it sends
the signal to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from drillbook import environment as environments
from drillbook.faults import (
    Aborted,
    Blast,
    Fault,
    FaultSession,
    KillInstance,
    PauseInstance,
    Refusal,
    StopInstance,
    Timing,
    Undo,
    WatchdogDied,
    kill_component,
    spot_of,
)
from drillbook.faults.claims.own_keys import OwnKeys
from drillbook.journal import Journal
from drillbook.journal.events import Event, FaultMoved
from drillbook.model import System
from drillbook.platforms.process.found import ProcessSettings
from drillbook.redaction import Redactor

FAULTS: dict[str, Callable[[System, str], Fault]] = {
    "kill": KillInstance.of,
    "stop": StopInstance.of,
    "pause": PauseInstance.of,
    "lose": kill_component,
}


class FatalJournal(Journal):
    """A journal whose author dies when it says that the fault has come to a state."""

    def __init__(self, directory: Path, state: str, number: signal.Signals) -> None:
        super().__init__(directory, Redactor())
        self._state = state
        self._number = number

    def write(self, event: Event) -> None:
        super().write(event)
        if isinstance(event, FaultMoved) and event.state == self._state:
            say(f"now {self._state}")
            os.kill(os.getpid(), self._number)


class Fatal:
    """A fault whose author dies at a given moment."""

    def __init__(self, fault: Fault, moment: str, number: signal.Signals, control: Path) -> None:
        self._fault = fault
        self._moment = moment
        self._number = number
        self._control = control

    @property
    def name(self) -> str:
        return self._fault.name

    @property
    def blast(self) -> Blast:
        return self._fault.blast

    @property
    def undo(self) -> Undo:
        return self._fault.undo

    def inject(self) -> None:
        if self._moment == "before-harm":
            self._now()
        elif self._moment == "in-harm":
            self._send_without_waiting()
            self._now()
        self._fault.inject()
        if self._moment == "after-harm":
            self._now()

    def in_effect(self) -> str | None:
        return self._fault.in_effect()

    def recovered(self) -> str | None:
        return self._fault.recovered()

    def _now(self) -> None:
        say(f"now {self._moment}")
        os.kill(os.getpid(), self._number)

    def _send_without_waiting(self) -> None:
        """Leave the harm on its way: nobody waits for the answer."""
        self._kept = []
        for name in self._fault.blast.instances:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(str(self._control))
            connection.sendall(json.dumps({"do": "signal", "name": name, "signal": "KILL"}).encode() + b"\n")
            self._kept.append(connection)


def say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


def write_keys(session: FaultSession, system: System, count: int) -> None:
    """Do what a scenario's clients do: have the keys remembered, then write them."""
    assert system.scratch_namespace is not None
    path = f"/api/v1/configs/{system.scratch_namespace}/{{key}}"
    keys = OwnKeys(
        id="left",
        run="/nowhere",
        system=system.name,
        namespace=system.scratch_namespace,
        ledger="/nowhere/ledger.jsonl",
        prefix="drillbook-left",
        per_s=20.0,
        extra=(),
        path=f"{path}?env=production",
        done=(200, 204),
        absent=(404,),
    )
    session.claim.remember(keys)
    first = system.ways_in[0]
    for number in range(count):
        address = f"{first.url}{path.replace('{key}', f'{keys.prefix}-{number}')}"
        body = json.dumps({"value": "x", "env": "production", "user": "drillbook"}).encode()
        asked = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310 - the lab's own address
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - as above
            assert answer.status in (200, 201)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("name")
    parser.add_argument("--at", default="")
    parser.add_argument("--in", dest="state", default="")
    parser.add_argument("--signal", default="KILL")
    parser.add_argument("--beat-limit", type=float, default=5.0)
    parser.add_argument("--lease", type=float, default=60.0)
    parser.add_argument("--forked-child", action="store_true")
    parser.add_argument("--keys", type=int, default=0)
    given = parser.parse_args()
    say("begun")
    environment = environments.load(given.file)
    system = environment.systems["config-manager"]
    journal = FatalJournal(given.run, given.state, signal.Signals[f"SIG{given.signal}"])
    timing = Timing(beat_every_s=0.2, beat_limit_s=given.beat_limit, lease_s=given.lease, budget_s=30)
    session = FaultSession.open(environment, "lab", spot_of(system), journal=journal, timing=timing)
    if isinstance(session, Refusal):
        say(f"refused {session.reason}")
        return 3
    say("guarded")
    if given.forked_child and os.fork() == 0:
        sys.stdin.read()  # a child that holds all our pipes open
        os._exit(0)
    fault: Fault = FAULTS[given.fault](system, given.name)
    if given.at:
        where = system.place.held_as(ProcessSettings)
        assert where is not None
        assert where.control is not None
        fault = Fatal(fault, given.at, signal.Signals[f"SIG{given.signal}"], where.control)
    if given.keys:
        write_keys(session, system, given.keys)
    with session:
        try:
            with session.prepare(fault):
                say("in effect")
                sys.stdin.read()
            say("recovered")
        except (Aborted, WatchdogDied) as error:
            say(f"{type(error).__name__} {error}")
            return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
