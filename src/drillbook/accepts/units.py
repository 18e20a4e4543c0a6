"""Judges for systemd's units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met_if, not_met, rule, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Accepts, Finding
    from ..platforms.systemd.units import UnitState
    from ..probes.units import UnitsReading


def running(component: str) -> Accepts[UnitsReading]:
    """Accept a unit that is active (running); a wrapper that is active (exited) runs nothing (CM-15, CM-52)."""

    def check(unit: UnitState) -> Finding:
        return met_if(
            (unit.active_state, unit.sub_state) == ("active", "running"),
            f"{unit.unit} is {unit.active_state} ({unit.sub_state}), result {unit.result}",
        )

    return _about(component, f"the unit of {component} is active (running)", check)


def loaded(component: str, *, path: str, description: str) -> Accepts[UnitsReading]:
    """Accept a unit that is loaded from this file, enabled, and described so."""

    def check(unit: UnitState) -> Finding:
        found = (unit.load_state, unit.fragment_path, unit.unit_file_state, unit.description)
        observed = f'{found[0]} from {found[1] or "nowhere"}, {found[2] or "no file"}, "{found[3]}"'
        return met_if(found == ("loaded", path, "enabled", description), observed)

    return _about(component, f'loaded from {path}, enabled, described as "{description}"', check)


def main_process(component: str, *, name: str) -> Accepts[UnitsReading]:
    """Accept a unit whose main process lives and bears this name, of which the kernel keeps 15 characters."""
    kept = name[:15]

    def check(unit: UnitState) -> Finding:
        alive = unit.main_pid > 0 and unit.main_state is not None and not unit.main_state.startswith("Z")
        return met_if(alive and unit.main_comm == kept, f"process {unit.main_pid}: {unit.main_comm or 'none'}")

    return _about(component, f'a live main process "{kept}"', check)


def status_text(component: str, text: str) -> Accepts[UnitsReading]:
    """Accept this status text, where the unit lets its service report one (CM-16)."""

    def check(unit: UnitState) -> Finding:
        if unit.type != "notify" and unit.notify_access in ("", "none"):
            return not_met(f"Type={unit.type} without NotifyAccess= takes no status text")
        alive = unit.active_state == "active"  # systemd keeps the last words of the dead
        return met_if(alive and unit.status_text == text, f'"{unit.status_text}" of a unit that is {unit.active_state}')

    return _about(component, f'status text "{text}"', check)


def enabled(component: str) -> Accepts[UnitsReading]:
    """Accept a unit that starts at boot."""
    return _about(
        component, "enabled", lambda unit: met_if(unit.unit_file_state == "enabled", unit.unit_file_state or "no file")
    )


def _about(component: str, expected: str, check: Callable[[UnitState], Finding]) -> Accepts[UnitsReading]:
    def guarded(reading: UnitsReading) -> Finding:
        unit = reading.of(component)
        return unknown(f"the environment names no unit for {component}") if unit is None else check(unit)

    return rule(expected, guarded)
