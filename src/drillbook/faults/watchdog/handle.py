"""The runner's side of the watchdog: starts it, keeps it convinced that we live, and asks it to undo."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from ...journal.events import WatchdogTold
from ...polling import TimedOut, wait_until
from ..undo import BUDGET_S, NotUndone, WatchdogDied
from . import messages
from .messages import Command, Config, Do, Reply

if TYPE_CHECKING:
    from ...journal import Journal
    from ..claims.records import LocalClaim, Record

_READY_S = 15.0
_ANSWER_S = 15.0
_SLACK_S = 5.0
_READ = 65536


@dataclass(frozen=True, slots=True)
class Timing:
    """When the watchdog acts by itself."""

    beat_every_s: float = 1.0
    beat_limit_s: float = 5.0
    """The longest silence."""
    lease_s: float = 3600.0
    """The longest time that one run may hold harm."""
    budget_s: float = BUDGET_S
    """For one undo with all its tries."""


class Watchdog:
    """A running watchdog. When it dies, one successor takes over what is armed, and no new harm is allowed.

    Args:
        claim: the environment; the watchdog holds it too, until both are gone.
        journal: the run's record, which the watchdog appends to.
        timing: when it acts by itself.
    """

    def __init__(self, claim: LocalClaim, journal: Journal, timing: Timing) -> None:
        self._claim = claim
        self._journal = journal
        self._timing = timing
        self._armed: dict[str, Record] = {}
        self._waiting: dict[int, Future[Reply]] = {}
        self._numbers = 0
        self._guard = threading.RLock()
        self._closing = threading.Event()
        self._died: str | None = None
        """Why no new harm is allowed any more."""
        self._lost: str | None = None
        self._over = threading.Event()
        """Set when there is no watchdog and none will come."""
        self._fenced: str | None = None
        self._process = self._launch()
        threading.Thread(target=self._listen, name="drillbook-watchdog-replies", daemon=True).start()
        threading.Thread(target=self._beat, name="drillbook-watchdog-heartbeat", daemon=True).start()

    @classmethod
    def start(cls, claim: LocalClaim, journal: Journal, timing: Timing | None = None) -> Self:
        """Start a watchdog and return when it is ready. Raises WatchdogDied."""
        return cls(claim, journal, timing or Timing())

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it guards, and always has."""
        return self._died is None and self._process.poll() is None

    @property
    def lost(self) -> str | None:
        """Why, for a time or to the end, nobody guarded what this run did, or None: it died before its time."""
        return self._lost

    @property
    def fenced(self) -> str | None:
        """Why it has undone everything by itself, or None."""
        return self._fenced

    def arm(self, record: Record) -> None:
        """Have a record guarded that is on the disk. Raises WatchdogDied when it must not be followed by harm."""
        if self._died is not None:
            raise WatchdogDied(f"no new harm: {self._died}")
        self._armed[record.id] = record
        try:
            reply = self._ask("arm", record.id, _ANSWER_S)
        except WatchdogDied:
            self._armed.pop(record.id, None)
            raise
        if not reply.ok:
            self._armed.pop(record.id, None)
            raise WatchdogDied(f"the watchdog does not guard this: {reply.text}")

    def undo(self, record_id: str, *, timeout_s: float = BUDGET_S + _SLACK_S) -> str:
        """Undo, prove, and return the evidence.

        Args:
            record_id: which record.
            timeout_s: the limit; a watchdog that does not answer by then is replaced and its successor asked.

        Raises:
            NotUndone: it tried as long as it may.
            WatchdogDied: it died, and so did its successor.
        """
        reply = self._ask_either("undo", record_id, timeout_s)
        if not reply.ok:
            raise NotUndone(reply.text)
        return reply.text

    def disarm(self, record_id: str) -> None:
        """Have a record removed that is proven undone. Raises WatchdogDied, NotUndone when a target keeps it."""
        reply = self._ask_either("disarm", record_id, _ANSWER_S)
        if not reply.ok:
            raise NotUndone(reply.text)
        self._armed.pop(record_id, None)

    def close(self) -> bool:
        """Let it finish: it undoes what is still armed, and exits. Return whether nothing is left behind."""
        self._closing.set()
        with contextlib.suppress(WatchdogDied):
            self._send(Command(self._next(), "finish"))
        try:
            status = self._process.wait(self._timing.budget_s + 2 * _SLACK_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._over.wait(_SLACK_S)
        return status == 0

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the process and wait, bounded, until it is ready. Raises WatchdogDied."""
        config = Config(
            environment=self._claim.environment,
            systems=list(self._claim.systems),
            lock_fd=self._claim.fd,
            epoch=self._claim.epoch,
            journal=str(self._journal.directory.absolute()),
            runner=os.getpid(),
            beat_limit_s=self._timing.beat_limit_s,
            lease_s=self._timing.lease_s,
            budget_s=self._timing.budget_s,
            targets=[claim.address for claim in self._claim.on_targets],
            token=self._claim.on_targets[0].token if self._claim.on_targets else "",
        )
        process = _spawn(self._claim.fd, self._journal.directory / "watchdog.log")
        try:
            assert process.stdin is not None
            process.stdin.write(messages.line(config))
            _await_ready(process)
        except BaseException as error:
            process.kill()
            process.wait()
            _hang_up(process)
            if isinstance(error, OSError):
                raise WatchdogDied(f"the watchdog did not start: {error}") from None
            raise
        with contextlib.suppress(OSError):  # for those who want to abort; a full disk must not stop the guard
            self._claim.tell(replace(self._claim.holder, watchdog=process.pid))
        return process

    def _beat(self) -> None:
        while not self._closing.wait(self._timing.beat_every_s) and not self._over.is_set():
            with contextlib.suppress(WatchdogDied):  # the listener finds out, and says so
                self._send(Command(0, "beat"))

    def _listen(self) -> None:
        """Hand out replies; when the watchdog has died, let one successor take over."""
        self._hand_out_replies()
        if not self._closing.is_set():
            why = f"the watchdog (pid {self._process.pid}) ended with {self._process.wait()}"
            if self._succeed(why):
                self._hand_out_replies()
        self._process.wait()
        with self._guard:
            _hang_up(self._process)
            self._over.set()
            self._died = self._died or "the watchdog has finished"
            self._fail_waiting()

    def _hand_out_replies(self) -> None:
        assert self._process.stdout is not None
        handle, buffer = self._process.stdout.fileno(), b""
        while part := os.read(handle, _READ):
            *lines, buffer = (buffer + part).split(b"\n")
            for text in lines:
                self._take(messages.reply(text))

    def _take(self, reply: Reply) -> None:
        with self._guard:
            waiting = self._waiting.pop(reply.number, None)
        if waiting is not None:
            waiting.set_result(reply)
        elif reply.number == 0 and not reply.ok:
            self._fenced = self._fenced or reply.text

    def _succeed(self, why: str) -> bool:
        """Start a successor where harm may be in; return whether there is one."""
        with self._guard:
            self._died = self._lost = why
            self._fail_waiting()
            _hang_up(self._process)
            self._journal.write(WatchdogTold("died", cause=why))
            if not self._armed:
                return False
            with contextlib.suppress(WatchdogDied, OSError):  # then nobody guards, and the records say so
                process = self._launch()
                for record in self._armed.values():
                    with contextlib.suppress(OSError):  # it has been there since before the harm
                        self._claim.put(record)
                    assert process.stdin is not None
                    process.stdin.write(messages.line(Command(0, "arm", record.id)))
                self._process = process
                self._journal.write(WatchdogTold("succeeded", pid=process.pid))
                return True
            return False

    def _fail_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(WatchdogDied(self._died or "the watchdog is gone"))

    def _ask_either(self, do: Do, record_id: str, timeout_s: float) -> Reply:
        """Ask the watchdog, or its successor when it dies over the question."""
        first = self._process
        try:
            return self._ask(do, record_id, timeout_s)
        except WatchdogDied:
            if self._closing.is_set():
                raise
        with contextlib.suppress(TimedOut):
            wait_until(
                lambda: self._process is not first or self._over.is_set(),
                what="the watchdog's successor",
                timeout_s=_READY_S,
            )
        return self._ask(do, record_id, timeout_s)

    def _ask(self, do: Do, record_id: str, timeout_s: float) -> Reply:
        """Ask and wait for the answer; a watchdog that gives none in time is killed. Raises WatchdogDied."""
        future: Future[Reply] = Future()
        with self._guard:
            number = self._next()
            self._waiting[number] = future
            process = self._process
        try:
            self._send(Command(number, do, record_id))
            return future.result(timeout_s)
        except NoAnswer:
            process.kill()
            raise WatchdogDied(f"the watchdog gave no answer to {do} within {timeout_s:g} s") from None
        finally:
            with self._guard:
                self._waiting.pop(number, None)

    def _next(self) -> int:
        with self._guard:
            self._numbers += 1
            return self._numbers

    def _send(self, command: Command) -> None:
        with self._guard:
            if self._over.is_set():
                raise WatchdogDied(self._died or "the watchdog is gone")
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(messages.line(command))
            except (OSError, ValueError) as error:  # broken, or closed because it has ended
                raise WatchdogDied(f"the watchdog is gone: {error}") from None


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    """Close our ends of the pipes to a watchdog that has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _spawn(lock_fd: int, log: Path) -> subprocess.Popen[bytes]:
    """Start the watchdog in a session of its own, with nothing of ours open but its pipes and the lock."""
    package = str(Path(__file__).resolve().parents[3])
    inherited = [str(Path(part).absolute()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    with _opened(log) as errors:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "drillbook.faults.watchdog"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([package, *inherited])},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=[lock_fd],
            start_new_session=True,
            bufsize=0,
        )


def _opened(log: Path) -> IO[bytes]:
    """Open the watchdog's log, or nothing at all where there is no room for one."""
    try:
        return log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    """Read the first reply. Raises WatchdogDied."""
    assert process.stdout is not None
    end = time.monotonic() + _READY_S
    text = b""
    while not text.endswith(b"\n"):
        if not select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            raise WatchdogDied(f"the watchdog is not ready within {_READY_S:g} s")
        part = os.read(process.stdout.fileno(), 1)
        if not part:
            raise WatchdogDied("the watchdog did not start; watchdog.log in the run's directory says why")
        text += part
    if not messages.reply(text).ok:
        raise WatchdogDied(f"the watchdog did not start: {text.decode(errors='replace')}")
