"""Processes that nobody holds for us: what is done to them is undone by their start command, or by their supervisor."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest
import tomli_w

from drillbook import environment as environments
from drillbook.cli import main
from drillbook.environment import Environment
from drillbook.faults import (
    Fault,
    FaultSession,
    Injection,
    KillInstance,
    NotRecovered,
    PauseInstance,
    StopInstance,
    Timing,
    kill_component,
    spot_of,
    stop_component,
)
from drillbook.faults.address import system_at
from drillbook.faults.claims.records import holder_of
from drillbook.faults.families.victims import OnInstances
from drillbook.faults.undo import BadUndo, NotUndone, Undo, perform
from drillbook.journal import Journal
from drillbook.model import System
from drillbook.platforms import PlatformRefused
from drillbook.platforms.process.found import ProcessSettings
from drillbook.platforms.process.processes import Processes
from drillbook.polling import wait_until

from ..processes.grounds import SUPERVISOR, Ground, free_port, ground_in, listens, running, state
from .conftest import NAME, RUNNER, records, told

Back = Callable[[Ground], tuple[Path, int]]
TIMING = Timing(beat_every_s=0.2, beat_limit_s=5, lease_s=60, budget_s=30)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with ground_in(tmp_path) as found:
        yield found


def write(ground: Ground, instances: dict[str, dict[str, object]]) -> Path:
    """Write an environment of these processes, which may be disrupted."""
    (ground.folder / "marker").write_text(f"{NAME}\n")
    path = ground.folder / "environment.toml"
    table = {
        "name": NAME,
        "platform": "process",
        "disruption": {"allowed": True, "at_most": {"instances": 2}},
        "systems": {"config-manager": {"process": {"instances": instances, "marker": "marker"}}},
    }
    path.write_text(tomli_w.dumps(table))
    return path


def started(ground: Ground, *options: str) -> tuple[Path, int]:
    """A server that its start command brings back."""
    port = free_port()
    ground.serve(port, *options)
    return write(ground, {"api-1": {"component": "api", "port": port, "start": list(ground.argv(port))}}), port


def supervised(ground: Ground, *, within_s: float, delay_s: float = 0.2, times: int = 9) -> tuple[Path, int]:
    """A server whose supervisor brings it back, or does not."""
    port = free_port()
    ground.run(
        sys.executable, str(SUPERVISOR), str(ground.folder), str(delay_s), str(times), *ground.argv(port)
    )  # fmt: skip
    wait_until(lambda: listens(port), what="the server", timeout_s=20)
    return write(ground, {"api-1": {"component": "api", "port": port, "returns_within_s": within_s}}), port


def loaded(path: Path) -> tuple[Environment, System, Processes]:
    found = environments.load(path)
    system = found.systems["config-manager"]
    where = system.place.held_as(ProcessSettings)
    assert where is not None
    return found, system, Processes(system.name, where)


def opened(environment: Environment, journal: Journal) -> FaultSession:
    session = FaultSession.open(
        environment, NAME, spot_of(environment.systems["config-manager"]), journal=journal, timing=TIMING
    )
    assert isinstance(session, FaultSession), session
    return session


@pytest.mark.parametrize("fault", [KillInstance, StopInstance, PauseInstance])
@pytest.mark.parametrize("back", [started, lambda ground: supervised(ground, within_s=10)], ids=["start", "supervisor"])
def test_harm_bites_and_is_undone(
    fault: type[OnInstances], back: Back, ground: Ground, journal: Journal, run: Path
) -> None:
    path, _ = back(ground)
    environment, system, processes = loaded(path)
    before = state(processes)
    with opened(environment, journal) as session:
        injection: Injection = session.prepare(cast("Fault", fault.of(system, "api-1")))
        injection.inject()
        if fault is PauseInstance:
            assert state(processes).state == "paused"
        else:
            assert before.is_gone(state(processes))
        injection.close()
    assert (running(processes).pid == before.pid) is (fault is PauseInstance)
    assert not records()
    assert [row["outcome"] for row in told(run, "undo")] == ["armed", "undone"]
    assert len([one for one in ground.left() if "supervisor.py" not in " ".join(one.cmdline())]) == 1


def test_what_its_supervisor_does_not_bring_back_is_left_behind_and_said(
    ground: Ground, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    path, port = supervised(ground, within_s=1, times=0)
    environment, system, processes = loaded(path)
    session = opened(environment, journal)
    began = time.monotonic()
    injection = session.prepare(KillInstance.of(system, "api-1"))
    injection.inject()
    with pytest.raises(NotRecovered, match=r"not back within 1 s \(returns_within_s\).*api-1 exited"):
        injection.close()
    assert not session.close()
    assert time.monotonic() - began < 30  # the watchdog has tried again, alone
    assert len(records()) == 1
    wait_until(lambda: holder_of(NAME) is None, what="the watchdog's end", timeout_s=20)

    assert main(["recover", "--env", str(path)]) != 0
    assert "not back within 1 s" in capsys.readouterr().out
    ground.serve(port)  # a person does it
    assert main(["recover", "--env", str(path)]) == 0
    assert not records()
    assert state(processes).running


@pytest.mark.parametrize("back", [started, lambda ground: supervised(ground, within_s=10)], ids=["start", "supervisor"])
@pytest.mark.parametrize("fault", ["kill", "pause", "stop"])
def test_the_harm_of_a_runner_that_is_killed_is_undone(fault: str, back: Back, ground: Ground, run: Path) -> None:
    path, _ = back(ground)
    _, _, processes = loaded(path)
    runner = subprocess.Popen(
        [sys.executable, str(RUNNER), str(path), str(run), fault, "api-1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert runner.stdout is not None
    assert runner.stdin is not None
    with runner.stdout, runner.stdin:
        assert any(line.startswith(b"in effect") for line in runner.stdout)
        runner.send_signal(signal.SIGKILL)
        runner.wait(10)
    wait_until(lambda: not records() and holder_of(NAME) is None, what="the undo", timeout_s=20)
    assert running(processes).state == "running"
    assert len([one for one in ground.left() if "supervisor.py" not in " ".join(one.cmdline())]) == 1


def test_what_nothing_brings_back_is_not_harmed(ground: Ground) -> None:
    port = free_port()
    child = ground.serve(port)
    path = write(ground, {"api-1": {"component": "api", "port": port}})
    _, system, _ = loaded(path)
    for fault in (KillInstance.of, StopInstance.of):
        with pytest.raises(PlatformRefused, match="nothing brings api-1 back"):
            fault(system, "api-1")
    assert PauseInstance.of(system, "api-1").undo.kind == "instances.resume"
    assert child.poll() is None


def test_what_comes_back_by_itself_cannot_be_kept_away(ground: Ground) -> None:
    port, other = free_port(), free_port()
    ground.serve(port)
    ground.serve(other)
    path = write(
        ground,
        {
            "api-1": {"component": "api", "port": port, "returns_within_s": 3},
            "api-2": {"component": "api", "port": other, "start": list(ground.argv(other))},
        },
    )
    _, system, _ = loaded(path)
    with pytest.raises(PlatformRefused, match="some come back by themselves and some must be started"):
        KillInstance.of(system, "api")
    assert KillInstance.of(system, "api-1").undo.kind == "instances.await"
    assert KillInstance.of(system, "api-2").undo.kind == "instances.start"
    only = write(ground, {"api-1": {"component": "api", "port": port, "returns_within_s": 3}})
    _, system, _ = loaded(only)
    for lose in (kill_component, stop_component):
        with pytest.raises(PlatformRefused, match="it cannot be kept away"):
            lose(system, "api")


def test_a_record_starts_nothing_on_another_machine(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    path, port = started(ground)
    _, system, processes = loaded(path)
    undo = KillInstance.of(system, "api-1").undo
    assert undo.data["host"] == socket.gethostname()
    kept = Undo.from_json(json.loads(json.dumps(undo.to_json())))
    processes.kill("api-1")
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    with pytest.raises(BadUndo, match="recover there"):
        perform(kept)
    assert not listens(port)
    monkeypatch.undo()
    assert "api-1 running" in perform(kept, budget_s=10).evidence


@pytest.mark.parametrize("rows", [None, {}, {"api-1": {"component": "api", "port": 1, "start": ["sh", "-c", "x"]}}])
def test_an_undo_that_does_not_say_how_they_are_found_is_refused(rows: object) -> None:
    data = {"system": "s", "platform": "process", "host": socket.gethostname(), "processes": rows}
    with pytest.raises(BadUndo, match="expected how the processes are found"):
        system_at(data)  # type: ignore[arg-type] # that is the case


def test_a_start_that_fails_leaves_the_harm_and_says_why(ground: Ground) -> None:
    port = free_port()
    ground.serve(port)
    start = list(ground.argv(port, "--exit", "3"))
    path = write(ground, {"api-1": {"component": "api", "port": port, "start": start}})
    _, system, processes = loaded(path)
    undo = KillInstance.of(system, "api-1").undo
    processes.kill("api-1")
    with pytest.raises(NotUndone, match="ended with 3, and nothing fits port"):
        perform(undo, budget_s=3)
    wait_until(lambda: state(processes).state == "exited", what="the last start's end", timeout_s=5)


def test_what_was_frozen_goes_on_whatever_its_name_stands_for_by_then(ground: Ground) -> None:
    file = ground.folder / "pid"
    master = ground.serve(free_port(), "--pid-file", str(file), "--workers", "2")
    path = write(ground, {"api-1": {"component": "api", "pid_file": str(file)}})
    _, system, processes = loaded(path)
    running(processes)
    family = [psutil.Process(master.pid), *psutil.Process(master.pid).children()]
    fault = PauseInstance.of(system, "api-1")
    undo = Undo.from_json(json.loads(json.dumps(fault.undo.to_json())))
    fault.inject()
    file.unlink()  # somebody has cleaned up
    master.kill()  # and a health check has lost its patience
    master.wait(20)
    workers = family[1:]
    assert {one.status() for one in workers} == {psutil.STATUS_STOPPED}
    perform(undo, budget_s=20)
    assert psutil.STATUS_STOPPED not in {one.status() for one in workers}


def test_what_cannot_be_told_apart_by_then_is_not_called_undone(ground: Ground) -> None:
    child = ground.serve(free_port())
    command = list(ground.argv(0)[:3])
    path = write(ground, {"api-1": {"component": "api", "command": command, "start": list(ground.argv(free_port()))}})
    _, system, processes = loaded(path)
    undo = KillInstance.of(system, "api-1").undo
    processes.kill("api-1")
    child.wait(20)
    several = [ground.serve(free_port()) for _ in range(2)]
    with pytest.raises(NotUndone, match=rf"2 processes fit .*pid {several[0].pid}"):
        perform(undo, budget_s=1)
    with pytest.raises(PlatformRefused, match=rf"2 processes fit .*pid {several[0].pid}"):
        KillInstance.of(system, "api-1")


def test_one_that_was_replaced_since_the_undo_was_written_is_not_frozen(ground: Ground) -> None:
    path, _ = started(ground)
    _, system, processes = loaded(path)
    fault = PauseInstance.of(system, "api-1")
    processes.restart("api-1")
    running(processes)
    with pytest.raises(PlatformRefused, match="another one by now"):
        fault.inject()
    assert state(processes).running
