"""What systemd says about a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class UnitState:
    """One unit as systemd sees it, with its main process as the kernel sees it."""

    component: str
    unit: str
    load_state: str
    active_state: str
    sub_state: str
    unit_file_state: str
    """enabled, disabled, static ...; empty for a unit without a file."""
    fragment_path: str
    description: str
    type: str
    notify_access: str
    status_text: str
    main_pid: int
    main_comm: str | None
    """The main process' name, at most 15 characters; None when there is no such process."""
    main_state: str | None
    """The main process' state as ps shows it (``Ssl``, ``T``, ``Z``)."""
    result: str
    exit_code: int | None
    """Of the main process that ended last; negative for a signal's number; None when none has ended."""
    started_at: str | None
    """RFC 3339, UTC, when the main process was started last."""


class DescribesUnits(Protocol):
    """Tells what systemd knows about a system's units."""

    def units(self) -> tuple[UnitState, ...]:
        """Return every named unit, known to systemd or not. Raises CannotObserve."""
        ...
