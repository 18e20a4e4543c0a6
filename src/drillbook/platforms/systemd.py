"""Units of systemd on a host, over SSH or here: one round trip answers for all units."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..model import CannotObserve
from ..polling import TimedOut, wait_until
from .capabilities import (
    InstanceState,
    Kills,
    Lists,
    LogText,
    Missing,
    Pauses,
    PlatformRefused,
    ReadsLogs,
    RunsOnHost,
    Starts,
    Stopped,
    Stops,
)
from .shell import shell_of
from .units import DescribesUnits, UnitState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Instance, System
    from ..model.systemd_host import SystemdHost

C = TypeVar("C")
_PROPERTIES = (
    "Id", "Names", "LoadState", "ActiveState", "SubState", "UnitFileState", "FragmentPath", "Description", "Type",
    "NotifyAccess", "StatusText", "MainPID", "Result", "ExecMainCode", "ExecMainStatus", "ExecMainStartTimestamp",
)  # fmt: skip
_EXITED = "1"
_ENDED_BY_SIGNAL = ("2", "3")
_STATES = {"activating": "starting", "reloading": "running", "deactivating": "stopping"}
_LEVELS = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_INFO = 6
_MOST_ENTRIES = 4000
_BYTES_AN_ENTRY = 1000
_FIRST_ENTRIES = 100
_ACT_S = 8.0
_DEATH_S = 5.0
_KILLED_S = 10.0
_NO_HOST = "set host and units under systems.NAME.systemd in the environment file"


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
        units = list(self.where.units.values())
        if not units:
            raise CannotObserve("the environment names no units", mend=_NO_HOST)
        show = shlex.join(["systemctl", "show", "--timestamp=us+utc", "-p", ",".join(_PROPERTIES), "--", *units])
        said = self._shell.ask(f"{show} || exit 1; printf '\\n--\\n'; ps -eo pid=,stat=,comm=")
        shown, separator, processes = said.out.partition("\n--\n")
        if said.status or not separator:
            raise CannotObserve(
                f"systemctl on {self.where.host}: {_last_line(said.err) or f'exit status {said.status}'}",
                mend="check that systemd is the host's init",
            )
        blocks = [_properties(block) for block in shown.strip().split("\n\n")]
        if len(blocks) != len(units):
            raise CannotObserve(f"asked for {len(units)} units, got {len(blocks)}", mend="look at systemctl by hand")
        running = _processes(processes)
        return tuple(
            _unit_state(component, unit, block, running)
            for (component, unit), block in zip(self.where.units.items(), blocks, strict=True)
        )

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Return every unit as an instance. Raises CannotObserve."""
        return tuple(_instance_state(unit) for unit in self.units())

    def start(self, name: str) -> None:
        """Start it and return at once: the list says when it is ready. Raises PlatformRefused."""
        self._act(name, "start", "--no-block")

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Ask systemd to stop it, kill it when the grace is over, return when it is gone. Raises PlatformRefused.

        The unit's own TimeoutStopSec may kill it earlier: the answer tells.
        """
        began = dt.datetime.now(dt.UTC)
        self._act(name, "stop", "--no-block")
        killed = False
        try:
            gone = self._wait_for_end(name, grace_s)
        except TimedOut:
            killed = True
            self._act(name, "kill", "--kill-who=all", "--signal=KILL")
            try:
                gone = self._wait_for_end(name, _KILLED_S)
            except TimedOut as error:
                raise PlatformRefused(f"stop {name}: {error}", mend="look at the unit") from None
        took_s = (dt.datetime.now(dt.UTC) - began).total_seconds()
        return Stopped(gone.exit_code or 0, killed or gone.result in ("timeout", "watchdog"), took_s)

    def kill(self, name: str) -> None:
        """Kill all its processes and return when the main one is proven dead. Raises PlatformRefused, CannotObserve."""
        before = self._unit(name).main_pid
        self._act(name, "kill", "--kill-who=all", "--signal=KILL")
        try:
            wait_until(lambda: self._is_dead(name, before), what=f"the death of {name}", timeout_s=_DEATH_S)
        except TimedOut as error:
            raise PlatformRefused(f"kill {name}: {error}", mend="look at the process") from None

    def pause(self, name: str) -> None:
        """Freeze all its processes. Raises PlatformRefused."""
        self._act(name, "kill", "--kill-who=all", "--signal=STOP")

    def resume(self, name: str) -> None:
        """Let them go on. Raises PlatformRefused."""
        self._act(name, "kill", "--kill-who=all", "--signal=CONT")

    def may_act(self) -> str | None:
        """Return why the user may not act on the units, or None."""
        words = [["systemctl", "start", "--no-block", unit] for unit in self.where.units.values()]
        checks = " && ".join(f"sudo -n -l {shlex.join(each)} >/dev/null" for each in words)
        try:
            said = self._shell.run(f'[ "$(id -u)" = 0 ] || {{ {checks}; }}')
        except CannotObserve as broken:
            return broken.reason
        if said.status:
            reason = _last_line(said.err) or "sudo allows it not for every unit"
            return f"{self.where.host}: the user may not start and stop the units: {reason}"
        return None

    def read_log(self, instance: Instance, *, limit_bytes: int) -> LogText:
        """Read the journal of an instance's unit: what followed its last start, and the newest entries.

        Raises:
            CannotObserve: no such unit, or the user may not read the journal.
        """
        unit = self.where.units.get(instance.name)
        if unit is None:
            raise CannotObserve(f"the environment names no unit for {instance.name}", mend=_NO_HOST)
        most = max(1, min(_MOST_ENTRIES, limit_bytes // _BYTES_AN_ENTRY))
        quoted = shlex.quote(unit)
        journal = f"journalctl --quiet -o json --output-fields=MESSAGE,PRIORITY -u {quoted}"
        said = self._shell.ask(
            f"start=$(systemctl show --timestamp=unix -P ExecMainStartTimestamp {quoted}) || exit 1\n"
            f'[ -z "$start" ] || {journal} --since "$start" | head -n {_FIRST_ENTRIES}\n'
            f"printf -- '--\\n'\n"
            f"journalctl -o json --output-fields=MESSAGE,PRIORITY -u {quoted} -n {most}"
        )
        if said.status or "not seeing messages" in said.err or "No journal files" in said.err:
            raise CannotObserve(
                f"the journal of {unit} on {self.where.host}: {_last_line(said.err) or 'not readable'}",
                mend="add the user to the group systemd-journal",
            )
        first, _, newest = said.out.partition("--\n")
        entries = _entries(newest)
        whole = len(entries) < most
        return LogText(tuple({**_entries(first), **entries}.values()), whole=whole)

    def on_host(self, script: str) -> str:
        """Run a read-only script on the host and return its output. Raises CannotObserve."""
        said = self._shell.ask(script)
        if said.status:
            raise CannotObserve(
                f"{self.where.host}: {_last_line(said.err) or f'exit status {said.status}'}",
                mend="run the same on the host by hand",
            )
        return said.out

    def _act(self, name: str, verb: str, *options: str) -> None:
        unit = self.where.units.get(name)
        if unit is None:
            raise PlatformRefused(f"there is no unit for {name!r}", mend=f"there are {', '.join(self.where.units)}")
        command = shlex.join(["systemctl", verb, *options, unit])
        try:
            said = self._shell.run(f'[ "$(id -u)" = 0 ] || sudo="sudo -n"; $sudo {command}', limit_s=_ACT_S)
        except CannotObserve as broken:
            raise PlatformRefused(f"{verb} {name}: {broken.reason}", mend=broken.mend) from None
        if said.status:
            mend = "allow the user this command in /etc/sudoers.d" if "sudo" in said.err else "look at the unit"
            raise PlatformRefused(f"{command}: {_last_line(said.err) or f'exit status {said.status}'}", mend=mend)

    def _unit(self, name: str) -> UnitState:
        found = next((unit for unit in self.units() if unit.component == name), None)
        if found is None:
            raise PlatformRefused(f"there is no unit for {name!r}", mend=f"there are {', '.join(self.where.units)}")
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

    def __init__(self, system: System) -> None:
        self._system = system
        self._units = None if system.systemd is None else Units(system.systemd)

    def can(self, capability: type[C]) -> C | Missing:
        """Return the capability, or Missing with the reason; whether the user may act is asked of the host."""
        if self._units is None:
            return Missing(f"{self._system.name}: the environment names no systemd host; {_NO_HOST}")
        if capability in (Lists, ReadsLogs, RunsOnHost, DescribesUnits):
            return cast("C", self._units)
        if capability in (Starts, Stops, Kills, Pauses):
            reason = self._units.may_act()
            return cast("C", self._units) if reason is None else Missing(reason)
        return Missing(f"systemd has no {capability.__name__}")


def _properties(block: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in block.splitlines())


def _processes(text: str) -> dict[int, tuple[str, str]]:
    """Return state and name by process id."""
    rows = (line.split(None, 2) for line in text.splitlines())
    return {int(row[0]): (row[1], row[2].strip()) for row in rows if len(row) == len(("pid", "stat", "comm"))}


def _unit_state(
    component: str, unit: str, found: Mapping[str, str], running: Mapping[int, tuple[str, str]]
) -> UnitState:
    pid = int(found.get("MainPID") or 0)
    state, comm = running.get(pid, (None, None))
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
        main_comm=comm,
        main_state=state,
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


def _entries(text: str) -> dict[str, str]:
    """Return the journal's entries as log lines by cursor: JSON lines as they are, others with time and level."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        found[str(row.get("__CURSOR"))] = _log_line(row)
    return found


def _log_line(row: Mapping[str, Any]) -> str:
    message = row.get("MESSAGE")
    text = bytes(message).decode("utf-8", errors="replace") if isinstance(message, list) else str(message or "")
    if text.startswith("{"):
        return text
    level = _LEVELS[int(row.get("PRIORITY") or _INFO) % len(_LEVELS)]
    if text.startswith("Traceback (most recent call last)"):
        level = "ERROR"
    at = dt.datetime.fromtimestamp(int(row.get("__REALTIME_TIMESTAMP") or 0) / 1_000_000, dt.UTC)
    return json.dumps({"timestamp": at.isoformat(), "level": level, "message": text})


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
