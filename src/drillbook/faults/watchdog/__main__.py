"""The only undoer: ``python -m drillbook.faults.watchdog``, a process that outlives its runner.

It undoes when it is asked to, and everything by itself when the runner is gone (end of file, or its death as the
kernel tells it), is silent for too long, or has held its lease to the end, and when it is told to by a signal:

    SIGUSR1           undo now and keep guarding (``drillbook abort``)
    SIGTERM, SIGINT   undo now and exit
    SIGHUP            nothing

A runner that is merely silent may wake up in the middle of its harm. So after undoing the watchdog stays, refuses
new harm, and undoes again whatever comes back, until the runner is gone. A record is removed when its harm is
proven undone and nobody can do it again.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ... import timeline
from ...journal import Journal
from ...journal.events import UndoTold, WatchdogTold
from ...model import CannotObserve
from ...platforms import PlatformRefused
from ...redaction import Redactor
from .. import families as _families  # every kind of undo is loaded before the first harm
from ..claims.records import Holder, Lease, LocalClaim, Record, folder_of
from ..claims.target import LEASE_S, Fenced, claims_at
from ..undo import BadUndo, NotUndone, healer_of, perform
from . import messages
from .messages import Command, Config, Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ...journal.events import Event

_CONFIG_LIMIT_S = 10.0
_HOLD_EVERY_S = 0.5
_SLACK_S = 2.0
_PAUSES_S = (0.0, 2.0, 10.0)
"""Before each attempt of one whom nobody can ask again."""
_READ = 65536

del _families


class Guarded:
    """One record under guard: its undo is done by one thread at a time."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.lock = threading.Lock()
        self.gone = False
        """Whether it was disarmed."""


class Watchdog:
    """Guards the records of one run.

    Args:
        config: what the runner said first.
        claim: the environment, held together with the runner.
        journal: takes what is done.
    """

    def __init__(self, config: Config, claim: LocalClaim, journal: Journal) -> None:
        self._config = config
        self._claim = claim
        self._journal = journal
        self._guarded: dict[str, Guarded] = {}
        self._kept: set[str] = set()
        """The records that have a thread which keeps them undone."""
        self._workers: list[threading.Thread] = []
        self._fenced: str | None = None
        self._alone = threading.Event()
        """Set when the runner is gone or this process is to end: undone records are removed."""
        self._out = threading.Lock()
        self._ends_at = timeline.now() + config.lease_s
        self._last_beat = time.monotonic()
        self._renew()

    def run(self, wake: int) -> int:
        """Guard until the runner is gone or says that it has finished. Return 0 when nothing is left behind."""
        if self._claim.on_targets:
            threading.Thread(target=self._renew_targets, daemon=True).start()
        cause = self._watch(wake)
        self._alone.set()
        self._fence(cause)
        self._undo_all()  # what was written after the fence and never armed
        end = time.monotonic() + (self._config.budget_s + _SLACK_S) * len(_PAUSES_S) + sum(_PAUSES_S)
        for worker in self._workers:
            worker.join(max(0.0, end - time.monotonic()))
        left = self._claim.found()
        self._claim.forget_target_claims()
        self._write(WatchdogTold("ended", cause=cause, left=tuple(row.words() for row in left), by=os.getpid()))
        return 1 if left else 0

    def _watch(self, wake: int) -> str:
        """Serve the runner; return why that is over."""
        death = _death_of(self._config.runner)
        buffer = b""
        self._say(Reply(0, ok=True, text="ready"))
        while True:
            ready = self._wait([0, wake, *([] if death is None else [death])])
            if not ready:
                self._fence(self._overdue())
                continue
            if wake in ready and (cause := self._hear(os.read(wake, _READ))):
                return cause
            if 0 in ready:
                part = os.read(0, _READ)
                if not part:
                    return "the runner is gone"
                *lines, buffer = (buffer + part).split(b"\n")
                if any(self._serve(one) for one in lines):
                    return "finished"
            elif death in ready:
                return "the runner is dead"

    def _wait(self, handles: list[int]) -> list[int]:
        """Wait for something to read; nothing when a limit is over, looked at twice, for we may have slept too."""
        if self._fenced:
            return select.select(handles, [], [])[0]
        silence_s = self._last_beat + self._config.beat_limit_s - time.monotonic()
        limit_s = max(0.0, min(silence_s, self._ends_at - timeline.now()))
        return select.select(handles, [], [], limit_s)[0] or select.select(handles, [], [], 0)[0]

    def _overdue(self) -> str:
        if timeline.now() >= self._ends_at:
            return f"the lease of {self._config.lease_s:g} s is over"
        if time.monotonic() - self._last_beat >= self._config.beat_limit_s:
            return f"no heartbeat for {self._config.beat_limit_s:g} s"
        return ""

    def _hear(self, numbers: bytes) -> str:
        """Take signals; return why to end, or the empty string."""
        if signal.SIGUSR1 in numbers:
            self._fence("aborted by a person")
        ends = [signal.Signals(number).name for number in numbers if number in (signal.SIGTERM, signal.SIGINT)]
        return f"told to end by {ends[0]}" if ends else ""

    def _serve(self, line: bytes) -> bool:
        """Do what the runner says; return whether it has finished."""
        try:
            told = messages.command(line)
        except ValueError as error:
            self._say(Reply(0, ok=False, text=f"not a command: {error}"))
            return False
        self._last_beat = time.monotonic()
        match told.do:
            case "beat":
                self._renew()
            case "arm":
                self._say(self._arm(told))
            case "undo":
                self._in_thread(lambda: self._say(self._undo_for(told)))
            case "disarm":
                self._in_thread(lambda: self._say(self._disarm(told)))
            case "finish":
                return True
        return False

    def _arm(self, told: Command) -> Reply:
        if self._fenced:
            return Reply(told.number, ok=False, text=f"no new harm: {self._fenced}")
        row = next((row for row in self._claim.found() if row.path.stem == told.record), None)
        if row is None or row.record is None:
            return Reply(told.number, ok=False, text=f"no record {told.record}: {row and row.problem}")
        try:
            healer_of(row.record.undo).healed()  # loads all that the undo needs, and sees that it gets there
        except (BadUndo, CannotObserve, PlatformRefused) as error:
            return Reply(told.number, ok=False, text=f"cannot be undone here: {error}")
        self._guarded[row.record.id] = Guarded(row.record)
        self._write(UndoTold(row.record.id, row.record.fault, "armed", by=os.getpid()))
        return Reply(told.number, ok=True)

    def _undo_for(self, told: Command) -> Reply:
        guarded = self._guarded.get(told.record)
        if guarded is None:
            return Reply(told.number, ok=False, text=f"the record {told.record} is not armed")
        ok, text = self._undo(guarded, "asked by the runner")
        return Reply(told.number, ok=ok, text=text)

    def _disarm(self, told: Command) -> Reply:
        guarded = self._guarded.get(told.record)
        if guarded is not None:
            with guarded.lock:
                try:
                    self._claim.remove(told.record)
                except (CannotObserve, PlatformRefused) as error:
                    return Reply(told.number, ok=False, text=f"undone, but its record stays: {error.reason}")
                except OSError as error:
                    return Reply(told.number, ok=False, text=f"undone, but its record stays: {error.strerror}")
                guarded.gone = True
        return Reply(told.number, ok=True)

    def _undo(self, guarded: Guarded, cause: str) -> tuple[bool, str]:
        """Undo one record and journal it; return whether it is proven, with the evidence or the reason."""
        with guarded.lock:
            if guarded.gone:
                return True, "disarmed before"
            record = guarded.record
            try:
                undone = perform(record.undo, budget_s=self._config.budget_s)
            except (NotUndone, BadUndo) as error:
                self._tell(record, cause, "failed", str(error), took_s=None)
                return False, str(error)
            self._tell(record, cause, "undone", undone.evidence, took_s=round(undone.took_s, 3))
            return True, undone.evidence

    def _fence(self, cause: str) -> None:
        """Undo all by ourselves, each in its own thread, and allow no more harm."""
        if not cause or self._fenced:
            return
        self._fenced = cause
        if cause != "finished":
            self._say(Reply(0, ok=False, text=cause))
            self._write(WatchdogTold("fenced", cause=cause, by=os.getpid()))
        self._undo_all()

    def _undo_all(self) -> None:
        """Begin to undo each record there is, those too that were written and not yet armed."""
        for row in self._claim.found():
            if row.record is None or row.record.id in self._kept:
                continue
            self._kept.add(row.record.id)
            guarded = self._guarded.setdefault(row.record.id, Guarded(row.record))
            self._in_thread(partial(self._keep_undone, guarded, self._fenced or "the end"))

    def _keep_undone(self, guarded: Guarded, cause: str) -> None:
        """Undo, and again whenever the harm comes back, as long as there is somebody who could do it."""
        while not self._alone.is_set():
            ok, evidence = self._undo(guarded, cause)
            if ok:
                self._mark(guarded, evidence)
                self._hold(guarded)
            else:
                self._alone.wait(_HOLD_EVERY_S)
            if guarded.gone:
                return
        if self._undone_alone(guarded, cause):
            with (
                guarded.lock,
                contextlib.suppress(CannotObserve, PlatformRefused, OSError),
            ):  # then it stays, and says so
                self._claim.remove(guarded.record.id)

    def _undone_alone(self, guarded: Guarded, cause: str) -> bool:
        """Undo without a runner; more than once, since a database that recovers or a way that is cut takes its time."""
        for pause_s in _PAUSES_S:
            time.sleep(pause_s)
            if self._undo(guarded, cause)[0]:
                return True
        return False

    def _hold(self, guarded: Guarded) -> None:
        """Return when the harm is back, the record is disarmed, or we are alone."""
        healer = healer_of(guarded.record.undo)
        while not self._alone.wait(_HOLD_EVERY_S) and not guarded.gone:
            with contextlib.suppress(Exception):  # a broken eye says nothing; the next look may
                if healer.healed() is None:
                    return

    def _mark(self, guarded: Guarded, evidence: str) -> None:
        with guarded.lock, contextlib.suppress(OSError):  # a full disk must not stop the undoing
            if not guarded.gone:
                self._claim.mark(guarded.record, evidence)

    def _in_thread(self, work: Callable[[], None]) -> None:
        worker = threading.Thread(target=work, daemon=True)
        self._workers.append(worker)
        worker.start()

    def _renew(self) -> None:
        expires_at = min(timeline.now() + self._config.beat_limit_s, self._ends_at)
        with contextlib.suppress(OSError):  # the lease is for onlookers; a full disk must not stop the guard
            self._claim.renew(Lease(self._claim.epoch, expires_at, self._ends_at))

    def _renew_targets(self) -> None:
        """Keep the leases on the targets; undo all when they cannot be kept: another may come by then."""
        kept_at = time.monotonic()
        while not self._alone.wait(LEASE_S / 3):
            try:
                for claim in self._claim.on_targets:
                    claim.renew()
                kept_at = time.monotonic()
            except Fenced as lost:
                self._fence(lost.reason)
                return
            except (CannotObserve, PlatformRefused) as error:
                if time.monotonic() - kept_at >= LEASE_S:
                    self._fence(f"the lease on the target could not be renewed: {error.reason}")

    def _tell(self, record: Record, cause: str, outcome: str, evidence: str, *, took_s: float | None) -> None:
        self._write(
            UndoTold(
                id=record.id,
                fault=record.fault,
                outcome=outcome,
                by=os.getpid(),
                cause=cause,
                evidence=evidence,
                took_s=took_s,
            )
        )

    def _write(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # a full disk must not stop the undoing
            self._journal.write(event)

    def _say(self, reply: Reply) -> None:
        with self._out, contextlib.suppress(OSError):  # nobody may be listening any more
            os.write(1, messages.line(reply))


def _death_of(pid: int) -> int | None:
    """Return a handle that is readable once the process has died, where the kernel has such handles.

    End-of-file alone is not enough: a child that the runner has forked holds the pipe open.
    """
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
    if os.getppid() != pid:  # it died before, and the number may be another's by now: end-of-file will tell
        os.close(handle)
        return None
    return handle


def _listen() -> int:
    """Take signals over a pipe and return its end to read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, _nothing)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _nothing(number: int, frame: FrameType | None) -> None:
    """Take part in nothing: the number travels over the wakeup pipe."""
    del number, frame


def _first_line() -> Config:
    """Read the configuration. Raises ValueError when there is none."""
    text = b""
    end = time.monotonic() + _CONFIG_LIMIT_S
    while not text.endswith(b"\n"):
        if not select.select([0], [], [], max(0.0, end - time.monotonic()))[0]:
            raise ValueError(f"no configuration within {_CONFIG_LIMIT_S:g} s")
        part = os.read(0, 1)
        if not part:
            raise ValueError("the runner left before it said anything")
        text += part
    return messages.config(text)


def main() -> int:
    """Run the watchdog and return its exit status."""
    wake = _listen()
    try:
        config = _first_line()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ourselves = Holder("the watchdog", "", os.getpid(), "", config.journal, config.epoch)
    folder = folder_of(config.environment, config.systems)
    claim = LocalClaim(config.environment, folder, config.lock_fd, ourselves, tuple(config.systems))
    claim.on_targets = claims_at(config.targets, config.token, claim.target_lock)
    journal = Journal(Path(config.journal), Redactor())
    return Watchdog(config, claim, journal).run(wake)


if __name__ == "__main__":
    sys.exit(main())
