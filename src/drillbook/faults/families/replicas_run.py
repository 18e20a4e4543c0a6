"""The undo on platforms that replace replicas rather than start them again: as many run as are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...platforms import InstanceState, Scales, Starts, TargetGone
from ..address import address_of, system_at
from ..asking import ask, listed, shown
from ..undo import BadUndo, Undo, register, text
from .family import UndoKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Json, System

RESTORE = "replicas.restore"
AWAIT = "replicas.await"
RESTORED = UndoKind(
    RESTORE, "asks for as many replicas as before, and waits until they run", needs=(Scales,), where_missing=(Starts,)
)
AWAITED = UndoKind(
    AWAIT, "waits until the platform has replaced the replicas", needs=(Scales,), where_missing=(Starts,)
)


def restore(system: System, component: str, replicas: int) -> Undo:
    """Return the undo that asks for so many replicas again, where none are asked for, and waits until they run."""
    return Undo(RESTORE, {**address_of(system), "component": component, "replicas": replicas})


def awaited(system: System, component: str) -> Undo:
    """Return the undo of a replica's end where the platform replaces it: to wait until as many run as are asked for.

    Raises:
        CannotObserve: nobody can say how many are asked for.
        PlatformRefused: this platform asks for none.
    """
    ask(system, Scales, component).replicas(component)  # what replaces it is there, under this name
    return Undo(AWAIT, {**address_of(system), "component": component})


@dataclass(frozen=True, slots=True)
class Whole:
    """Waits until as many replicas run as are asked for, whatever number that is: an autoscaler's decision, perhaps."""

    system: System
    component: str
    replicas: int | None
    """How many to ask for where none are; None where the harm left that number alone, so that none is an answer too."""

    def healed(self) -> str | None:
        """Return the evidence that all replicas that are asked for run, or None. Raises CannotObserve."""
        try:
            asked_for = ask(self.system, Scales, self.component).replicas(self.component)
        except TargetGone as gone:
            return gone.reason
        replicas = replicas_of(self.system, self.component)
        if len(replicas) != asked_for or not all(state.running for state in replicas):
            return None
        if replicas:
            return shown(replicas)
        return f"no replica of {self.component} is asked for any more" if self.replicas is None else None

    def landing_s(self) -> float:
        """A pod that was told to end shows it."""
        return 0.0

    def heal(self) -> bool:
        """Ask for them, where that is ours to do. Raises CannotObserve, PlatformRefused."""
        if self.replicas is None:
            return False
        scales = ask(self.system, Scales, self.component)
        try:
            if scales.replicas(self.component):
                return False
        except TargetGone:
            return False
        scales.scale(self.component, self.replicas)
        return True


def replicas_of(system: System, component: str) -> tuple[InstanceState, ...]:
    """Return all replicas of a component, running or not. Raises CannotObserve, PlatformRefused."""
    return tuple(state for state in listed(system) if state.component == component)


def _parse(data: Mapping[str, Json]) -> Whole:
    replicas = data.get("replicas")
    if not isinstance(replicas, int) or replicas < 1:
        raise BadUndo(f"expected replicas to be a number of at least 1, got {replicas!r}")
    return Whole(system_at(data), text(data, "component"), replicas)


register(RESTORE, _parse)
register(AWAIT, lambda data: Whole(system_at(data), text(data, "component"), None))
