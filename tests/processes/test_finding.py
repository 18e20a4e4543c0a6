"""One process, the right one, or none: whatever else runs on the machine."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from drillbook import clock
from drillbook.accepts import components
from drillbook.model import Facts, Outcome
from drillbook.platforms import PlatformRefused
from drillbook.platforms.process.found import Found
from drillbook.polling import wait_until
from drillbook.probes.components import Components

from .grounds import SERVER, Ground, free_port, platform, running, state, system

PYTHON = sys.executable


def by_port(_: Ground, port: int) -> Found:
    return Found("api", port=port)


def by_pid_file(ground: Ground, _: int) -> Found:
    return Found("api", pid_file=ground.folder / "pid")


def by_command(ground: Ground, _: int) -> Found:
    return Found("api", command=(PYTHON, str(SERVER), str(ground.folder)))


@pytest.mark.parametrize("way", [by_port, by_pid_file, by_command])
@pytest.mark.parametrize("workers", ["0", "3"])
def test_it_is_found_with_its_start_and_its_workers_are_not_taken_for_it(
    way: Callable[[Ground, int], Found], workers: str, ground: Ground
) -> None:
    port = free_port()
    processes = platform(api_1=way(ground, port))
    assert state(processes).state == "exited"
    child = ground.serve(port, "--pid-file", str(ground.folder / "pid"), "--workers", workers)
    found = running(processes)
    assert found.pid == child.pid
    assert found.started_at is not None
    age = dt.datetime.now(dt.UTC) - clock.parse(found.started_at)
    assert -1 < age.total_seconds() < 60
    child.kill()
    wait_until(lambda: len(ground.left()) <= int(workers), what="its end", timeout_s=20)
    if workers == "0":
        assert child.returncode is None  # a zombie, whose parent has not asked yet
        assert state(processes).state == "exited"


def test_a_pid_file_that_another_process_has_outlived_is_stale(ground: Ground) -> None:
    file = ground.folder / "pid"
    child = ground.serve(free_port(), "--pid-file", str(file))
    processes = platform(api_1=Found("api", pid_file=file))
    wait_until(lambda: state(processes).pid == child.pid, what="the pid file", timeout_s=20)
    yesterday = psutil.Process(child.pid).create_time() - 86400
    os.utime(file, (yesterday, yesterday))
    assert state(processes).state == "exited"
    with pytest.raises(PlatformRefused, match="does not run"):
        processes.kill("api-1")
    assert child.poll() is None


def test_a_pid_file_that_means_another_program_is_stale(ground: Ground) -> None:
    file = ground.folder / "pid"
    child = ground.serve(free_port(), "--pid-file", str(file))
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"), what="the pid file", timeout_s=20)
    processes = platform(api_1=Found("api", pid_file=file, command=("/usr/sbin/another",)))
    assert state(processes).state == "exited"
    assert child.poll() is None


@pytest.mark.parametrize(("text", "said"), [("", "is empty"), ("\n12", "is empty"), ("-7", "says '-7'")])
def test_a_pid_file_with_no_process_id_is_no_proof_of_anything(text: str, said: str, ground: Ground) -> None:
    file = ground.folder / "pid"
    file.write_text(text)
    found = state(platform(api_1=Found("api", pid_file=file)))
    assert (found.state, found.running) == ("unknown", False)
    assert found.because is not None
    assert said in found.because


@pytest.mark.parametrize("act", ["kill", "pause", "stop"])
def test_of_several_that_fit_none_is_touched_and_all_are_named(act: str, ground: Ground) -> None:
    both = [ground.serve(free_port()) for _ in range(2)]
    processes = platform(api_1=by_command(ground, 0), other=Found("redis", port=free_port()))
    found = state(processes)
    assert found.state == "unknown"
    assert state(processes, "other").state == "exited"
    with pytest.raises(PlatformRefused) as refused:
        getattr(processes, act)("api-1", **({"grace_s": 1} if act == "stop" else {}))
    for child in both:
        assert f"pid {child.pid} (python" in refused.value.reason
        assert f"pid {child.pid} (python" in str(found.because)
        assert child.poll() is None
        assert psutil.Process(child.pid).status() != psutil.STATUS_STOPPED


def test_a_port_that_another_program_has_taken_is_said(ground: Ground) -> None:
    port = free_port()
    child = ground.serve(port)
    processes = platform(api_1=Found("api", port=port, command=("/usr/sbin/nginx",), start=("/bin/true",)))
    assert f"port {port} is held by pid {child.pid}" in str(state(processes).because)
    for act in (processes.kill, processes.start):
        with pytest.raises(PlatformRefused, match="does not fit"):
            act("api-1")
    assert child.poll() is None


@pytest.mark.parametrize("whose", [os.getpid, os.getppid, lambda: 1])
def test_neither_we_nor_what_started_us_is_ever_it(whose: Callable[[], int], tmp_path: Path) -> None:
    file = tmp_path / "pid"
    file.write_text(str(whose()))
    processes = platform(api_1=Found("api", pid_file=file))
    assert "runs Drillbook itself" in str(state(processes).because)
    with pytest.raises(PlatformRefused, match="runs Drillbook itself"):
        processes.kill("api-1")


def test_a_process_that_nobody_can_tell_is_unknown_and_hides_none_that_is_down(ground: Ground) -> None:
    both = [ground.serve(free_port()) for _ in range(2)]
    other = free_port()
    found = system(api_1=by_command(ground, 0), redis=Found("redis", port=other))
    redis = ground.serve(other)
    target = Components().targets(found)[0]

    def judged() -> tuple[Outcome, str]:
        finding = components.all_running().check(Components().observe(target), Facts("process", None, clock_skew_s=2.0))
        return finding.outcome, finding.observed

    outcome, observed = judged()  # redis names the folder as well: three fit
    assert outcome is Outcome.UNKNOWN
    assert all(f"pid {child.pid}" in observed for child in (*both, redis))
    redis.kill()
    redis.wait(5)
    assert judged() == (Outcome.NOT_MET, "redis exited")
