"""Processes on this machine, held by the lab's keeper and reached through its control socket."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...model import CannotObserve
from ...polling import TimedOut, wait_until
from ..capabilities import (
    BearsMarks,
    Executes,
    InstanceState,
    Kills,
    Lists,
    Missing,
    Pauses,
    PlatformRefused,
    ReadsLogs,
    ReportsUsage,
    Restarts,
    Returns,
    RollsBack,
    RollsOut,
    Scales,
    Starts,
    Stopped,
    Stops,
    TargetGone,
    Usage,
)
from ..claims import KeepsClaim
from ..marker_file import HINT as _MARKER_HINT
from ..marker_file import MarkerFile
from ..named_logs import NamedLogs
from . import restarting
from .found import ProcessSettings
from .usage import of_family

if TYPE_CHECKING:
    from pathlib import Path

    from ...model import System

C = TypeVar("C")
_ANSWER_LIMIT = 1 << 20
_LIST_S = 3.0
_ACT_S = 10.0
_DEATH_S = 5.0
_HINT = "start the lab (drillbook lab up) or name its control socket in the environment file"
_NAMES_NONE = "the environment names no process"
_NAME_THEM = (
    "under systems.{system}.process.instances, name each with its component, what finds it (pid_file, port or command) "
    "and what brings it back (start or returns_within_s)"
)


_WHY_NOT: dict[Any, str] = {
    KeepsClaim: "the disk of this machine keeps who holds it: it does not outlive the processes, nor they it",
    Executes: "a process has no surroundings of its own: run the command on this machine",
    Scales: "the keeper holds as many processes as the lab was brought up with",
    RollsOut: "the keeper's processes run what lies on this machine, there is nothing to roll out",
    RollsBack: "the keeper keeps no earlier version of a process",
    Returns: "what the keeper holds stays down until it is started",
}


class _NoAnswer(Exception):
    """The keeper was reached and did not answer properly."""


class _Refused(Exception):
    """The keeper answered with an error."""


class Keeper:
    """The keeper's processes: lists, starts, stops, kills and pauses them.

    Args:
        control: its socket.
    """

    def __init__(self, control: Path) -> None:
        self.control = control

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Ask for all processes. Raises TargetGone, CannotObserve."""
        try:
            rows = self._ask({"do": "list"}, _LIST_S)["processes"]
            return tuple(_state(row) for row in rows)
        except _Refused as error:
            raise CannotObserve(f"the keeper refused: {error}", hint=_HINT) from None
        except (_NoAnswer, KeyError, TypeError) as error:
            raise CannotObserve(f"control socket {self.control}: {error}", hint=_HINT) from None

    def start(self, name: str) -> None:
        """Start it and return at once: the list says when it is ready. Raises PlatformRefused."""
        self._act({"do": "start", "name": name}, _ACT_S)

    @property
    def shows_stopping(self) -> bool:
        """An instance that was told to stop is listed as stopping."""
        return True

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Ask it to stop, kill it when the grace is over, return when it is gone. Raises PlatformRefused."""
        answer = self._act({"do": "stop", "name": name, "grace_s": grace_s}, grace_s + _ACT_S)
        try:
            return Stopped(int(answer["exit_code"]), bool(answer["killed"]), float(answer["took_s"]))
        except (KeyError, TypeError, ValueError):
            raise PlatformRefused(f"stop {name}: unreadable answer {answer!r}", hint=_HINT) from None

    def restart(self, name: str) -> None:
        """Stop and start an instance, or each of a component in its turn. Raises PlatformRefused, CannotObserve."""
        restarting.restart(self, name)

    def usage(self, name: str) -> Usage:
        """Add up its process and all below it; pages that they share count for each. Raises CannotObserve."""
        pid = self._pid(name)
        if pid is None:
            raise CannotObserve(f"{name} does not run", hint="drillbook lab status shows what runs")
        return of_family(name, pid)

    def kill(self, name: str) -> None:
        """Kill it and return when it is proven dead. Raises PlatformRefused, CannotObserve."""
        before = self._pid(name)
        self._act({"do": "signal", "name": name, "signal": "KILL"}, _ACT_S)
        try:
            wait_until(lambda: self._pid(name) != before, what=f"the death of {name}", timeout_s=_DEATH_S)
        except TimedOut as error:
            raise PlatformRefused(f"kill {name}: {error}", hint="look at the process") from None

    def pause(self, name: str) -> None:
        """Freeze it with all its children. Raises PlatformRefused."""
        self._act({"do": "signal", "name": name, "signal": "STOP"}, _ACT_S)

    def resume(self, name: str) -> None:
        """Let it go on. Raises PlatformRefused."""
        self._act({"do": "signal", "name": name, "signal": "CONT"}, _ACT_S)

    def _pid(self, name: str) -> int | None:
        found = next((state for state in self.list_instances() if state.name == name), None)
        if found is None or found.pid is None:
            return None
        return found.pid

    def _act(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        what = " ".join(str(request[key]) for key in ("do", "name", "signal") if key in request)
        try:
            return self._ask(request, timeout_s)
        except _Refused as error:
            raise PlatformRefused(f"{what}: {error}", hint="drillbook lab status shows what runs") from None
        except (_NoAnswer, CannotObserve) as error:
            raise PlatformRefused(f"{what}: {error}", hint=_HINT) from None

    def _ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send one request and return the answer. Raises TargetGone, _NoAnswer, _Refused."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(timeout_s)
                connection.connect(str(self.control))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    answer = json.loads(stream.readline(_ANSWER_LIMIT))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            reason = f"no keeper at control socket {self.control} ({error.strerror}), and its processes end with it"
            raise TargetGone(reason, hint=_HINT) from None
        except (OSError, ValueError) as error:
            raise _NoAnswer(str(error) or type(error).__name__) from None
        if not isinstance(answer, dict):
            raise _NoAnswer(f"expected an object, got {answer!r}")
        if not answer.get("ok"):
            raise _Refused(str(answer.get("error")))
        return answer


class ProcessPlatform:
    """Processes of this machine: those that the lab's keeper holds, or those that the environment says how to find."""

    OFFERS = frozenset({Lists, ReadsLogs, BearsMarks, Starts, Stops, Kills, Pauses, Restarts, Returns, ReportsUsage})

    def __init__(self, system: System) -> None:
        self._system = system
        self._where = system.place.held_as(ProcessSettings) or ProcessSettings()
        self._keeper = None if self._where.control is None else Keeper(self._where.control)

    def place(self, of: str | None = None) -> str:  # noqa: ARG002 - all components of a system are at one place here
        """Return where the system is, in words: what one keeper keeps is one place."""
        control = self._where.control
        return f"the processes of {self._system.name if control is None else control.absolute()}"

    def components(self) -> tuple[str, ...]:
        """Return nothing: all components of a system are at one place."""
        return ()

    def can(self, capability: type[C], of: str | None = None) -> C | Missing:  # noqa: ARG002 - as above
        """Return the capability, or Missing with the reason."""
        if capability is BearsMarks:
            marker = self._where.marker
            without = Missing(f"{self._system.name} names no marker; {_MARKER_HINT}")
            return without if marker is None else cast("C", MarkerFile(marker))
        if capability is ReadsLogs:
            return cast("C", NamedLogs(self._system.name))
        if capability is Lists:
            return cast("C", self)
        return cast("C | Missing", self._act(capability))

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Ask the keeper for all processes, or look for each. Raises CannotObserve."""
        if self._keeper is not None:
            return self._keeper.list_instances()
        if not self._where.instances:
            raise CannotObserve(_NAMES_NONE, hint=_NAME_THEM.format(system=self._system.name))
        from .processes import Processes  # noqa: PLC0415 - psutil is loaded where processes are found

        return Processes(self._system.name, self._where).list_instances()

    def _act(self, capability: Any) -> Any:
        """Return what acts on the processes, or Missing with the reason."""
        if self._keeper is None and self._where.instances:
            from .processes import Processes  # noqa: PLC0415 - as above

            return Processes(self._system.name, self._where).can(capability)
        if capability not in (Starts, Stops, Kills, Pauses, Restarts, ReportsUsage):
            return Missing(_WHY_NOT.get(capability, f"processes on this machine have no {capability.__name__}"))
        if self._keeper is None:
            return Missing(f"{self._system.name}: {_NAMES_NONE}; {_NAME_THEM.format(system=self._system.name)}")
        return self._keeper


def _state(row: dict[str, Any]) -> InstanceState:
    return InstanceState(
        name=row["name"],
        component=row["component"],
        state=row["state"],
        exit_code=row["exit_code"],
        started_at=row["started_at"],
        pid=row["pid"],
    )


PLATFORM = ProcessPlatform
