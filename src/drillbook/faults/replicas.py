"""Harm to the number of a component's copies, on platforms that replace copies rather than start them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ..platforms import InstanceState, Kills, PlatformRefused, Scales, TargetGone
from ..polling import TimedOut, wait_until
from .address import address_of, system_at
from .asking import ask, listed, shown
from .blast import Blast
from .undo import BadUndo, Undo, register, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Json, System

RESTORE = "replicas.restore"
AWAIT = "replicas.await"
_END_S = 60.0


def restore(system: System, component: str, replicas: int) -> Undo:
    """Return the undo that asks for so many copies again, where none are asked for, and waits until they run."""
    return Undo(RESTORE, {**address_of(system), "component": component, "replicas": replicas})


def awaited(system: System, component: str) -> Undo:
    """Return the undo of a copy's end where the platform replaces it: to wait until as many run as are asked for.

    Raises:
        CannotObserve: nobody can say how many are asked for.
        PlatformRefused: this platform asks for none.
    """
    ask(system, Scales).replicas(component)  # what replaces it is there, under this name
    return Undo(AWAIT, {**address_of(system), "component": component})


@dataclass(frozen=True, slots=True)
class ScaleToZero:
    """No copy of a component is asked for any more, and none is left."""

    system: System
    component: str
    before: tuple[InstanceState, ...]
    replicas: int
    kill: bool
    """Whether the copies are given no time to end in good order."""

    @classmethod
    def of(cls, system: System, component: str, *, kill: bool = False) -> Self:
        """Prepare it. Raises PlatformRefused, CannotObserve."""
        scales = ask(system, Scales)
        if kill:
            ask(system, Kills)
        replicas = scales.replicas(component)
        before = _copies(system, component)
        if replicas < 1 or len(before) != replicas or not all(state.running for state in before):
            raise PlatformRefused(
                f"{replicas} copies of {component} are asked for, and there are: {shown(before)}",
                mend="wait until as many run as are asked for",
            )
        return cls(system, component, before, replicas, kill)

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{'kill' if self.kill else 'stop'} {self.component}"

    @property
    def blast(self) -> Blast:
        """What it hits: all of it."""
        names = tuple(state.name for state in self.before)
        return Blast(self.system.name, self.component, names, len(self.before))

    @property
    def undo(self) -> Undo:
        """As many as before."""
        return restore(self.system, self.component, self.replicas)

    def inject(self) -> None:
        """Ask for none and return when none is left. Raises PlatformRefused, CannotObserve."""
        ask(self.system, Scales).scale(self.component, 0)
        if self.kill:
            self._kill_what_is_left()
        try:
            wait_until(self.in_effect, what=f"the end of {self.component}", timeout_s=_END_S, every_s=0.2)
        except TimedOut as error:
            raise PlatformRefused(f"{self.name}: {error}", mend="look at what does not end") from None

    def _kill_what_is_left(self) -> None:
        kills = ask(self.system, Kills)
        for state in _copies(self.system, self.component):
            try:
                kills.kill(state.name)
            except PlatformRefused:
                if not all(
                    state.is_gone(now) for now in _copies(self.system, self.component) if now.name == state.name
                ):
                    raise

    def in_effect(self) -> str | None:
        """Return the evidence that no copy is left, or None. Raises CannotObserve."""
        return None if _copies(self.system, self.component) else f"{self.component}: 0 copies asked for, none left"

    def recovered(self) -> str | None:
        """Return the evidence that as many run as before, or None. Raises CannotObserve."""
        return _Whole(self.system, self.component, self.replicas).healed()


@dataclass(frozen=True, slots=True)
class _Whole:
    """Waits until as many copies run as are asked for, whatever number that is: an autoscaler's decision, perhaps."""

    system: System
    component: str
    replicas: int | None
    """How many to ask for where none are; None where the harm left that number alone, so that none is an answer too."""

    def healed(self) -> str | None:
        """Return the evidence that all copies that are asked for run, or None. Raises CannotObserve."""
        try:
            asked_for = ask(self.system, Scales).replicas(self.component)
        except TargetGone as gone:
            return gone.reason
        copies = _copies(self.system, self.component)
        if len(copies) != asked_for or not all(state.running for state in copies):
            return None
        if copies:
            return shown(copies)
        return f"no copy of {self.component} is asked for any more" if self.replicas is None else None

    def landing_s(self) -> float:
        """A pod that was told to end shows it."""
        return 0.0

    def heal(self) -> bool:
        """Ask for them, where that is ours to do. Raises CannotObserve, PlatformRefused."""
        if self.replicas is None:
            return False
        scales = ask(self.system, Scales)
        try:
            if scales.replicas(self.component):
                return False
        except TargetGone:
            return False
        scales.scale(self.component, self.replicas)
        return True


def _copies(system: System, component: str) -> tuple[InstanceState, ...]:
    return tuple(state for state in listed(system) if state.component == component)


def _parse(data: Mapping[str, Json]) -> _Whole:
    replicas = data.get("replicas")
    if not isinstance(replicas, int) or replicas < 1:
        raise BadUndo(f"expected replicas to be a number of at least 1, got {replicas!r}")
    return _Whole(system_at(data), text(data, "component"), replicas)


register(RESTORE, _parse)
register(AWAIT, lambda data: _Whole(system_at(data), text(data, "component"), None))
