"""Stopped, killed, paused and started again, with all that belongs to it."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from drillbook.platforms import Missing, Pauses, PlatformRefused, ReportsUsage, Restarts, Returns, Scales, Starts
from drillbook.platforms.process import starting
from drillbook.platforms.process.found import Found, ProcessSettings
from drillbook.polling import wait_until

from .grounds import SUPERVISOR, Ground, free_port, listens, platform, running, state


def test_a_stop_waits_for_the_end_and_says_how_our_own_child_ended(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port))
    ground.serve(port)
    stopped = processes.stop("api-1", grace_s=5)
    assert (stopped.exit_code, stopped.killed) == (0, False)
    assert (state(processes).state, state(processes).exit_code) == ("exited", 0)


def test_how_the_child_of_another_ended_is_known_where_the_kernel_tells(ground: Ground) -> None:
    """Linux 6.15 and later tell it."""
    port = free_port()
    processes = platform(api_1=Found("api", port=port))
    ground.run(sys.executable, str(SUPERVISOR), str(ground.folder), "0", "0", *ground.argv(port))
    wait_until(lambda: listens(port), what="the server", timeout_s=20)
    tells = tuple(int(one) for one in os.uname().release.split(".")[:2]) >= (6, 15)
    assert processes.stop("api-1", grace_s=5).exit_code in ((0,) if tells else (0, None))


def test_the_end_of_a_child_that_its_parent_forgets_is_known(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port))
    fork = "import subprocess, sys, time; child = subprocess.Popen(sys.argv[1:]); time.sleep(600)"
    ground.run(sys.executable, "-c", fork, *ground.argv(port))
    wait_until(lambda: listens(port), what="the server", timeout_s=20)
    assert processes.stop("api-1", grace_s=5).exit_code == 0
    assert state(processes).exit_code == 0


def test_where_nobody_tells_how_it_ended_it_is_not_known(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def older(*_: object) -> None:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    monkeypatch.setattr("fcntl.ioctl", older)
    monkeypatch.setattr("drillbook.platforms.process.signals._left_to_be_asked", lambda _: None)
    port = free_port()
    processes = platform(api_1=Found("api", port=port))
    ground.run(sys.executable, str(SUPERVISOR), str(ground.folder), "0", "0", *ground.argv(port))
    wait_until(lambda: listens(port), what="the server", timeout_s=20)
    stopped = processes.stop("api-1", grace_s=5)
    assert (stopped.exit_code, stopped.killed) == (None, False)
    assert state(processes).exit_code is None


def test_a_stop_that_is_not_heard_ends_in_a_kill(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port))
    _orphan(ground, port, "--deaf", "--workers", "2")
    stopped = processes.stop("api-1", grace_s=0.5)
    assert (stopped.exit_code, stopped.killed) == (-9, True)
    assert stopped.took_s >= 0.5
    assert not listens(port)


def test_the_signal_that_stops_it_can_be_another(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port, stop_signal="QUIT"))
    _orphan(ground, port, "--deaf")
    assert processes.stop("api-1", grace_s=5).killed is False


def test_a_kill_leaves_no_worker_that_would_keep_the_port(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port))
    _orphan(ground, port, "--workers", "3")
    processes.kill("api-1")
    assert (state(processes).state, state(processes).exit_code) == ("exited", -9)
    assert not ground.left()


def test_a_pause_freezes_all_and_a_resume_lets_all_go_on(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port))
    child = ground.serve(port, "--workers", "2")
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children()]
    assert len(family) == 3
    processes.pause("api-1")
    assert state(processes).state == "paused"
    assert {one.status() for one in family} == {psutil.STATUS_STOPPED}
    processes.resume("api-1")
    assert state(processes).running
    assert psutil.STATUS_STOPPED not in {one.status() for one in family}


def test_what_is_started_is_a_service_of_its_own(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG_TOKEN", "hunter22")
    port, told, log = free_port(), ground.folder / "told", ground.folder / "log"
    processes = platform(api_1=Found("api", port=port, start=ground.argv(port, "--tell", str(told)), log=log))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as a watchdog has it
    try:
        processes.start("api-1")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert wait_until(lambda: state(processes).running, what="it", timeout_s=20)
    found = json.loads(told.read_text())
    assert (found["cwd"], found["leads"], found["hangup"]) == ("/", True, True)
    assert set(found["env"]) <= {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_CTYPE", starting.MARK}
    assert log.read_text() == "begins\n"
    processes.start("api-1")  # it runs: nothing is done
    assert len(ground.left()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as another")
def test_root_starts_it_as_the_user_that_is_named() -> None:
    words = ("/bin/sleep", str(1_000_000 + os.getpid()))
    processes = platform(api_1=Found("api", command=words, user="nobody", start=words))
    processes.start("api-1")
    try:
        found = running(processes)
        assert found.pid is not None
        process = psutil.Process(found.pid)
        assert (process.username(), process.uids().saved, process.gids().real) == ("nobody", 65534, 65534)
        assert "\nGroups:\t65534 \n" in Path(f"/proc/{found.pid}/status").read_text()
    finally:
        processes.kill("api-1")


def test_what_is_slow_to_listen_is_starting_and_not_started_twice(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port, start=ground.argv(port, "--after", "3")))
    processes.start("api-1")
    assert state(processes).state == "starting"
    processes.start("api-1")
    assert len(ground.left()) == 1
    wait_until(lambda: state(processes).running, what="it", timeout_s=20)


def test_a_start_that_fails_says_so_and_where_to_look(ground: Ground) -> None:
    port, log = free_port(), ground.folder / "log"
    processes = platform(api_1=Found("api", port=port, start=ground.argv(port, "--exit", "3"), log=log))
    processes.start("api-1")
    wait_until(lambda: state(processes).state == "exited", what="its end", timeout_s=20)
    with pytest.raises(PlatformRefused, match=r"ended with 3, and nothing fits port \d+") as refused:
        processes.start("api-1")
    assert refused.value.hint == f"look at {log}"
    processes.start("api-1")  # once more, as an undo does
    assert wait_until(lambda: log.read_text() == "begins\n" * 2, what="another try", timeout_s=20)


def test_a_program_that_is_not_there_is_named_in_the_log(ground: Ground) -> None:
    log = ground.folder / "log"
    absent = platform(api_1=Found("api", port=free_port(), start=("/nonexistent/program",), log=log))
    absent.start("api-1")
    wait_until(lambda: state(absent).state == "exited", what="its end", timeout_s=20)
    with pytest.raises(PlatformRefused, match="ended with 1"):
        absent.start("api-1")
    assert "/nonexistent/program: No such file or directory" in log.read_text()


def test_what_a_launcher_starts_is_waited_for(ground: Ground) -> None:
    """It ends at once in good order, and what it leaves bears no mark of ours."""
    port = free_port()
    launch = "import os, subprocess, sys; subprocess.Popen(sys.argv[1:], env={})"
    slow = ground.argv(port, "--after", "2")
    processes = platform(api_1=Found("api", port=port, start=(sys.executable, "-c", launch, *slow)))
    processes.start("api-1")
    for _ in range(3):
        time.sleep(0.3)
        assert state(processes).state == "starting"
        processes.start("api-1")
    running(processes)
    assert len(ground.left()) == 1


def test_a_restart_gives_a_new_life(ground: Ground) -> None:
    port = free_port()
    processes = platform(api_1=Found("api", port=port, start=ground.argv(port)))
    ground.serve(port)
    before = state(processes)
    processes.restart("api")
    assert before.is_gone(running(processes))
    assert processes.usage("api-1").memory_bytes > 1 << 20


def test_a_capability_is_there_where_the_environment_says_enough() -> None:
    started = Found("api", port=1, start=("/bin/true",))
    returning = Found("redis", port=2, returns_within_s=3)
    neither = Found("postgres", port=3)
    some = platform(api_1=started, redis=returning, postgres=neither)
    assert all(some.can(one) is some for one in (Starts, Pauses, Returns, ReportsUsage))
    lacks: tuple[tuple[Any, str], ...] = (
        (Restarts, "how to start redis, postgres"),
        (Scales, "as many processes run as"),
    )
    for capability, why in lacks:
        missing = some.can(capability)
        assert isinstance(missing, Missing)
        assert why in missing.reason
    assert isinstance(platform(redis=returning).can(Starts), Missing)
    assert (some.returns_within_s("api-1"), some.returns_within_s("redis")) == (None, 3)
    with pytest.raises(PlatformRefused, match="nothing brings postgres back") as refused:
        some.returns_within_s("postgres")
    assert "systems.config-manager.process.instances.postgres" in refused.value.hint


@pytest.fixture
def readable_by_all() -> Iterator[Path]:
    """A folder of the test's own which another user may read: pytest's are for their owner alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_what_belongs_to_another_user_is_seen_and_not_touched(ground: Ground, readable_by_all: Path) -> None:
    port, file = free_port(), readable_by_all / "pid"
    child = ground.serve(port, "--pid-file", str(file), "--workers", "1")
    wait_until(file.exists, what="the pid file", timeout_s=20)
    processes = platform(api_1=Found("api", pid_file=file), by_port=Found("api", port=port))
    assert state(processes).pid == state(processes, "by-port").pid == child.pid  # all is loaded that a look needs

    def look() -> str:
        said = f"{state(processes).state}; {state(processes, 'by-port').because}"
        for act in (processes.pause, processes.kill):
            with pytest.raises(PlatformRefused) as refused:
                act("api-1")
            said += f"; {refused.value.reason}: {refused.value.hint}"
        return said

    said = _as_another_user(look)
    assert said.count("another user's, and may not be signalled: run Drillbook as the user of that process") == 2
    assert said.startswith("running; ")
    assert "who listens on port" in said
    assert child.poll() is None
    assert psutil.Process(child.pid).status() != psutil.STATUS_STOPPED


def test_how_it_is_found_survives_a_trip_through_a_record() -> None:
    one = Found("api", Path("/run/x.pid"), None, ("a", "b"), "me", "INT", ("/bin/true", "x"), None, Path("/var/log/x"))
    two = Found("redis", port=6379, returns_within_s=2.5)
    settings = ProcessSettings({"api-1": one, "redis": two})
    assert ProcessSettings.from_data(json.loads(json.dumps(settings.to_data()))) == settings


@pytest.mark.parametrize(
    "row",
    [
        {"component": "api"}, {"port": 1}, {"component": "api", "port": "1"}, {"component": "api", "port": True}, [],
        {"component": "api", "port": 1, "start": ["relative"]}, {"component": "api", "port": 1, "start": "/bin/sh"},
        {"component": "api", "port": 1, "shell": "x"}, {"component": "api", "pid_file": "relative"},
    ],
)  # fmt: skip
def test_a_record_that_says_something_else_is_refused(row: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        ProcessSettings.from_data({"api-1": row})  # type: ignore[dict-item] # that is the case


def test_a_record_of_no_process_is_refused() -> None:
    with pytest.raises(ValueError, match="expected instances by name"):
        ProcessSettings.from_data({})


def _orphan(ground: Ground, port: int, *options: str) -> None:
    """Start a server whose parent has left, so that nobody here is told how it ends."""
    fork = "import subprocess, sys; subprocess.Popen(sys.argv[1:])"
    ground.run(sys.executable, "-c", fork, *ground.argv(port, *options)).wait(10)
    wait_until(lambda: listens(port), what="the server", timeout_s=20)


def _as_another_user(look: Callable[[], str]) -> str:
    """Return what a fork of ours sees that has given its rights away."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that only wait for children stay behind
        child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, look().encode())
        except BaseException as error:  # noqa: BLE001 - the parent tells
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()
