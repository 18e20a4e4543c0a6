"""The one way to do harm, against the real lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from drillbook.environment import Environment
from drillbook.environment.settings import BlastRadius, DisruptionSettings
from drillbook.faults import (
    Aborted,
    AbortWatch,
    Blast,
    Condition,
    DidNotBite,
    FaultSession,
    IllegalUse,
    Injection,
    KillInstance,
    Limits,
    NotPermitted,
    PauseInstance,
    Refusal,
    State,
    StopInstance,
    Timing,
    Undo,
    WatchdogDied,
    over,
    permit,
    spot_of,
)
from drillbook.faults.claims.records import holder_of, new_record
from drillbook.faults.lifecycle import LEGAL
from drillbook.journal import Journal
from drillbook.model import CannotObserve, Place
from drillbook.platforms import PlatformRefused
from drillbook.platforms.process.found import ProcessSettings
from drillbook.polling import wait_until

from .conftest import NAME, Range, alive, nothing_left, records, told


@pytest.fixture
def session(environment: Environment, journal: Journal, target: Range) -> Iterator[FaultSession]:
    roomy = replace(
        environment, disruption=environment.disruption.model_copy(update={"at_most": BlastRadius(instances=4)})
    )
    found = FaultSession.open(
        roomy,
        NAME,
        spot_of(roomy.systems["config-manager"]),
        journal=journal,
        timing=Timing(beat_every_s=0.2, budget_s=20),
    )
    assert not isinstance(found, Refusal)
    yield found
    found.close()
    wait_until(lambda: holder_of(NAME) is None, what="the watchdog's end", timeout_s=5)
    assert target.keeper.list_instances()


@dataclass
class Nothing:
    """A fault without an effect, or with one that a test chooses."""

    harm: list[str] = field(default_factory=list)
    evidence: str | None = None
    trouble: Exception | None = None
    undo: Undo = field(
        default_factory=lambda: Undo(
            "instances.start", {"system": "s", "platform": "process", "control": "/nowhere", "names": ["x"]}
        )
    )
    name: str = "nothing"
    blast: Blast = field(default_factory=lambda: Blast("config-manager", "x", ("x",), 1))

    def inject(self) -> None:
        self.harm.append("done")
        if self.trouble is not None:
            raise self.trouble

    def in_effect(self) -> str | None:
        return self.evidence

    def recovered(self) -> str | None:
        return "as it was"


def test_a_kill_goes_through_its_whole_life_and_tells_the_journal(
    session: FaultSession, target: Range, run: Path
) -> None:
    before = target.states()["api-1"].pid
    injection = session.prepare(KillInstance.of(target.system, "api-1"))
    assert injection.state is State.PREPARED
    evidence = injection.inject()
    assert evidence == f"api-1 (pid {before}) is gone: exited with -9"
    assert [path.stem for path in records()] == [injection.id]
    assert "api-1 running" in injection.recover()
    assert records()
    injection.clean()
    assert not records()
    states = [row["state"] for row in told(run, "fault")]
    assert states == ["recorded", "injected", "in_effect", "recovering", "recovered", "cleaned"]
    assert [row["outcome"] for row in told(run, "undo")] == ["armed", "undone"]


def test_a_stop_tells_how_it_went(session: FaultSession, target: Range) -> None:
    fault = StopInstance.of(target.system, "api-1", grace_s=5)
    with session.prepare(fault) as injection:
        assert target.state("api-1") == "exited"
        assert fault.stopped["api-1"].exit_code == 0
        assert not fault.stopped["api-1"].killed
    assert injection.state is State.CLEANED
    assert target.calm()


def test_a_component_means_all_its_instances(session: FaultSession, target: Range) -> None:
    fault = PauseInstance.of(target.system, "api")
    assert fault.blast == Blast("config-manager", "api", ("api-1", "api-2"), 2)
    with session.prepare(fault):
        assert {target.state("api-1"), target.state("api-2")} == {"paused"}
    assert target.calm()


def test_two_faults_on_one_instance_recover_independently(session: FaultSession, target: Range) -> None:
    freeze = session.prepare(PauseInstance.of(target.system, "api-1"))
    kill = session.prepare(KillInstance.of(target.system, "api-1"))
    other = session.prepare(PauseInstance.of(target.system, "redis"))
    freeze.inject()
    kill.inject()
    other.inject()
    freeze.close()
    assert target.state("api-1") == "exited"
    assert target.state("redis") == "paused"
    other.close()
    kill.close()
    assert target.calm()


def test_a_fault_that_does_not_bite_fails_and_is_undone(session: FaultSession, target: Range, run: Path) -> None:
    injection = session.prepare(Nothing(), limits=Limits(effect_s=0.2))
    with pytest.raises(DidNotBite, match="nothing has no effect"):
        injection.inject()
    assert injection.state is State.CLEANED
    assert not records()
    assert [row["state"] for row in told(run, "fault")] == ["recorded", "injected", "broken", "cleaned"]
    assert target.calm()


def test_a_harm_that_fails_half_way_is_undone(session: FaultSession, target: Range) -> None:
    class Half(Nothing):
        def inject(self) -> None:
            target.keeper.pause("api-1")
            raise PlatformRefused("the second half", hint="none")

    undo = PauseInstance.of(target.system, "api-1").undo
    with pytest.raises(PlatformRefused, match="the second half"):
        session.prepare(Half(undo=undo)).inject()
    assert target.calm()
    assert not records()


def test_an_undo_that_nobody_can_execute_is_refused_before_the_harm(session: FaultSession) -> None:
    fault = Nothing(undo=Undo("no.such.kind", {}))
    with pytest.raises(
        WatchdogDied, match=r"unknown kind 'no\.such\.kind'; known: .*instances\.resume, instances\.start"
    ):
        session.prepare(fault).inject()
    assert fault.harm == []
    assert not records()


def test_illegal_use_raises_and_changes_nothing(session: FaultSession) -> None:
    injection = session.prepare(Nothing(evidence="felt"))
    for step in (injection.recover, injection.clean):
        with pytest.raises(IllegalUse):
            step()
    assert injection.state is State.PREPARED
    with injection, pytest.raises(IllegalUse):
        injection.inject()
    for step in (injection.inject, injection.recover, injection.clean):
        with pytest.raises(IllegalUse):
            step()


def test_the_broken_state_leads_to_clean_up_alone() -> None:
    assert LEGAL[State.BROKEN] == {State.CLEANED, State.BROKEN}
    assert not LEGAL[State.CLEANED]
    assert all(State.BROKEN in LEGAL[state] for state in State if state is not State.CLEANED)


def test_a_dead_watchdog_allows_no_new_harm(session: FaultSession, target: Range, run: Path) -> None:
    os.kill(session.watchdog.pid, signal.SIGKILL)
    wait_until(lambda: not session.watchdog.alive, what="its death", timeout_s=5)
    with pytest.raises(WatchdogDied):
        session.prepare(KillInstance.of(target.system, "api-1")).inject()
    assert target.calm()
    assert not records()
    assert told(run, "watchdog")[0]["state"] == "died"


def test_a_watchdog_that_hangs_allows_no_new_harm(
    session: FaultSession, target: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drillbook.faults.watchdog.handle._ANSWER_S", 0.5)
    os.kill(session.watchdog.pid, signal.SIGSTOP)
    with pytest.raises(WatchdogDied, match="no answer"):
        session.prepare(KillInstance.of(target.system, "api-1")).inject()
    assert target.calm()


def test_a_fault_whose_watchdog_dies_is_undone_by_the_successor(session: FaultSession, target: Range) -> None:
    with session.prepare(KillInstance.of(target.system, "api-1")):
        first = session.watchdog.pid
        os.kill(first, signal.SIGKILL)
    assert target.calm()
    assert not records()
    with pytest.raises(WatchdogDied):
        session.prepare(KillInstance.of(target.system, "api-2")).inject()
    assert not alive(first)


def test_a_session_that_is_closed_early_undoes_what_is_in(session: FaultSession, target: Range) -> None:
    session.prepare(KillInstance.of(target.system, "api-1")).inject()
    assert session.close()
    assert nothing_left(target)


def test_a_breach_begins_the_undo_within_a_second(session: FaultSession, target: Range, run: Path) -> None:
    broken_at_s: list[float] = []

    def read() -> float:
        if target.state("api-1") == "paused" and not broken_at_s:
            broken_at_s.append(time.monotonic())
        return 0.9 if broken_at_s else 0.0

    def scenario(injection: Injection) -> None:
        with injection, AbortWatch(injection, over("error share", read, 0.5)):
            wait_until(lambda: target.state("api-1") == "running", what="the undo", timeout_s=3, every_s=0.01)
            took_s = time.monotonic() - broken_at_s[0]
            assert took_s < 1

    with pytest.raises(Aborted, match=r"error share over 0\.5: error share is 0\.9, over 0\.5"):
        scenario(session.prepare(PauseInstance.of(target.system, "api-1")))
    assert target.calm()
    assert not records()
    assert "aborted" in [row["state"] for row in told(run, "fault")]


@pytest.mark.parametrize("kind", ["raises", "crashes", "hangs"])
def test_a_fault_that_nobody_can_watch_is_aborted(kind: str, session: FaultSession, target: Range) -> None:
    release = threading.Event()

    def look() -> str | None:
        if kind == "raises":
            raise CannotObserve("no samples", hint="none")
        if kind == "crashes":
            raise ZeroDivisionError
        release.wait(20)
        return None

    injection = session.prepare(PauseInstance.of(target.system, "api-1"))
    watch = AbortWatch(injection, Condition("an eye", look), blind_s=0.3)
    with pytest.raises(Aborted, match="nothing to be seen for"), injection, watch:
        wait_until(lambda: target.state("api-1") == "running", what="the undo", timeout_s=3)
    release.set()
    assert target.calm()


def test_an_abort_during_the_proof_ends_the_wait(session: FaultSession) -> None:
    injection = session.prepare(Nothing(), limits=Limits(effect_s=10))
    threading.Timer(0.2, injection.abort, ["enough"]).start()
    began_s = time.monotonic()
    with pytest.raises(Aborted, match="enough"):
        injection.inject()
    assert time.monotonic() - began_s < 3


def test_names_that_cannot_be_hit_are_refused_with_what_there_is(target: Range) -> None:
    with pytest.raises(PlatformRefused, match="no instance or component 'api-9'") as found:
        KillInstance.of(target.system, "api-9")
    assert "api-1" in found.value.hint
    target.keeper.kill("api-1")
    with pytest.raises(PlatformRefused, match="api-1 is exited already"):
        KillInstance.of(target.system, "api-1")
    with pytest.raises(CannotObserve, match="names no process"):
        KillInstance.of(replace(target.system, place=Place("process")), "api-1")


def _with(environment: Environment, **changes: object) -> Environment:
    found: DisruptionSettings = environment.disruption.model_copy(update=changes)
    return replace(environment, disruption=found)


def _marked(environment: Environment, marker: Path | None) -> Environment:
    """Return the same with another marker for its processes."""
    system = environment.systems["config-manager"]
    where = system.place.held_as(ProcessSettings)
    assert where is not None
    other = replace(system, place=Place("process", replace(where, marker=marker)))
    return replace(environment, systems={"config-manager": other})


def test_every_condition_of_the_guard_refuses_by_itself(environment: Environment, tmp_path: Path) -> None:
    one = Blast("config-manager", "api", ("api-1",), 2)
    assert permit(environment, NAME, one) is None
    stranger = tmp_path / "marker"
    stranger.write_text("prod\n")
    cases = {
        "allows no disruption": permit(_with(environment, allowed=False), NAME, one),
        "add --disrupt lab": permit(environment, None, one),
        "--disrupt names prod": permit(environment, "prod", one),
        "names no marker": permit(_marked(environment, None), NAME, one),
        "none: No such file": permit(_marked(environment, tmp_path / "none"), NAME, one),
        "names prod, not lab": permit(_marked(environment, stranger), NAME, one),
        "2 instances would be hit": permit(environment, NAME, Blast("config-manager", "api", ("api-1", "api-2"), 2)),
        "a share of 0.50": permit(_with(environment, at_most=BlastRadius(instances=1, share=0.34)), NAME, one),
        "2 instances would be hit (redis, api-1 of config-manager)": permit(
            environment, NAME, one, active=[Blast("config-manager", "redis", ("redis",), 1)]
        ),
    }
    for words, refused in cases.items():
        assert refused is not None, words
        assert words in refused.reason
    assert permit(environment, NAME, one, active=[one]) is None


def test_the_guard_sums_what_is_in_already(environment: Environment, journal: Journal, target: Range) -> None:
    session = FaultSession.open(environment, NAME, spot_of(target.system), journal=journal)
    assert isinstance(session, FaultSession)
    with session:
        second = session.prepare(PauseInstance.of(target.system, "api-2"))
        with (
            session.prepare(PauseInstance.of(target.system, "api-1")),
            pytest.raises(NotPermitted, match="2 instances"),
        ):
            second.inject()
        with session.prepare(PauseInstance.of(target.system, "api-2")):
            assert target.state("api-2") == "paused"


def test_an_environment_is_held_once(
    environment: Environment, session: FaultSession, journal: Journal, target: Range
) -> None:
    assert session.watchdog.alive
    second = FaultSession.open(environment, NAME, spot_of(target.system), journal=journal)
    assert isinstance(second, Refusal)
    assert f"process {os.getpid()}" in second.reason
    refused = permit(environment, NAME, Blast("config-manager", "api", ("api-1",), 2))
    assert refused is not None
    assert "held by" in refused.reason


def test_the_watchdog_has_nothing_of_ours_open_but_pipes_and_lock(session: FaultSession, tmp_path: Path) -> None:
    folder = Path(f"/proc/{session.watchdog.pid}/fd")
    names = [str(path.readlink()) for path in folder.iterdir()]
    files = [name for name in names if name.startswith("/") and not name.startswith("/dev/")]
    assert {Path(name).name for name in files} == {"lock", "journal.jsonl", "watchdog.log"}
    assert all(Path(name).is_relative_to(tmp_path) for name in files)


def test_a_forgotten_session_is_ended_by_the_interpreters_exit(
    target: Range, run: Path, environment: Environment
) -> None:
    program = f"""
from pathlib import Path
from drillbook import environment as environments
from drillbook.faults import FaultSession, KillInstance, spot_of
from drillbook.journal import Journal
from drillbook.redaction import Redactor
environment = environments.load(Path({str(environment.path)!r}))
spot = spot_of(environment.systems["config-manager"])
session = FaultSession.open(environment, "lab", spot, journal=Journal(Path({str(run)!r}), Redactor()))
session.prepare(KillInstance.of(environment.systems["config-manager"], "api-1")).inject()
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    wait_until(lambda: nothing_left(target), what="the undo", timeout_s=10)


@pytest.fixture
def fenced(session: FaultSession) -> FaultSession:
    """A session whose watchdog was told to undo everything now."""
    os.kill(session.watchdog.pid, signal.SIGUSR1)
    wait_until(lambda: session.watchdog.fenced, what="the fence", timeout_s=5)
    return session


def test_after_an_abort_no_new_harm_is_done(fenced: FaultSession, target: Range) -> None:
    fault = Nothing()
    with pytest.raises(WatchdogDied, match="no new harm: aborted by a person"):
        fenced.prepare(fault).inject()
    assert fault.harm == []
    with pytest.raises(Aborted, match="aborted by a person"):
        fenced.check()
    assert target.calm()


def test_a_harm_that_comes_back_after_an_abort_is_undone_again(session: FaultSession, target: Range, run: Path) -> None:
    injection = session.prepare(PauseInstance.of(target.system, "api-1"))
    injection.inject()
    os.kill(session.watchdog.pid, signal.SIGUSR1)
    wait_until(lambda: session.watchdog.fenced and target.calm(), what="the undo", timeout_s=5)
    wait_until(lambda: told(run, "undo")[1:], what="the end of its proof", timeout_s=5)
    target.keeper.pause("api-1")
    wait_until(target.calm, what="the second undo", timeout_s=5)
    with pytest.raises(Aborted):
        injection.close()


def test_a_record_that_was_written_after_an_abort_and_never_armed_is_undone(
    fenced: FaultSession, target: Range, journal: Journal
) -> None:
    claim = fenced.claim
    claim.put(new_record(claim, fault="late", undo=PauseInstance.of(target.system, "api-1").undo, run=""))
    target.keeper.pause("api-1")
    assert fenced.close()
    assert nothing_left(target)
    assert [row["outcome"] for row in told(journal.directory, "undo")] == ["undone"]
