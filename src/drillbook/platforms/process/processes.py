"""Processes that nobody holds for us, found one by one: listed, stopped, killed, paused, and started again."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil

from ...model import CannotObserve
from ...polling import TimedOut, wait_until
from ..capabilities import (
    Executes,
    InstanceState,
    Kills,
    Missing,
    Pauses,
    PlatformRefused,
    ReportsUsage,
    Restarts,
    Returns,
    RollsBack,
    RollsOut,
    Scales,
    Starts,
    Stopped,
    Stops,
    Usage,
)
from ..claims import KeepsClaim
from . import restarting, starting
from .finding import Look, by_uid, family, uid_of
from .found import ProcessSettings
from .signals import Gone, Held, send_all, wait_for_end
from .usage import of_family

if TYPE_CHECKING:
    from .found import Found

_DEATH_S = 5.0
_EFFECT_S = 5.0
_ORPHANS_LEAVE_S = 1.0
_ACTS = (Stops, Kills, Pauses, Returns, ReportsUsage)
_WHY_NOT: dict[Any, str] = {
    KeepsClaim: "the disk of this machine keeps who holds it",
    Executes: "a process has no surroundings of its own: run the command on this machine",
    Scales: "as many processes run as the environment names",
    RollsOut: "processes run what lies on this machine, there is nothing to roll out",
    RollsBack: "nobody keeps an earlier version of a process",
}
_exit_codes: dict[tuple[str, str], int | None] = {}
"""How what this run has ended itself has ended, by system and instance: afterwards nobody can be asked any more."""


class Processes:
    """The processes of a system.

    Args:
        system: its name.
        settings: how each is found.
    """

    def __init__(self, system: str, settings: ProcessSettings) -> None:
        self._system = system
        self._instances = settings.instances

    def can(self, capability: Any) -> Any:
        """Return the capability, or Missing with the reason."""
        if capability in _ACTS:
            return self
        without = [name for name, one in self._instances.items() if one.start is None]
        if capability in (Starts, Restarts):
            can_any = len(without) < len(self._instances)
            if can_any and (capability is Starts or not without):
                return self
            return Missing(
                f"nothing says how to start {', '.join(without)} of {self._system}: name it as start under "
                f"systems.{self._system}.process.instances"
            )
        return Missing(_WHY_NOT.get(capability, f"processes on this machine have no {capability.__name__}"))

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Look for all of them. One of which nobody can say which process it is has the state unknown, and why."""
        look = Look()
        return tuple(self._state(name, found, look) for name, found in self._instances.items())

    def start(self, name: str) -> None:
        """Start it where it neither runs nor is about to, and return at once: the list says when it is there.

        Raises PlatformRefused, also for the start before this one, where that has failed.
        """
        found = self._found(name)
        if found.start is None:
            raise PlatformRefused(f"nothing says how to start {name}", hint="start it by hand; name it as start")
        mark = self._mark(name)
        if self._process(name, found) is not None or starting.is_starting(mark):
            return
        failed_with = starting.failed_with(mark)
        if failed_with is not None:
            raise PlatformRefused(
                f"{' '.join(found.start)} ended with {failed_with}, and nothing fits {found.words()}",
                hint=f"look at {found.log}" if found.log else "run it by hand; name a log for what it says",
            )
        starting.start(mark, found)

    def returns_within_s(self, name: str) -> float | None:
        """Return how soon its supervisor has started it again, None where we start it. Raises PlatformRefused."""
        found = self._found(name)
        if found.returns_within_s is None and found.start is None:
            raise PlatformRefused(
                f"nothing brings {name} back once it has ended",
                hint=f"name start or returns_within_s under systems.{self._system}.process.instances.{name}",
            )
        return found.returns_within_s

    @property
    def shows_stopping(self) -> bool:
        """A process that was told to stop looks as before, until it ends."""
        return False

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Ask it to stop, kill it and its children when the grace is over, return when all are gone.

        How it ended is told where it is our child, or the kernel tells (Linux 6.15); else its parent alone knows.
        Raises PlatformRefused.
        """
        found = self._found(name)
        top = self._must_run(name, found)
        members, began = family(top), time.monotonic()
        try:
            with Held(top) as held:
                held.send(found.stops_by)
                killed = not held.ends_within(grace_s)
                if killed:
                    _kill_each([top])
                    held.ends_within(_DEATH_S)
                took_s, exit_code = time.monotonic() - began, held.exit_code()
        except Gone:
            raise _ended_by_itself(f"stop {name}") from None
        _kill_each(wait_for_end(members, within_s=max(_ORPHANS_LEAVE_S, began + grace_s - time.monotonic())))
        exit_code = -signal.SIGKILL if killed and exit_code is None else exit_code
        self._note_end(name, members, exit_code)
        return Stopped(exit_code, killed, took_s)

    def kill(self, name: str) -> None:
        """Kill it with all its children and return when they are proven dead. Raises PlatformRefused.

        Where nobody tells how it ended, the list says by this signal: it ran when it was sent.
        """
        top = self._must_run(name, self._found(name))
        members = family(top)
        try:
            with Held(top) as held:
                send_all(top, signal.SIGKILL)
                held.ends_within(_DEATH_S)
                exit_code = held.exit_code()
        except Gone:
            raise _ended_by_itself(f"kill {name}") from None
        self._note_end(name, members, -signal.SIGKILL if exit_code is None else exit_code)

    def pause(self, name: str) -> None:
        """Freeze it with all its children. Raises PlatformRefused."""
        self._signal_all(name, signal.SIGSTOP, "paused")

    def resume(self, name: str) -> None:
        """Let it go on, with all its children, and those that are pinned. Raises PlatformRefused."""
        found = self._found(name)
        pinned = [one for uid in found.pinned if (one := by_uid(uid)) is not None]
        for one in pinned:
            with contextlib.suppress(Gone):
                send_all(one, signal.SIGCONT)
        if not pinned or self._process(name, found) is not None:
            self._signal_all(name, signal.SIGCONT, "running")

    def restart(self, name: str) -> None:
        """Stop and start an instance, or each of a component in its turn. Raises PlatformRefused, CannotObserve."""
        restarting.restart(self, name)

    def usage(self, name: str) -> Usage:
        """Add up its process and all below it. Raises CannotObserve."""
        found = self._instances.get(name)
        process = None if found is None else Look().find(name, found)
        if process is None:
            raise CannotObserve(f"{name} does not run", hint="look at the process")
        return of_family(name, process.pid)

    def _state(self, name: str, found: Found, look: Look) -> InstanceState:
        frozen = next((one for uid in found.pinned if (one := by_uid(uid)) and _is_frozen(one)), None)
        if frozen is not None:
            return InstanceState(name, found.component, "paused", pid=frozen.pid)
        try:
            process = look.find(name, found)
            if process is not None:
                _exit_codes.pop((self._system, name), None)
                starting.forget(self._mark(name))
                return _state_of(name, found, process)
        except CannotObserve as unseen:
            return InstanceState(name, found.component, "unknown", because=f"{unseen.reason}; {unseen.hint}")
        except psutil.NoSuchProcess:  # it ended while we looked
            pass
        if starting.is_starting(self._mark(name)):
            return InstanceState(name, found.component, "starting")
        return InstanceState(name, found.component, "exited", exit_code=_exit_codes.get((self._system, name)))

    def _signal_all(self, name: str, number: signal.Signals, wanted: str) -> None:
        found = self._found(name)
        try:
            send_all(self._must_run(name, found), number)
        except Gone:
            raise _ended_by_itself(f"{number.name} to {name}") from None
        try:
            wait_until(
                lambda: self._state(name, found, Look()).state == wanted,
                what=f"{name} to be {wanted}",
                timeout_s=_EFFECT_S,
            )
        except TimedOut as error:
            raise PlatformRefused(f"{number.name} to {name}: {error}", hint="look at the process") from None

    def _note_end(self, name: str, members: list[psutil.Process], exit_code: int | None) -> None:
        """Wait for the end of all and remember how it ended. Raises PlatformRefused when not all of it has."""
        left = wait_for_end(members, within_s=_DEATH_S)
        if left:
            pids = ", ".join(str(one.pid) for one in left)
            raise PlatformRefused(f"{name} does not end: pid {pids}", hint="look at the process")
        _exit_codes[self._system, name] = exit_code

    def _found(self, name: str) -> Found:
        found = self._instances.get(name)
        if found is None:
            raise PlatformRefused(f"there is no instance {name!r}", hint=f"there are {', '.join(self._instances)}")
        return found

    def _process(self, name: str, found: Found) -> psutil.Process | None:
        """Look for it. Raises PlatformRefused where nobody can say which process it is."""
        try:
            return Look().find(name, found)
        except CannotObserve as unseen:
            raise PlatformRefused(unseen.reason, hint=unseen.hint) from None

    def _must_run(self, name: str, found: Found) -> psutil.Process:
        process = self._process(name, found)
        if process is None:
            raise PlatformRefused(f"{name} does not run: nothing fits {found.words()}", hint="start it first")
        return process

    def _mark(self, name: str) -> str:
        """Return what tells those whom this instance's start has started: two environments may call theirs the same."""
        return f"{self._system}/{name}/{self._instances[name].digest()}"


def pinned(settings: ProcessSettings, names: tuple[str, ...]) -> ProcessSettings:
    """Return how the processes of a system are found, with those of some instances pinned as they are now.

    Raises CannotObserve where nobody can say which process one is.
    """
    look, instances = Look(), dict(settings.instances)
    for name in names:
        process = look.find(name, instances[name])
        members = [] if process is None else family(process)
        instances[name] = replace(instances[name], pinned=tuple(uid_of(one) for one in members))
    return replace(settings, instances=instances)


def _is_frozen(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _ended_by_itself(what: str) -> PlatformRefused:
    return PlatformRefused(f"{what}: it has just ended by itself", hint="see why it ends")


def _kill_each(processes: list[psutil.Process]) -> None:
    """Kill them with all below them; one that has ended meanwhile is fine. Raises PlatformRefused."""
    for one in processes:
        with contextlib.suppress(Gone):
            send_all(one, signal.SIGKILL)


def _state_of(name: str, found: Found, process: psutil.Process) -> InstanceState:
    began = dt.datetime.fromtimestamp(process.create_time(), dt.UTC).isoformat(timespec="milliseconds")
    return InstanceState(
        name=name,
        component=found.component,
        state="paused" if _is_frozen(process) else "running",
        started_at=began.replace("+00:00", "Z"),
        pid=process.pid,
        uid=uid_of(process),
    )
