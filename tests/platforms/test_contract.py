"""The capability contract: the same cases on every platform. What one lacks is Missing, with a reason that says why."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from drillbook.model import CannotObserve
from drillbook.platforms import (
    Executes,
    Kills,
    Missing,
    Pauses,
    PlatformRefused,
    ReadsLogs,
    ReportsUsage,
    Restarts,
    RollsBack,
    RollsOut,
    Scales,
    Starts,
    Stops,
    Usage,
)
from drillbook.polling import wait_until

from .grounds import COMPONENT, Ground, having, lacking, lives

READY = "Server is ready to accept connections"
GRACE_S = 15.0
FIGURES_S = 90.0  # metrics.k8s.io knows a pod some time after its start


def test_every_instance_is_listed_with_its_component(ground: Ground) -> None:
    found = ground.listed()
    assert {"api", "postgres", "redis"} <= {state.component for state in found}
    assert len({state.name for state in found}) == len(found)
    assert all(state.running and state.started_at and state.exit_code is None for state in found)


@lacking()
def test_what_a_platform_lacks_is_missing_and_it_says_why(
    ground: Ground, capability: Callable[..., object], why: str
) -> None:
    found = ground.can(capability)
    assert isinstance(found, Missing)
    assert why in found.reason


def test_a_graceful_stop_ends_by_itself_and_a_start_brings_it_back(ground: Ground) -> None:
    stops, starts = ground.ask(Stops), ground.can(Starts)
    name = ground.copies()[0].name
    stopped = stops.stop(name, grace_s=GRACE_S)
    assert (stopped.exit_code, stopped.killed) == (0, False)
    assert stopped.took_s < GRACE_S
    after = ground.state_of(name)
    assert (after and (after.state, after.exit_code, after.pid)) in (None, ("exited", 0, None))
    if not isinstance(starts, Missing):
        assert after is not None, "what can be started stays on the list"
        starts.start(name)
    assert len(ground.have(ground.count)) == ground.count


def test_a_kill_is_proven_and_told_as_the_signal(ground: Ground) -> None:
    kills = ground.ask(Kills)
    name = ground.copies()[0].name
    kills.kill(name)
    after = ground.state_of(name)
    assert (after and (after.state, after.exit_code, after.pid)) in (None, ("exited", -9, None))


@having(Pauses)
def test_a_pause_freezes_until_resumed(ground: Ground) -> None:
    pauses = ground.ask(Pauses)
    name = ground.copies()[0].name
    pauses.pause(name)
    try:
        frozen = ground.state_of(name)
    finally:
        pauses.resume(name)
    assert frozen is not None
    assert frozen.state == "paused"
    ground.have(ground.count)


def test_a_restart_gives_every_copy_a_new_life_and_the_log_since_then_tells_it_alone(ground: Ground) -> None:
    restarts, reads = ground.ask(Restarts), ground.ask(ReadsLogs)
    before, at = lives(ground.copies()), time.time()
    restarts.restart(COMPONENT)
    ground.have(ground.count, besides=before)
    instance = ground.system.instances[0]
    since = wait_until(
        lambda: reads.read_log(instance, limit_bytes=1 << 20, since_s=at).lines, what="its log", timeout_s=10
    )
    whole = reads.read_log(instance, limit_bytes=1 << 20)
    assert sum(READY in line for line in since) == 1
    assert since == whole.lines[-len(since) :]
    assert reads.read_log(instance, limit_bytes=1 << 20, since_s=time.time()).lines == ()


def test_a_log_is_read_with_its_beginning_or_its_end_alone(ground: Ground) -> None:
    reads = ground.ask(ReadsLogs)
    instance = ground.system.instances[0]
    whole = reads.read_log(instance, limit_bytes=1 << 20)
    assert whole.whole
    assert any(READY in line for line in whole.lines)
    end = reads.read_log(instance, limit_bytes=400)
    assert not end.whole
    assert 0 < len(end.lines) < len(whole.lines)
    assert end.lines == whole.lines[-len(end.lines) :]


@having(Executes)
def test_a_command_runs_beside_an_instance_within_its_limit(ground: Ground) -> None:
    executes = ground.ask(Executes)
    name = ground.copies()[0].name
    done = executes.execute(name, ("sh", "-c", "echo said; echo more >&2; exit 3"))
    assert done.exit_code == 3
    assert {"said", "more"} == set(done.output.split())
    began = time.monotonic()
    with pytest.raises(PlatformRefused, match="within 1 s"):
        executes.execute(name, ("sleep", "9"), limit_s=1)
    assert time.monotonic() - began < 6


@having(Scales)
def test_a_component_is_scaled_down_and_up_again(ground: Ground) -> None:
    scales = ground.ask(Scales)
    assert scales.scale(COMPONENT, ground.count - 1) == ground.count
    try:
        ground.have(ground.count - 1)
    finally:
        assert scales.scale(COMPONENT, ground.count) == ground.count - 1
    ground.have(ground.count)


@having(RollsOut, RollsBack)
def test_a_roll_out_replaces_every_copy_and_a_roll_back_puts_the_earlier_ones_template_back(ground: Ground) -> None:
    rolls, back = ground.ask(RollsOut), ground.ask(RollsBack)
    first = ground.copies()
    rolls.roll_out(COMPONENT, {"metadata": {"annotations": {"drillbook.dev/rolled-out": str(time.time())}}})
    second = ground.have(ground.count, besides=lives(first))
    back.roll_back(COMPONENT)
    third = ground.have(ground.count, besides=lives(second))
    templates = [{state.name.rpartition("-")[0] for state in states} for states in (first, second, third)]
    assert templates[0] == templates[2] != templates[1]


def test_what_an_instance_uses_is_told(ground: Ground) -> None:
    reports = ground.ask(ReportsUsage)

    def look() -> Usage | None:
        try:
            return reports.usage(ground.copies()[0].name)
        except CannotObserve:
            return None

    used = wait_until(look, what="figures", timeout_s=FIGURES_S, every_s=1)
    assert 1 << 20 < used.memory_bytes < 1 << 32
    assert (used.cpu_s is None) != (used.cpu_share is None)
    assert (used.cpu_s or 0) + (used.cpu_share or 0) >= 0  # ps counts whole seconds
    with pytest.raises(CannotObserve):
        reports.usage("nobody")


def test_nobody_is_refused_with_what_there_is(ground: Ground) -> None:
    stops, kills, restarts = ground.ask(Stops), ground.ask(Kills), ground.ask(Restarts)
    for act in (
        lambda: stops.stop("nobody", grace_s=1),
        lambda: kills.kill("nobody"),
        lambda: restarts.restart("nobody"),
    ):
        with pytest.raises(PlatformRefused, match="nobody") as refused:
            act()
        assert refused.value.hint
    assert ground.copies() == ground.have(ground.count)
