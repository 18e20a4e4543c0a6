"""Units of systemd on a host, over SSH or here: one round trip answers for all units."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...model import CannotObserve
from ...polling import TimedOut, wait_until
from .. import lines
from ..capabilities import (
    EXECUTE_S,
    BearsMarks,
    Executed,
    Executes,
    InstanceState,
    Kills,
    Lists,
    LogText,
    Missing,
    Pauses,
    PlatformRefused,
    ReadsLogs,
    ReportsUsage,
    Restarts,
    RollsBack,
    RollsOut,
    RunsOnHost,
    Scales,
    Starts,
    Stopped,
    Stops,
    Usage,
)
from ..claims import KeepsClaim
from ..shell import shell_of
from .claim import HostClaim
from .settings import SystemdHost
from .units import DescribesUnits, UnitState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Instance, System

C = TypeVar("C")
_PROPERTIES = (
    "Id", "Names", "LoadState", "ActiveState", "SubState", "UnitFileState", "FragmentPath", "Description", "Type",
    "NotifyAccess", "StatusText", "MainPID", "Result", "ExecMainCode", "ExecMainStatus", "ExecMainStartTimestamp",
    "MemoryCurrent", "CPUUsageNSec",
)  # fmt: skip
MARKER = "/etc/drillbook-marker"
_COLUMNS = len(("pid", "ppid", "stat", "rss", "time", "comm"))
_EXITED = "1"
_ENDED_BY_SIGNAL = ("2", "3")
_STATES = {"activating": "starting", "reloading": "running", "deactivating": "stopping"}
_INFO = 6
_MOST_ENTRIES = 4000
_BYTES_AN_ENTRY = 1000
_ACT_S = 8.0
_DEATH_S = 5.0
_KILLED_S = 10.0
_START = ("start", "--no-block")
_STOP = ("stop", "--no-block")
_RESTART = ("restart", "--no-block")
_KILL, _FREEZE, _GO_ON = (("kill", "--kill-who=all", f"--signal={name}") for name in ("KILL", "STOP", "CONT"))
_ACTS: dict[Any, tuple[tuple[str, ...], ...]] = {
    Starts: (_START,),
    Stops: (_STOP, _KILL),
    Kills: (_KILL,),
    Pauses: (_FREEZE, _GO_ON),
    Restarts: (_RESTART,),
}
"""What systemctl is told for each capability."""
_WHY_NOT: dict[Any, str] = {
    Scales: "a unit is one replica: systemd runs no number of them",
    RollsOut: "systemd runs what is installed on the host: its package manager rolls out",
    RollsBack: "systemd keeps no earlier version of what it runs: the host's package manager may",
}
_JOURNAL = "journalctl {quiet}-o json --all --output-fields=MESSAGE,PRIORITY,_TRANSPORT -u {{unit}}"
_NEWEST = f"{_JOURNAL.format(quiet='')} -n {{most}}"
_SEARCH = f"""
{_JOURNAL.format(quiet="")} --since @{{since:.6f}} | head -n 1
{_JOURNAL.format(quiet="--quiet ")} --since @{{since:.6f}} | grep -F {{texts}} | head -n {{most}}"""
"""The first entry tells how far back the journal reaches; a message that is no clean text stands there as bytes."""
_AS_BYTES = ('"MESSAGE":[', '"MESSAGE" : [')
_SINCE = f"{_JOURNAL.format(quiet='')} --since @{{since:.6f}} -n {{most}}"
_NO_HOST = "set host and units under systemd, of the system or of the file, in the environment file"

_READS = (Lists, ReadsLogs, RunsOnHost, DescribesUnits, BearsMarks, ReportsUsage, Executes)


class Units:
    """The units of a system on one host: lists, starts, stops, kills and freezes them.

    Args:
        where: the host and its units.
    """

    def __init__(self, where: SystemdHost) -> None:
        self.where = where
        self._shell = shell_of(where)

    def units(self) -> tuple[UnitState, ...]:
        """Ask for all units and their processes in one round trip. Raises CannotObserve."""
        shown, running = self._show()
        return tuple(_unit_state(component, unit, shown[unit], running) for component, unit in self.where.units.items())

    def usage(self, name: str) -> Usage:
        """Return what systemd accounts to a unit, else the sum over its main process and all below it.

        Pages that processes share count for each of them in such a sum. Raises CannotObserve.
        """
        unit = self.where.units.get(name)
        if unit is None:
            raise CannotObserve(f"the environment names no unit for {name}", hint=_NO_HOST)
        shown, running = self._show()
        family = _family(int(shown[unit].get("MainPID") or 0), running)
        if not family:
            raise CannotObserve(f"{unit} on {self.where.host} does not run", hint="look at the unit")
        memory, cpu = shown[unit].get("MemoryCurrent", ""), shown[unit].get("CPUUsageNSec", "")
        return Usage(
            int(memory) if memory.isdigit() else sum(one.memory_bytes for one in family),
            cpu_s=int(cpu) / 1e9 if cpu.isdigit() else sum(one.cpu_s for one in family),
        )

    def _show(self) -> tuple[dict[str, Mapping[str, str]], Mapping[int, _Process]]:
        """Return the units' properties by unit, and all processes by id. Raises CannotObserve."""
        units = list(self.where.units.values())
        if not units:
            raise CannotObserve("the environment names no units", hint=_NO_HOST)
        show = shlex.join(["systemctl", "show", "--timestamp=us+utc", "-p", ",".join(_PROPERTIES), "--", *units])
        said = self._shell.ask(f"{show} || exit 1; printf '\\n--\\n'; ps -eo pid=,ppid=,stat=,rss=,time=,comm=")
        shown, separator, processes = said.out.partition("\n--\n")
        if said.status or not separator:
            raise CannotObserve(
                f"systemctl on {self.where.host}: {_last_line(said.err) or f'exit status {said.status}'}",
                hint="check that systemd is the host's init",
            )
        blocks = [_properties(block) for block in shown.strip().split("\n\n")]
        if len(blocks) != len(units):
            raise CannotObserve(f"asked for {len(units)} units, got {len(blocks)}", hint="look at systemctl by hand")
        return dict(zip(units, blocks, strict=True)), _processes(processes)

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Return every unit as an instance. Raises CannotObserve."""
        return tuple(_instance_state(unit) for unit in self.units())

    def start(self, name: str) -> None:
        """Start it and return at once: the list says when it is ready. Raises PlatformRefused."""
        self._act(name, _START)

    @property
    def shows_stopping(self) -> bool:
        """An instance that was told to stop is listed as stopping."""
        return True

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Ask systemd to stop it, kill it when the grace is over, return when it is gone. Raises PlatformRefused.

        The unit's own TimeoutStopSec may kill it earlier: the answer tells.
        """
        began = time.monotonic()
        self._act(name, _STOP)
        killed = False
        try:
            gone = self._wait_for_end(name, grace_s)
        except TimedOut:
            killed = True
            self._act(name, _KILL)
            try:
                gone = self._wait_for_end(name, _KILLED_S)
            except TimedOut as error:
                raise PlatformRefused(f"stop {name}: {error}", hint="look at the unit") from None
        took_s = time.monotonic() - began
        failure = f"failed ({gone.result})" if gone.active_state == "failed" else None
        return Stopped(gone.exit_code, killed or gone.result in ("timeout", "watchdog"), took_s, failure=failure)

    def kill(self, name: str) -> None:
        """Kill all its processes and return when the main one is proven dead. Raises PlatformRefused, CannotObserve."""
        before = self._unit(name).main_pid
        self._act(name, _KILL)
        try:
            wait_until(lambda: self._is_dead(name, before), what=f"the death of {name}", timeout_s=_DEATH_S)
        except TimedOut as error:
            raise PlatformRefused(f"kill {name}: {error}", hint="look at the process") from None

    def pause(self, name: str) -> None:
        """Freeze all its processes. Raises PlatformRefused."""
        self._act(name, _FREEZE)

    def resume(self, name: str) -> None:
        """Let them go on. Raises PlatformRefused."""
        self._act(name, _GO_ON)

    @property
    def marker(self) -> str:
        """Where the mark is, in words."""
        return f"the file {MARKER} on {self.where.host}"

    def marks(self) -> frozenset[str]:
        """Return the lines of that file; none when there is no such file. Raises CannotObserve."""
        return frozenset(self.on_host(f"[ ! -e {MARKER} ] || cat {MARKER}").split())

    def restart(self, name: str) -> None:
        """Let systemd restart it, with the unit's own time to stop, and return at once. Raises PlatformRefused."""
        self._act(name, _RESTART)

    def execute(self, name: str, command: tuple[str, ...], *, limit_s: float = EXECUTE_S) -> Executed:
        """Run a command on the host as the user that Drillbook is there. Raises PlatformRefused."""
        if name not in self.where.units:
            raise PlatformRefused(f"there is no unit for {name!r}", hint=f"there are {', '.join(self.where.units)}")
        try:
            said = self._shell.run(f"{shlex.join(command)} 2>&1", limit_s=limit_s)
        except CannotObserve as broken:
            raise PlatformRefused(f"execute on {self.where.host}: {broken.reason}", hint=broken.hint) from None
        return Executed(said.status, said.out)

    def may_act(self, capability: type[Any]) -> str | None:
        """Return why the user may not act on the units, or None."""
        words = [["systemctl", *act, unit] for unit in self.where.units.values() for act in _ACTS[capability]]
        checks = " && ".join(f"sudo -n -l {shlex.join(each)} >/dev/null" for each in words)
        try:
            said = self._shell.run(f'[ "$(id -u)" = 0 ] || {{ {checks}; }}')
        except CannotObserve as broken:
            return broken.reason
        if said.status:
            reason = _last_line(said.err) or f"sudo allows not all that {capability.__name__} needs for every unit"
            return f"{self.where.host}: the user may not {words[0][1]} the units: {reason}"
        return None

    def read_log(self, instance: Instance, *, limit_bytes: int, since_s: float | None = None) -> LogText:
        """Read the newest entries of the journal of an instance's unit.

        Raises:
            CannotObserve: no such unit, or the user may not read the journal.
        """
        most = max(1, min(_MOST_ENTRIES, limit_bytes // _BYTES_AN_ENTRY))
        found = self._journal(instance, _NEWEST if since_s is None else _SINCE, since=since_s, most=most)
        times = [at for _, at in found]
        return lines.last([line for line, _ in found], limit_bytes, whole=len(found) < most, written_s=times)

    def search_log(self, instance: Instance, texts: tuple[str, ...], *, since_s: float) -> LogText:
        """Search the journal of an instance's unit since a moment. Raises CannotObserve."""
        forms = lines.forms(lines.forms(texts))  # a JSON line within the journal's JSON
        wanted = " ".join(f"-e {shlex.quote(form)}" for form in (*forms, *_AS_BYTES))
        found = self._journal(instance, _SEARCH, since=since_s, texts=wanted, most=_MOST_ENTRIES)
        whole = len(found) < _MOST_ENTRIES and bool(found) and found[0][1] <= since_s + lines.FIRST_WORDS_S
        times = tuple(at for _, at in found)
        return LogText(tuple(line for line, _ in found), whole=whole, written_s=times)

    def _journal(self, instance: Instance, script: str, **values: Any) -> list[tuple[str, float]]:
        unit = self.where.units.get(instance.name)
        if unit is None:
            raise CannotObserve(f"the environment names no unit for {instance.name}", hint=_NO_HOST)
        said = self._shell.ask(script.format(unit=shlex.quote(unit), **values))
        if said.status or "not seeing messages" in said.err or "No journal files" in said.err:
            raise CannotObserve(
                f"the journal of {unit} on {self.where.host}: {_last_line(said.err) or 'not readable'}",
                hint="add the user to the group systemd-journal",
            )
        return list(_entries(said.out).values())

    def on_host(self, script: str) -> str:
        """Run a read-only script on the host and return its output. Raises CannotObserve."""
        said = self._shell.ask(script)
        if said.status:
            raise CannotObserve(
                f"{self.where.host}: {_last_line(said.err) or f'exit status {said.status}'}",
                hint="run the same on the host by hand",
            )
        return said.out

    def _act(self, name: str, act: tuple[str, ...]) -> None:
        unit = self.where.units.get(name)
        if unit is None:
            raise PlatformRefused(f"there is no unit for {name!r}", hint=f"there are {', '.join(self.where.units)}")
        command = shlex.join(["systemctl", *act, unit])
        try:
            said = self._shell.run(f'[ "$(id -u)" = 0 ] || sudo="sudo -n"; $sudo {command}', limit_s=_ACT_S)
        except CannotObserve as broken:
            raise PlatformRefused(f"{act[0]} {name}: {broken.reason}", hint=broken.hint) from None
        if said.status:
            hint = "allow the user this command in /etc/sudoers.d" if "sudo" in said.err else "look at the unit"
            raise PlatformRefused(f"{command}: {_last_line(said.err) or f'exit status {said.status}'}", hint=hint)

    def _unit(self, name: str) -> UnitState:
        found = next((unit for unit in self.units() if unit.component == name), None)
        if found is None:
            raise PlatformRefused(f"there is no unit for {name!r}", hint=f"there are {', '.join(self.where.units)}")
        return found

    def _is_dead(self, name: str, pid: int) -> bool:
        now = self._unit(name)
        return now.main_pid != pid or now.main_state is None or now.main_state.startswith("Z")

    def _wait_for_end(self, name: str, limit_s: float) -> UnitState:
        def look() -> UnitState | None:
            unit = self._unit(name)
            return unit if _state_of(unit) == "exited" else None

        return wait_until(look, what=f"the end of {name}", timeout_s=limit_s)


class SystemdPlatform:
    """The units that the environment names."""

    OFFERS = frozenset({*_READS, *_ACTS, KeepsClaim})

    def __init__(self, system: System) -> None:
        self._system = system
        self._where = system.place.held_as(SystemdHost)
        self._units = None if self._where is None else Units(self._where)

    def place(self, of: str | None = None) -> str:  # noqa: ARG002 - all units of a system are on one host
        """Return where the system is, in words: a host is one place."""
        where = self._where
        if where is None:
            return f"the unnamed host of {self._system.name}"
        return f"host {where.host}" + (f" of {where.ssh_config}" if where.ssh_config else "")

    def components(self) -> tuple[str, ...]:
        """Return nothing: all components of a system are at one place."""
        return ()

    def can(self, capability: type[C], of: str | None = None) -> C | Missing:  # noqa: ARG002 - as above
        """Return the capability, or Missing with the reason; whether the user may act is asked of the host."""
        if self._units is None:
            return Missing(f"{self._system.name}: the environment names no systemd host; {_NO_HOST}")
        if capability in _READS:
            return cast("C", self._units)
        if capability is KeepsClaim:
            return cast("C", HostClaim(shell_of(self._units.where)))
        if capability in _ACTS:
            reason = self._units.may_act(capability)
            return cast("C", self._units) if reason is None else Missing(reason)
        return Missing(_WHY_NOT.get(capability, f"systemd has no {capability.__name__}"))


def _properties(block: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in lines.split(block))


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of ps."""

    parent: int
    state: str
    memory_bytes: int
    cpu_s: float
    name: str


def _processes(text: str) -> dict[int, _Process]:
    """Return all processes by id."""
    rows = (line.split(None, 5) for line in lines.split(text))
    return {
        int(pid): _Process(int(parent), state, int(memory) * 1024, _cpu_s(time), name.strip())
        for pid, parent, state, memory, time, name in (row for row in rows if len(row) == _COLUMNS)
    }


def _cpu_s(text: str) -> float:
    """Turn ps' ``[days-]hours:minutes:seconds`` into seconds."""
    days, _, rest = text.rpartition("-")
    hours, minutes, seconds = (int(part) for part in rest.split(":"))
    return float(((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds)


def _family(pid: int, running: Mapping[int, _Process]) -> list[_Process]:
    """Return a process and all below it; nothing when it is not there."""
    if pid not in running:
        return []
    children = [child for child, one in running.items() if one.parent == pid]
    return [running[pid], *(below for child in children for below in _family(child, running))]


def _unit_state(component: str, unit: str, found: Mapping[str, str], running: Mapping[int, _Process]) -> UnitState:
    pid = int(found.get("MainPID") or 0)
    main = running.get(pid)
    return UnitState(
        component=component,
        unit=unit,
        load_state=found.get("LoadState", ""),
        active_state=found.get("ActiveState", ""),
        sub_state=found.get("SubState", ""),
        unit_file_state=found.get("UnitFileState", ""),
        fragment_path=found.get("FragmentPath", ""),
        description=found.get("Description", ""),
        type=found.get("Type", ""),
        notify_access=found.get("NotifyAccess", ""),
        status_text=found.get("StatusText", ""),
        main_pid=pid,
        main_comm=main.name if main else None,
        main_state=main.state if main else None,
        result=found.get("Result", ""),
        exit_code=_exit_code(found.get("ExecMainCode", ""), found.get("ExecMainStatus", "")),
        started_at=_rfc3339(found.get("ExecMainStartTimestamp", "")),
    )


def _exit_code(code: str, status: str) -> int | None:
    if code == _EXITED:
        return int(status)
    return -int(status) if code in _ENDED_BY_SIGNAL else None


def _rfc3339(text: str) -> str | None:
    """Turn ``Sat 2026-11-21 10:37:14.995478 UTC`` into RFC 3339; None for a unit that was never started."""
    parts = text.split()
    return f"{parts[1]}T{parts[2]}Z" if len(parts) == len(("day", "date", "time", "zone")) else None


def _instance_state(unit: UnitState) -> InstanceState:
    state = _state_of(unit)
    return InstanceState(
        name=unit.component,
        component=unit.component,
        state=state,
        exit_code=unit.exit_code if state == "exited" else None,
        started_at=unit.started_at,
        pid=unit.main_pid or None,
    )


def _state_of(unit: UnitState) -> str:
    """Return running, paused, starting, stopping or exited. A wrapper that is active (exited) does not run (CM-52)."""
    if unit.active_state in ("active", "reloading"):
        if unit.main_state is not None and unit.main_state.startswith("T"):
            return "paused"
        return "running" if unit.sub_state != "exited" else "exited"
    return _STATES.get(unit.active_state, "exited")


def _entries(text: str) -> dict[str, tuple[str, float]]:
    """Return the journal's entries by cursor, each as a log line with the journal's own time in seconds."""
    found: dict[str, tuple[str, float]] = {}
    for line in lines.split(text):
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        found[str(row.get("__CURSOR"))] = _log_line(row), int(row.get("__REALTIME_TIMESTAMP") or 0) / 1_000_000
    return found


def _log_line(row: Mapping[str, Any]) -> str:
    """Return an entry's text, after its priority as syslog writes it where that says something.

    What a service writes to its output comes in as INFO, whatever it is.
    """
    message = row.get("MESSAGE")
    text = bytes(message).decode("utf-8", errors="replace") if isinstance(message, list) else str(message or "")
    priority = int(row.get("PRIORITY") or _INFO)
    says_nothing = priority == _INFO and row.get("_TRANSPORT", "stdout") == "stdout"
    return text if says_nothing else f"<{priority}>{text}"


def _last_line(text: str) -> str:
    said = [line.strip() for line in lines.split(text) if line.strip()]
    return said[-1] if said else ""


PLATFORM = SystemdPlatform
