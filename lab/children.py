"""Starts processes and learns at once when they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import clock, kernel, procfs
from .errors import LabError
from .logs import size, tail
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_LAST_LEAVE_S = 10.0


@dataclass(frozen=True)
class Exit:
    """How and when a process ended; a negative code is the signal that ended it."""

    code: int
    at: str


class Child:
    """A process that we started.

    Args:
        pid: its id.
        exited: done when it has ended.
        members: looks which processes belong to it.
    """

    def __init__(self, pid: int, exited: asyncio.Future[Exit], members: Callable[[], set[int]]) -> None:
        self.pid = pid
        self.exited = exited
        self._members = members

    def members(self) -> set[int]:
        """Return all living processes that belong to it: itself, its descendants, and those it orphaned."""
        return self._members()

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to all members, to itself first, until no new member turns up."""
        told: set[int] = set()
        while fresh := self.members() - told:
            for pid in sorted(fresh, key=lambda one: one != self.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            told |= fresh


class Children:
    """All processes of this one, reaped as they end.

    Orphans of our children become ours too (a subreaper): PostgreSQL puts every backend into a session of
    its own, so a process group would not find them.
    """

    def __init__(self) -> None:
        self._alive: dict[int, Child] = {}
        self._handles: dict[int, subprocess.Popen[bytes]] = {}

    def watch(self) -> None:
        """Begin to adopt and reap; needs a running loop in the main thread."""
        kernel.adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def spawn(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path,
        user: tuple[int, int] | None = None,
        program: Path | None = None,
        stdin: bytes = b"",
    ) -> Child:
        """Start a process in a session of its own that dies when we die.

        Args:
            argv: the command.
            env: its whole environment.
            log: where its output is appended.
            cwd: its working directory.
            user: the user and group to run as, or None for ours.
            program: what tells its orphans from others', if not their session.
            stdin: what it reads, less than a pipe holds.
        """
        parent = os.getpid()
        reading, writing = os.pipe()
        try:
            os.write(writing, stdin)
            os.close(writing)
            with log.open("ab") as output:
                handle = subprocess.Popen(
                    argv,
                    env=dict(env),
                    cwd=cwd,
                    stdin=reading,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=user and user[0],
                    group=user and user[1],
                    extra_groups=() if user else None,
                    preexec_fn=lambda: kernel.die_with_parent(parent, signal.SIGKILL),  # noqa: PLW1509 - one thread
                )
        finally:
            os.close(reading)
        pid = handle.pid
        exited = asyncio.get_running_loop().create_future()
        child = Child(pid, exited, lambda: self._members(pid, program))
        self._alive[pid] = child
        self._handles[pid] = handle
        return child

    async def run(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path,
        user: tuple[int, int] | None = None,
        stdin: bytes = b"",
        what: str,
        timeout_s: float = 60.0,
    ) -> None:
        """Run a command to its end; the parameters are those of ``spawn``.

        Raises:
            LabError: when it fails or takes longer than ``timeout_s``; with the end of its output.
        """
        begin = size(log)
        try:
            child = self.spawn(argv, env=env, log=log, cwd=cwd, user=user, stdin=stdin)
        except OSError as error:
            raise LabError(f"{what}: cannot run {argv[0]}: {error.strerror}") from None
        try:
            await asyncio.wait({child.exited}, timeout=timeout_s)
            if not child.exited.done():
                raise LabError(f"{what}: not done after {timeout_s:g} s; its output ends:\n{tail(log, begin)}")
            code = child.exited.result().code
            if code != 0:
                raise LabError(f"{what}: ended with {code}; its output ends:\n{tail(log, begin)}")
        finally:
            child.signal_all(signal.SIGKILL)

    async def clear(self) -> None:
        """Kill whatever still descends from us, and return when it is gone."""

        def none_left() -> bool:
            self.reap()
            left = procfs.descendants(os.getpid(), procfs.table())
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        if not await wait_until(none_left, timeout_s=_LAST_LEAVE_S):
            raise LabError(f"some processes are still there {_LAST_LEAVE_S:g} s after they were killed")

    def _members(self, leader: int, program: Path | None) -> set[int]:
        processes = procfs.table()
        found = procfs.descendants(leader, processes)
        orphans = [p for p in processes.values() if p.parent == os.getpid() and p.pid not in self._alive]
        for orphan in orphans:
            if orphan.session == leader or (program is not None and procfs.runs(orphan.pid, program)):
                found |= {orphan.pid} | procfs.descendants(orphan.pid, processes)
        return found | ({leader} & self._alive.keys())

    def reap(self) -> None:
        """Take note of all that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._alive.pop(pid, None)
            if child is not None:
                code = os.waitstatus_to_exitcode(status)
                self._handles.pop(pid).returncode = code
                if not child.exited.done():
                    child.exited.set_result(Exit(code, clock.now()))
