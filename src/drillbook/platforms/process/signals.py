"""Signals to processes that are held by the kernel's own handle: a number that was given to another is never hit."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..capabilities import PlatformRefused
from .finding import family, lives

if TYPE_CHECKING:
    from types import TracebackType

    import psutil

_NOTHING = 0
"""The signal that only asks whether one may."""
_TO_MS = 1000
_INFO, _INFO_FIELDS = "<QQ11Ii", 13
"""struct pidfd_info of linux/pidfd.h in its first size: a mask, the cgroup, ids, and the status as wait(2) has it."""
_INFO_EXIT = 1 << 3
_GET_INFO = 3 << 30 | struct.calcsize(_INFO) << 16 | 0xFF << 8 | 11
_PARENT_ASKS_S = 0.5
_LOOK_EVERY_S = 0.01


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
        """Return how it has ended; None where only its parent is told. Leaves it to be asked again."""
        try:
            told = os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            status = _left_to_be_asked(self.process.pid)
            return self._told_by_the_kernel() if status is None else status
        if told is None:
            return None
        return told.si_status if told.si_code == os.CLD_EXITED else -told.si_status

    def _told_by_the_kernel(self) -> int | None:
        """Return how another's child has ended: Linux 6.15 and later say it once the parent has asked."""
        end = time.monotonic() + _PARENT_ASKS_S
        while True:
            answer = bytearray(struct.pack(_INFO, _INFO_EXIT, *[0] * _INFO_FIELDS))
            try:
                fcntl.ioctl(self._handle, _GET_INFO, answer)
            except OSError:
                return None
            mask, *_, status = struct.unpack(_INFO, answer)
            if mask & _INFO_EXIT:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= end:
                return None
            time.sleep(_LOOK_EVERY_S)


def _left_to_be_asked(pid: int) -> int | None:
    """Return how a process has ended whose parent has not asked; None where it has, or we may not see it.

    Who may not see it is shown a 0; the file ``io`` is refused to just those.
    """
    folder = Path(f"/proc/{pid}")
    try:
        (folder / "io").read_bytes()
        fields = (folder / "stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return os.waitstatus_to_exitcode(int(fields[-1])) if fields[0] == "Z" else None


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
