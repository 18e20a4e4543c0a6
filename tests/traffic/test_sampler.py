"""Sampling a real process that is frozen, killed and started again. Margins are those of a busy machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from drillbook import timeline
from drillbook.model import CannotObserve, Secret
from drillbook.polling import wait_until
from drillbook.traffic.availability import Answered, NotRecovered, Recovery
from drillbook.traffic.sampler import Sampler, read_samples
from drillbook.traffic.service import Service

from .conftest import Range

pytestmark = pytest.mark.alone

SLACK_S = 0.4
"""What a busy machine may add to either side of a measurement."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples.jsonl"


def good(sampler: Sampler, seconds: float) -> None:
    time.sleep(seconds)
    assert sampler.samples()


def test_a_healthy_service_is_good_at_the_offered_rate(target: Range, file: Path) -> None:
    with Sampler(target.service, "/health", file=file) as sampler:
        time.sleep(2)
        found = sampler.stop()
    assert found.bad_total == 0
    assert found.outages == ()
    assert found.total >= 90
    assert found.achieved_rps == pytest.approx(50, rel=0.1)
    assert read_samples(file)[: found.total] == found.samples
    assert found.latencies().percentile_ms(50) < 100


def test_a_freeze_shorter_than_the_timeout_is_an_outage_of_its_length(target: Range, file: Path) -> None:
    with Sampler(target.service, "/health", file=file, bad_after_ms=250) as sampler:
        good(sampler, 1)
        frozen = target.signal(signal.SIGSTOP)
        time.sleep(2)
        while_frozen = sampler.availability().recovery_after(frozen)
        thawed = target.signal(signal.SIGCONT)
        time.sleep(2)
        found = sampler.stop()
    assert isinstance(while_frozen, NotRecovered)
    recovery = found.recovery_after(frozen)
    assert isinstance(recovery, Recovery)
    assert recovery.rto_s == pytest.approx(thawed - frozen, abs=recovery.resolution_s + SLACK_S)
    assert set(found.bad) == {"slow"}
    assert found.good_before(frozen, 0.8) >= 30


def test_rto_of_a_killed_service_is_the_time_until_it_is_back(target: Range, file: Path) -> None:
    with Sampler(target.service, "/health", file=file, bad_after_ms=250) as sampler:
        good(sampler, 1)
        killed = target.kill()
        time.sleep(1)
        target.start()
        back = timeline.now()
        time.sleep(2)
        found = sampler.stop()
    recovery = found.recovery_after(killed)
    assert isinstance(recovery, Recovery)
    assert recovery.rto_s == pytest.approx(back - killed, abs=recovery.resolution_s + SLACK_S)
    assert found.bad["refused"] >= 40
    assert len(found.outages) == 1


def test_a_request_that_was_reset_is_never_sent_again(target: Range, file: Path) -> None:
    target.set(hang_up=True)
    before = target.ask("GET", "/counts")["requests"]
    with Sampler(target.service, "/health", file=file) as sampler:
        time.sleep(1)
        found = sampler.stop()
    assert found.bad == {"reset": found.total}
    sent = target.ask("GET", "/counts")["requests"] - before
    assert found.total <= sent <= found.total + found.undecided


@pytest.mark.parametrize(("status", "expected"), [(503, "server_error"), (404, "unexpected")])
def test_a_wrong_status_is_bad(target: Range, file: Path, status: int, expected: str) -> None:
    target.set(status=status)
    with Sampler(target.service, "/health", file=file) as sampler:
        time.sleep(0.5)
        found = sampler.stop()
    assert found.bad == {expected: found.total}


def test_throttling_is_unknown_and_not_an_outage(target: Range, file: Path) -> None:
    target.set(status=429)
    with Sampler(target.service, "/health", file=file) as sampler:
        time.sleep(0.5)
        found = sampler.stop()
    assert found.outages == ()
    assert not found.known


def test_a_request_that_outlives_its_timeout_is_bad(target: Range, file: Path) -> None:
    target.set(delay_s=1.0)
    with Sampler(target.service, "/health", file=file, timeout_s=0.3) as sampler:
        time.sleep(1)
        found = sampler.stop()
    assert set(found.bad) == {"timeout"}


def test_a_list_of_instances_is_one_service(ranges: Callable[[], Range], file: Path) -> None:
    """A refused connection goes to the next instance; only what was in flight at the kill is bad."""
    first, second = ranges(), ranges()
    with Sampler(Service((first.url, second.url)), "/health", file=file) as sampler:
        good(sampler, 1)
        killed = first.kill()
        time.sleep(1.5)
        found = sampler.stop()
    assert {sample.url for sample in found.samples if sample.at < killed - 0.2} == {0}
    assert {sample.url for sample in found.samples if sample.at > killed + 0.2} == {1}
    assert found.bad_total <= 3
    assert "refused" not in found.bad


def test_a_frozen_instance_is_an_outage_though_another_runs(ranges: Callable[[], Range], file: Path) -> None:
    """It takes connections: what was sent to it is not sent elsewhere."""
    first, second = ranges(), ranges()
    with Sampler(Service((first.url, second.url)), "/health", file=file, bad_after_ms=250) as sampler:
        good(sampler, 1)
        first.signal(signal.SIGSTOP)
        time.sleep(1)
        first.signal(signal.SIGCONT)
        time.sleep(1.5)
        found = sampler.stop()
    assert found.longest_outage_s > 0.5
    assert {sample.url for sample in found.samples} == {0}


def test_a_standstill_of_the_sampler_is_reported_as_its_own(target: Range, file: Path) -> None:
    # A connection that is being made when the sampler stops must not time out meanwhile: that would be unreached.
    with Sampler(target.service, "/health", file=file, bad_after_ms=250, connect_timeout_s=4) as sampler:
        good(sampler, 1)
        assert sampler.pid
        os.kill(sampler.pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(sampler.pid, signal.SIGCONT)
        time.sleep(2)
        found = sampler.stop()
    assert found.slips >= 40
    assert found.worst_slip_ms > 800
    assert not found.known
    assert "this machine" in found.unknown_because[0]
    assert found.achieved_rps == pytest.approx(50, rel=0.1)  # late, never skipped


def test_the_death_of_the_sampler_is_an_error(target: Range, file: Path) -> None:
    sampler = Sampler(target.service, "/health", file=file).start()
    assert sampler.pid
    os.kill(sampler.pid, signal.SIGKILL)
    wait_until(lambda: fails(sampler.samples), what="the death to be noticed", timeout_s=5)
    for call in (sampler.samples, sampler.stop, sampler.availability):
        with pytest.raises(CannotObserve, match="ended by itself with status -9"):
            call()


def fails(call: Callable[[], object]) -> bool:
    try:
        call()
    except CannotObserve:
        return True
    return False


def running(pid: int | None) -> bool:
    """Say whether a process runs; one that has ended and is not reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_end_of_its_longest_duration_is_an_error_too(target: Range, file: Path) -> None:
    sampler = Sampler(target.service, "/health", file=file, max_duration_s=0.3).start()
    wait_until(lambda: not running(sampler.pid), what="its end", timeout_s=5)
    with pytest.raises(CannotObserve, match="max_duration_s"):
        sampler.stop()
    assert len(read_samples(file)) == 15


def test_the_sampler_ends_within_a_second_of_its_runner(target: Range, file: Path) -> None:
    """End-of-file on stdin is the runner's death, also while requests hang."""
    with Sampler(target.service, "/health", file=file) as sampler:
        good(sampler, 0.5)
        target.signal(signal.SIGSTOP)
        time.sleep(1)
        asked = time.monotonic()
        found = sampler.stop()
        took_s = time.monotonic() - asked
        target.signal(signal.SIGCONT)
    assert took_s < 1.5
    assert not running(sampler.pid)
    assert found.outages[-1].end is None
    assert any(sample.answered is Answered.CUT for sample in read_samples(file))


def test_no_secret_is_in_the_arguments_or_the_file(target: Range, file: Path) -> None:
    service = Service((target.url,), headers={"Authorization": Secret("Bearer hush-hush", "env:TOKEN")})
    with Sampler(service, "/health", file=file) as sampler:
        good(sampler, 0.3)
        process = psutil.Process(sampler.pid)
        shown = " ".join(process.cmdline()) + " ".join(process.environ().values())
    assert "hush" not in shown + file.read_text() + repr(service) + repr(service.address())


def test_a_used_file_is_refused(target: Range, file: Path) -> None:
    file.write_text("")
    with pytest.raises(FileExistsError):
        Sampler(target.service, "/health", file=file).start()


def test_an_error_in_the_scenario_ends_the_sampler(target: Range, file: Path) -> None:
    with pytest.raises(ZeroDivisionError), Sampler(target.service, "/health", file=file) as sampler:
        raise ZeroDivisionError
    assert not running(sampler.pid)
