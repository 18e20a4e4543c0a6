"""Which process it is: exactly one family, never ourselves, and never one that only has the number of another."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from ...model import CannotObserve
from .listeners import Listener, holders, listeners

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .found import Found

_WRITTEN_AFTER_S = 1.0
"""A process' start is known to the second: its pid file may seem to be this much older than it."""
_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)
_CLOSES_WITHIN_S = 0.2
_LOOK_EVERY_S = 0.01
_INIT = 1
_START = 19
"""The column of /proc/PID/stat after the name, as proc(5) counts them from 3 on."""


@dataclass(slots=True)
class Look:
    """One look at this machine: what is asked of all processes is asked once."""

    _listeners: tuple[Listener, ...] | None = field(default=None, init=False)
    _held: dict[str, set[int]] | None = field(default=None, init=False)

    def find(self, name: str, found: Found) -> psutil.Process | None:
        """Return the process of an instance, the topmost of its family; None where there is none.

        Raises:
            CannotObserve: several fit that are no family, what was named belongs to another, or it cannot be seen.
        """
        if found.pid_file is not None:
            fit = _by_pid_file(name, found)
        elif found.port is not None:
            fit = self._by_port(name, found)
        else:
            fit = [one for one in psutil.process_iter() if _fits(one, found)]
        top = _topmost(fit)
        if len(top) > 1:
            raise CannotObserve(
                f"{name}: {len(top)} processes fit {found.words()}: {_shown(top)}",
                hint="name what only one of them has: another port, more words of its command line, its pid file",
            )
        if top and top[0].pid in _ours():
            raise CannotObserve(
                f"{name}: {found.words()} is {_shown(top)}, which runs Drillbook itself, or the machine",
                hint="name the process of the service",
            )
        return top[0] if top else None

    def _by_port(self, name: str, found: Found) -> list[psutil.Process]:
        """Return who listens, without its workers. Raises CannotObserve for another's, and for one unseen."""
        sockets = [one for one in self._listening() if one.port == found.port]
        there = _topmost(process for pid in self._holders(sockets) if (process := _process(pid)) is not None)
        unseen = {one.socket for one in sockets if not _made_by(there, one.user)}
        if unseen and _stay_open(unseen):
            raise CannotObserve(
                f"{name}: who listens on port {found.port} may not be seen",
                hint="run Drillbook as the user of that process, or as root",
            )
        others = [one for one in there if not _fits(one, found)]
        if others:
            raise CannotObserve(
                f"{name}: port {found.port} is held by {_shown(others)}, which does not fit {found.words()}",
                hint="see what took the port",
            )
        return there

    def _listening(self) -> tuple[Listener, ...]:
        if self._listeners is None:
            self._listeners = listeners()
        return self._listeners

    def _holders(self, sockets: list[Listener]) -> set[int]:
        """Return who has these sockets open; asked for all that listen at once."""
        if sockets and self._held is None:
            self._held = holders(frozenset(one.socket for one in self._listening()))
        return {pid for one in sockets for pid in (self._held or {})[one.socket]}


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it, the topmost first; nothing when it is gone."""
    try:
        return [process, *process.children(recursive=True)] if lives(process) else []
    except _GONE:
        return []


def lives(process: psutil.Process) -> bool:
    """Say whether this very process is there and has not ended, whoever has its number now."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False


def uid_of(process: psutil.Process) -> str:
    """Return what tells a process from every other that has had its number: its start, by the kernel's own clock.

    Raises NoSuchProcess.
    """
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        raise psutil.NoSuchProcess(process.pid) from None
    return f"{process.pid} since tick {stat.rpartition(')')[2].split()[_START]}"


def by_uid(uid: str) -> psutil.Process | None:
    """Return the process that ``uid_of`` told this of, None where it has ended."""
    number = uid.partition(" ")[0]
    process = _process(int(number)) if number.isdecimal() else None
    try:
        return process if process is not None and uid_of(process) == uid else None
    except _GONE:
        return None


def _by_pid_file(name: str, found: Found) -> list[psutil.Process]:
    """Return the process that a pid file means; none for a file that is not there, or stale. Raises CannotObserve."""
    assert found.pid_file is not None
    try:
        written_s, text = found.pid_file.stat().st_mtime, found.pid_file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CannotObserve(
            f"{name}: cannot read {found.pid_file}: {error.strerror}", hint="let the user of Drillbook read it"
        ) from None
    first = text.partition("\n")[0].strip()
    if not (first.isascii() and first.isdecimal() and int(first)):
        said = f"says {first[:20]!r}" if first else "is empty"
        raise CannotObserve(
            f"{name}: {found.pid_file} {said}, no process id", hint="look at the file, and at who writes it"
        )
    process = _process(int(first))
    if process is None or not _fits(process, found) or process.create_time() > written_s + _WRITTEN_AFTER_S:
        return []
    return [process]


def _process(pid: int) -> psutil.Process | None:
    """Return the process of this number, None where there is none, or it has ended."""
    try:
        found = psutil.Process(pid)
    except (*_GONE, OverflowError):
        return None
    return found if lives(found) else None


def _fits(process: psutil.Process, found: Found) -> bool:
    """Say whether its command line and its user are those that are named."""
    try:
        if found.command is not None and tuple(process.cmdline()[: len(found.command)]) != found.command:
            return False
        return (found.user is None or process.username() == found.user) and lives(process)
    except (*_GONE, psutil.AccessDenied):
        return False


def _made_by(there: list[psutil.Process], user: int) -> bool:
    """Say whether a socket's maker is among its holders that we see: a master that we may not see has workers, too.

    Root sees all.
    """
    try:
        return bool(there) and (os.geteuid() == 0 or any(one.uids().effective == user for one in there))
    except _GONE:
        return False


def _stay_open(sockets: set[str]) -> bool:
    """Say whether one of these listens still, a moment later: who ends has closed its files before its sockets go."""
    end_s = time.monotonic() + _CLOSES_WITHIN_S
    while sockets & {one.socket for one in listeners()}:
        if time.monotonic() >= end_s:
            return True
        time.sleep(_LOOK_EVERY_S)
    return False


def _topmost(fit: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that none of the others has started: servers share their port with their workers."""
    fit = list(fit)
    return [one for one in fit if not any(above in fit for above in _above(one))]


def _above(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.parents()
    except _GONE:
        return []


def _ours() -> frozenset[int]:
    """Return the processes that must never be touched: our own, all that started us, and the machine's first."""
    return frozenset({_INIT, os.getpid(), *(one.pid for one in psutil.Process().parents())})


def _shown(processes: Iterable[psutil.Process]) -> str:
    """Name processes with their ids."""
    return ", ".join(f"pid {one.pid} ({_name(one)})" for one in sorted(processes, key=lambda one: one.pid))


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "gone"
