"""Undoing what was done to units of systemd: start what has ended, let go on what is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model import CannotObserve, SystemdHost
from ..platforms.shell import shell_of
from ..platforms.systemd import Units
from .process import each, shown
from .undo import BadUndo, absolute_path, register, text, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Json
    from ..platforms import InstanceState

START = "systemd.start"
RESUME = "systemd.resume"


@dataclass(frozen=True, slots=True)
class _StartAgain:
    """Starts units that have ended. What is paused is there: its freeze is another fault's to undo."""

    units: Units
    names: tuple[str, ...]

    def healed(self) -> str | None:
        """Return the evidence that all are up, or None. Raises CannotObserve."""
        states = _look(self.units, self.names)
        return shown(states) if all(state.state in ("running", "paused") for state in states) else None

    def heal(self) -> bool:
        """Start each one that has ended. Raises CannotObserve, PlatformRefused."""
        ended = [state.name for state in _look(self.units, self.names) if state.state == "exited"]
        each(self.units.start, ended)
        return bool(ended)


@dataclass(frozen=True, slots=True)
class _Resume:
    """Lets go on what is frozen. What has ended is not frozen any more: its end is another fault's to undo."""

    units: Units
    names: tuple[str, ...]

    def healed(self) -> str | None:
        """Return the evidence that none is frozen, or None. Raises CannotObserve."""
        states = _look(self.units, self.names)
        return shown(states) if all(state.state != "paused" for state in states) else None

    def heal(self) -> bool:
        """Let go on each one that is frozen. Raises CannotObserve, PlatformRefused."""
        frozen = [state.name for state in _look(self.units, self.names) if state.state == "paused"]
        each(self.units.resume, frozen)
        return bool(frozen)


def _look(units: Units, names: tuple[str, ...]) -> tuple[InstanceState, ...]:
    found = tuple(state for state in units.list_instances() if state.name in names)
    if len(found) != len(set(names)):
        raise CannotObserve(f"expected {', '.join(names)}, found {shown(found)}", mend="look at the host")
    return found


def _units(data: Mapping[str, Json]) -> Units:
    """Return the host's units, ready to act: all that is needed is loaded now. Raises BadUndo."""
    named = data.get("units")
    if not isinstance(named, dict) or not named:
        raise BadUndo(f"expected units to be a table of texts, got {named!r}")
    units = {component: text(named, component) for component in named}
    files = {key: absolute_path(data, key) for key in ("ssh_config", "identity", "known_hosts") if key in data}
    where = SystemdHost(text(data, "host"), units, **files)
    try:
        shell_of(where).load()
    except CannotObserve as error:
        raise BadUndo(f"{error.reason}; {error.mend}") from None
    return Units(where)


register(START, lambda data: _StartAgain(_units(data), texts(data, "names")))
register(RESUME, lambda data: _Resume(_units(data), texts(data, "names")))
