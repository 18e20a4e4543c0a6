"""Signals to processes that are held by the kernel's own handle: a number that was given to another is never hit."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ..capabilities import PlatformRefused
from .finding import family, lives

if TYPE_CHECKING:
    from types import TracebackType

    import psutil

_NOTHING = 0
"""The signal that only asks whether one may."""
_TO_MS = 1000


class Gone(Exception):
    """The process has ended before it could be held."""


class Held:
    """One process; what is sent reaches it or nothing. Use it as a context.

    Args:
        process: which; looked at once more when the kernel holds it.

    Raises:
        Gone: it has ended.
    """

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        try:
            self._handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            raise Gone from None
        if not lives(process):
            os.close(self._handle)
            raise Gone

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def send(self, number: int) -> None:
        """Send a signal; one that has ended meanwhile is fine. Raises PlatformRefused where we may not."""
        try:
            signal.pidfd_send_signal(self._handle, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise PlatformRefused(
                f"pid {self.process.pid} is another user's, and may not be signalled",
                hint="run Drillbook as the user of that process, or as root",
            ) from None

    def ends_within(self, limit_s: float) -> bool:
        """Wait for its end at most so long, and say whether it came."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(max(0.0, limit_s) * _TO_MS))

    def exit_code(self) -> int | None:
        """Return how it ended; None where that is told to another, its parent. Leaves it to be asked again."""
        try:
            told = os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if told is None:
            return None
        return told.si_status if told.si_code == os.CLD_EXITED else -told.si_status


def send_all(top: psutil.Process, number: signal.Signals) -> None:
    """Send a signal to a process and all below it, the topmost first, until no new one turns up.

    Nothing is sent to any before it is known that all may be signalled.

    Raises:
        Gone: the topmost has ended; nothing was sent.
        PlatformRefused: one may not be signalled.
    """
    told: set[psutil.Process] = set()
    with ExitStack() as held:
        for one in (held.enter_context(Held(top)), *_hold(family(top)[1:], held)):
            one.send(_NOTHING)
        while fresh := [one for one in _all_below(top, told) if one not in told]:
            for held_one in _hold(fresh, held):
                held_one.send(number)
            told.update(fresh)


def wait_for_end(members: list[psutil.Process], *, within_s: float) -> list[psutil.Process]:
    """Wait until none of them is there any more, at most so long; return those that still are."""
    end = time.monotonic() + within_s
    with ExitStack() as held:
        for one in _hold(members, held):
            one.ends_within(end - time.monotonic())
    return [one for one in members if lives(one)]


def _all_below(top: psutil.Process, told: set[psutil.Process]) -> list[psutil.Process]:
    """Return the family, and what those below have started: a child of a dead parent is not found from the top."""
    return list(dict.fromkeys(member for root in (top, *told) for member in family(root)))


def _hold(processes: list[psutil.Process], held: ExitStack) -> list[Held]:
    """Hold those that are still there."""
    found: list[Held] = []
    for one in processes:
        try:
            found.append(held.enter_context(Held(one)))
        except Gone:
            continue
    return found
