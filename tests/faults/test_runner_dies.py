"""Whatever becomes of the runner, nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from drillbook.faults.claims.records import holder_of
from drillbook.polling import wait_until

from .conftest import NAME, Range, Runner, alive, records, told, until_nothing_left

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STATES = ("recorded", "injected", "in_effect", "recovering", "recovered", "cleaned")
HARMS = (("kill", "api-1"), ("stop", "api-2"), ("pause", "redis"), ("kill", "postgres"))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("state", STATES)
def test_a_runner_that_dies_in_any_state_of_its_fault_leaves_nothing(
    state: str, number: signal.Signals, target: Range, run: Path, runners: list[Runner]
) -> None:
    harm = HARMS[(STATES.index(state) + SIGNALS.index(number)) % len(HARMS)]
    runner = Runner(target, run, *harm, "--in", state, "--signal", number.name.removeprefix("SIG"))
    runners.append(runner)
    assert runner.process.stdin is not None
    runner.process.stdin.close()  # it goes through all states without waiting
    runner.heard(f"now {state}")
    since_s = time.monotonic()
    runner.process.wait(20)

    until_nothing_left(target, since_s)
    met = [str(row["state"]) for row in told(run, "fault")]
    assert met[: STATES.index(state) + 1] == list(STATES[: STATES.index(state) + 1])
    if number is not signal.SIGINT:  # which Python lets it live through, to undo by itself
        assert runner.process.returncode == -number
        assert met[-1] == state


@pytest.mark.parametrize("moment", ["before-harm", "in-harm", "after-harm"])
@pytest.mark.parametrize(("fault", "name"), [("kill", "api-1"), ("kill", "redis")])
def test_a_runner_that_dies_beside_its_harm_leaves_nothing(
    moment: str, fault: str, name: str, target: Range, run: Path, runners: list[Runner]
) -> None:
    runner = Runner(target, run, fault, name, "--at", moment)
    runners.append(runner)
    runner.heard("now")
    since_s = time.monotonic()
    assert runner.process.wait(10) == -signal.SIGKILL

    until_nothing_left(target, since_s)
    if moment == "after-harm":
        assert [row["outcome"] for row in told(run, "undo")] == ["armed", "undone"]


@pytest.mark.parametrize(("fault", "name"), [*HARMS, ("pause", "postgres"), ("kill", "api")])
def test_a_fault_in_effect_is_undone_when_its_runner_is_killed(
    fault: str, name: str, target: Range, run: Path, runners: list[Runner]
) -> None:
    runner = Runner(target, run, fault, name)
    runners.append(runner)
    runner.heard("in effect")
    watchdog = runner.watchdog()

    since_s = runner.signal(signal.SIGKILL)

    until_nothing_left(target, since_s)
    wait_until(lambda: not alive(watchdog), what="the watchdog's end", timeout_s=5)
    causes = {row.get("cause") for row in told(run, "undo")} - {None}
    assert causes <= {"the runner is gone", "the runner is dead"}
    assert causes
    assert [row["state"] for row in told(run, "fault")] == ["recorded", "injected", "in_effect"]
    assert told(run, "watchdog")[-1]["left"] == []


def test_a_forked_child_that_holds_the_pipes_does_not_hide_the_death(
    target: Range, run: Path, runners: list[Runner]
) -> None:
    runner = Runner(target, run, "pause", "api-1", "--forked-child", "--beat-limit", "60")
    runners.append(runner)
    runner.heard("in effect")

    since_s = runner.signal(signal.SIGKILL)

    wait_until(lambda: target.state("api-1") == "running", what="the undo", timeout_s=5)
    assert time.monotonic() - since_s < 5
    assert runner.process.stdin is not None
    runner.process.stdin.close()  # now the child ends too, and with it the last hold on the lock
    until_nothing_left(target, since_s)


def test_a_silent_runner_is_fenced_and_its_fault_undone(target: Range, run: Path, runners: list[Runner]) -> None:
    runner = Runner(target, run, "pause", "api-1", "--beat-limit", "1")
    runners.append(runner)
    runner.heard("in effect")

    since_s = runner.signal(signal.SIGSTOP)
    wait_until(lambda: target.state("api-1") == "running", what="the undo", timeout_s=4)
    assert time.monotonic() - since_s < 4
    assert holder_of(NAME) is not None  # it may wake up in the middle of its harm

    runner.signal(signal.SIGCONT)
    assert runner.process.stdin is not None
    runner.process.stdin.close()
    assert "no heartbeat for 1 s" in runner.heard("Aborted")
    assert runner.process.wait(10) == 4
    until_nothing_left(target, since_s)


def test_a_runner_that_wakes_up_in_the_middle_of_its_harm_is_undone_again(
    target: Range, run: Path, runners: list[Runner]
) -> None:
    runner = Runner(target, run, "kill", "api-1", "--at", "before-harm", "--signal", "STOP", "--beat-limit", "1")
    runners.append(runner)
    runner.heard("now")
    pid = target.states()["api-1"].pid
    wait_until(lambda: told(run, "undo")[1:], what="the watchdog to act", timeout_s=5)
    assert target.states()["api-1"].pid == pid

    since_s = runner.signal(signal.SIGCONT)

    assert "no heartbeat" in runner.heard("Aborted")
    assert runner.process.wait(10) == 4
    until_nothing_left(target, since_s)
    assert target.states()["api-1"].pid != pid


def test_a_silent_runner_that_is_killed_leaves_nothing(target: Range, run: Path, runners: list[Runner]) -> None:
    runner = Runner(target, run, "pause", "api-1", "--beat-limit", "1")
    runners.append(runner)
    runner.heard("in effect")
    runner.signal(signal.SIGSTOP)
    wait_until(lambda: target.state("api-1") == "running", what="the undo", timeout_s=4)

    since_s = runner.signal(signal.SIGKILL)

    until_nothing_left(target, since_s)


def test_the_end_of_the_lease_undoes(target: Range, run: Path, runners: list[Runner]) -> None:
    runner = Runner(target, run, "pause", "api-1", "--lease", "2")
    runners.append(runner)
    runner.heard("in effect")

    wait_until(lambda: target.state("api-1") == "running", what="the undo", timeout_s=6)

    runner.process.communicate(timeout=10)
    assert runner.process.returncode == 4
    until_nothing_left(target, time.monotonic())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watchdog_that_is_told_to_end_undoes_first(
    number: signal.Signals, target: Range, run: Path, runners: list[Runner]
) -> None:
    runner = Runner(target, run, "pause", "api-1")
    runners.append(runner)
    runner.heard("in effect")
    watchdog = runner.watchdog()

    os.kill(watchdog, signal.SIGHUP)
    os.kill(watchdog, number)

    wait_until(lambda: not alive(watchdog), what="the watchdog's end", timeout_s=5)
    assert target.state("api-1") == "running"
    runner.process.communicate(timeout=10)
    assert runner.process.returncode == 4
    until_nothing_left(target, time.monotonic())


def test_a_dead_watchdog_is_succeeded_by_one_that_undoes(target: Range, run: Path, runners: list[Runner]) -> None:
    runner = Runner(target, run, "kill", "api-1")
    runners.append(runner)
    runner.heard("in effect")

    os.kill(runner.watchdog(), signal.SIGKILL)
    wait_until(lambda: len(told(run, "watchdog")) == 2, what="a successor, and the runner's word on it", timeout_s=10)
    since_s = runner.signal(signal.SIGKILL)

    until_nothing_left(target, since_s)
    assert [row["state"] for row in told(run, "watchdog")][:2] == ["died", "succeeded"]


def test_when_both_die_the_next_run_refuses_until_recover(target: Range, run: Path, runners: list[Runner]) -> None:
    from drillbook.faults.recover import recover  # noqa: PLC0415 - what a person does later

    runner = Runner(target, run, "kill", "api-1")
    runners.append(runner)
    runner.heard("in effect")
    watchdog = runner.watchdog()
    runner.signal(signal.SIGSTOP)  # or it would find out, and start another one
    os.kill(watchdog, signal.SIGKILL)
    runner.signal(signal.SIGKILL)
    runner.process.wait(10)
    wait_until(lambda: holder_of(NAME) is None, what="both to be gone", timeout_s=5)
    assert target.state("api-1") == "exited"
    assert len(records()) == 1

    after = Runner(target, run, "kill", "api-2")
    runners.append(after)
    assert 'leftovers: "kill api-1"' in after.heard("refused")
    assert after.process.wait(10) == 3
    assert target.state("api-2") == "running"

    report = recover(NAME)
    assert report.clean
    assert "api-1 running" in report.rows[0].text
    assert told(run, "undo")[-1]["cause"] == "recover"
    until_nothing_left(target, time.monotonic())
    assert recover(NAME).rows == ()  # and once more


def test_a_run_that_is_alive_keeps_others_out_and_can_be_aborted(
    target: Range, run: Path, runners: list[Runner]
) -> None:
    from drillbook.faults.claims.records import Held  # noqa: PLC0415
    from drillbook.faults.recover import abort, recover  # noqa: PLC0415

    runner = Runner(target, run, "pause", "api-1")
    runners.append(runner)
    runner.heard("in effect")
    second = Runner(target, run, "kill", "api-2")
    runners.append(second)
    assert f"process {runner.process.pid}" in second.heard("refused")
    (held,) = recover(NAME).troubles
    assert isinstance(held, Held)
    assert "drillbook abort --env lab" in str(held)

    report = abort(NAME)

    assert [row.recovered for row in report.rows] == [True]
    assert target.state("api-1") == "running"
    assert runner.process.stdin is not None
    runner.process.stdin.close()
    assert "aborted by a person" in runner.heard("Aborted")
    runner.process.wait(10)
    until_nothing_left(target, time.monotonic())
    assert abort(NAME).rows == ()
