"""Harm to instances: killed, stopped in good order, frozen. A component's name means all its instances.

What can be done is the platform's to say. Where it starts what has ended, that is the undo; where it replaces what has
ended (Kubernetes), the undo is to wait for the replacement, and a whole component is taken away by its copies' number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from ..model import CannotObserve
from ..platforms import (
    InstanceState,
    Kills,
    Missing,
    Pauses,
    PlatformRefused,
    Scales,
    Starts,
    Stopped,
    Stops,
    TargetGone,
    platform_of,
)
from . import replicas
from .address import address_of, system_at
from .asking import ask, listed, shown
from .blast import Blast
from .undo import BadUndo, Undo, recovery_of, register, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model import Json, System
    from .lifecycle import Fault

START = "instances.start"
RESUME = "instances.resume"
GRACE_S = 10.0
_LANDS = "lands_within_s"
_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Victims:
    """The instances that a fault hits, as they were before it."""

    system: System
    name: str
    before: tuple[InstanceState, ...]
    of_total: int

    @classmethod
    def of(cls, system: System, name: str) -> Self:
        """Find an instance, or all instances of a component, and see that they run.

        Raises:
            PlatformRefused: there is no such instance, one does not run, or the environment does not say where.
            CannotObserve: the platform does not answer.
        """
        known = listed(system)
        before = tuple(state for state in known if name in (state.name, state.component))
        if not before:
            names = ", ".join(dict.fromkeys(word for state in known for word in (state.name, state.component)))
            raise PlatformRefused(f"there is no instance or component {name!r}", mend=f"there are {names}")
        for state in before:
            if not state.running:
                raise PlatformRefused(f"{state.name} is {state.state} already", mend="bring it back first")
        total = sum(state.component == before[0].component for state in known)
        return cls(system, name, before, total)

    @property
    def names(self) -> tuple[str, ...]:
        """The instances' names."""
        return tuple(state.name for state in self.before)

    @property
    def component(self) -> str:
        """What they are copies of."""
        return self.before[0].component

    @property
    def blast(self) -> Blast:
        """How much of the component they are."""
        return Blast(self.system.name, self.component, self.names, self.of_total)

    def undo(self, kind: str, *, lands_within_s: float = 0.0) -> Undo:
        """Return what brings them back, as their platform can.

        Args:
            kind: START or RESUME, which find them by name; where copies are replaced, START is to wait for others.
            lands_within_s: how long the harm may go unseen when its author dies over it.
        """
        if kind == START and _replaces(self.system):
            return replicas.awaited(self.system, self.component)
        landing: dict[str, Json] = {_LANDS: lands_within_s} if lands_within_s else {}
        return Undo(kind, {**address_of(self.system), "names": list(self.names), **landing})

    def now(self) -> tuple[InstanceState | None, ...]:
        """Look at what their names stand for now, in the order of ``before``. Raises CannotObserve."""
        found = {state.name: state for state in listed(self.system)}
        return tuple(found.get(name) for name in self.names)

    def gone(self) -> str | None:
        """Return the evidence that none of the old copies is left, or None. Raises CannotObserve."""
        pairs = tuple(zip(self.before, self.now(), strict=True))
        if not all(old.is_gone(new) for old, new in pairs):
            return None
        return "; ".join(f"{old.name} ({_which(old)}) is gone: {_since(new)}" for old, new in pairs)


@dataclass(frozen=True, slots=True)
class _OnInstances:
    """What all harm to instances has in common."""

    victims: Victims
    undo: Undo
    """What brings them back; asked of the platform once, before the harm."""

    verb: ClassVar[str]
    needs: ClassVar[tuple[Callable[..., object], ...]]
    undone_by: ClassVar[str] = START

    @classmethod
    def of(cls, system: System, name: str) -> Self:
        """Prepare to do it to an instance, or to all of a component. Raises PlatformRefused, CannotObserve."""
        for capability in cls.needs:
            ask(system, capability)
        victims = Victims.of(system, name)
        return cls(victims, victims.undo(cls.undone_by))

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.verb} {self.victims.name}"

    @property
    def blast(self) -> Blast:
        """What it hits."""
        return self.victims.blast

    def recovered(self) -> str | None:
        """Return the evidence that they are back, or None. Raises CannotObserve."""
        return recovery_of(self.undo)


@dataclass(frozen=True, slots=True)
class KillInstance(_OnInstances):
    """SIGKILL: the process is gone without a word. On Kubernetes: deleted without grace, which is 2 s there."""

    verb: ClassVar[str] = "kill"
    needs: ClassVar[tuple[Callable[..., object], ...]] = (Kills,)

    def inject(self) -> None:
        """Kill them. Raises PlatformRefused, CannotObserve."""
        kills = ask(self.victims.system, Kills)
        for name in self.victims.names:
            kills.kill(name)

    def in_effect(self) -> str | None:
        """Return the evidence that none of the old copies is left, or None. Raises CannotObserve."""
        return self.victims.gone()


@dataclass(frozen=True, slots=True)
class StopInstance(_OnInstances):
    """A stop in good order, as a deploy or an operator does it. ``stopped`` tells how each one went."""

    grace_s: float = GRACE_S
    stopped: dict[str, Stopped] = field(default_factory=dict, compare=False)

    verb: ClassVar[str] = "stop"
    needs: ClassVar[tuple[Callable[..., object], ...]] = (Stops,)

    @classmethod
    def of(cls, system: System, name: str, *, grace_s: float = GRACE_S) -> Self:
        """Prepare to stop an instance, or all of a component. Raises PlatformRefused, CannotObserve."""
        shown_at_once = ask(system, Stops).shows_stopping
        victims = Victims.of(system, name)
        lands_within_s = 0.0 if shown_at_once else grace_s * len(victims.names) + _SLACK_S
        return cls(victims, victims.undo(START, lands_within_s=lands_within_s), grace_s)

    def inject(self) -> None:
        """Stop them one after the other; takes up to the grace for each. Raises PlatformRefused."""
        stops = ask(self.victims.system, Stops)
        for name in self.victims.names:
            self.stopped[name] = stops.stop(name, grace_s=self.grace_s)

    def in_effect(self) -> str | None:
        """Return the evidence that none of the old copies is left, or None. Raises CannotObserve."""
        return self.victims.gone()


@dataclass(frozen=True, slots=True)
class PauseInstance(_OnInstances):
    """SIGSTOP: connections stay open, nothing answers."""

    verb: ClassVar[str] = "pause"
    needs: ClassVar[tuple[Callable[..., object], ...]] = (Pauses,)
    undone_by: ClassVar[str] = RESUME

    def inject(self) -> None:
        """Freeze them. Raises PlatformRefused."""
        pauses = ask(self.victims.system, Pauses)
        for name in self.victims.names:
            pauses.pause(name)

    def in_effect(self) -> str | None:
        """Return the evidence that all are frozen, or None. Raises CannotObserve."""
        now = [state for state in self.victims.now() if state is not None and state.state == "paused"]
        return shown(now) if len(now) == len(self.victims.before) else None


def stop_component(system: System, component: str, *, grace_s: float = GRACE_S) -> Fault:
    """Return the stop of a whole component, as its platform does it. Raises PlatformRefused, CannotObserve."""
    if _replaces(system):
        return replicas.ScaleToZero.of(system, component)
    return StopInstance.of(system, component, grace_s=grace_s)


def kill_component(system: System, component: str) -> Fault:
    """Return the sudden loss of a whole component, until it is undone. Raises PlatformRefused, CannotObserve."""
    if _replaces(system):
        return replicas.ScaleToZero.of(system, component, kill=True)
    return KillInstance.of(system, component)


def _replaces(system: System) -> bool:
    """Say whether the platform puts another copy in the place of one that has ended, rather than start it."""
    platform = platform_of(system)
    starts = platform.can(Starts)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if not isinstance(starts, Missing):
        return False
    if isinstance(platform.can(Scales), Missing):
        raise PlatformRefused(starts.reason, mend="choose a fault that this platform can undo")
    return True


@dataclass(frozen=True, slots=True)
class _Back:
    """Brings instances back out of one state; what is in another one is another fault's to undo."""

    system: System
    names: tuple[str, ...]
    out_of: str
    """exited or paused."""
    lands_within_s: float = 0.0
    seen: set[str] = field(default_factory=set, compare=False)
    """The names of those that have been seen in that state."""

    def landing_s(self) -> float:
        """Return how long a stop that is under way may take to be seen; 0 once all have been seen stopped."""
        return 0.0 if self.seen >= set(self.names) else self.lands_within_s

    def healed(self) -> str | None:
        """Return the evidence that none is in that state, nor on its way up from it, or None. Raises CannotObserve."""
        try:
            states = self._look()
        except TargetGone as gone:
            return gone.reason
        self.seen.update(state.name for state in states if state.state == self.out_of)
        fine = ("running", "paused") if self.out_of == "exited" else None
        harmed = any(state.state == self.out_of or (fine and state.state not in fine) for state in states)
        return None if harmed else shown(states)

    @property
    def _harms(self) -> tuple[str, ...]:
        """The states to bring one out of: who dies between draining and stopping leaves one that is idle."""
        return ("exited", "idle") if self.out_of == "exited" else (self.out_of,)

    def heal(self) -> bool:
        """Start, or let go on, each one that needs it. Raises CannotObserve, PlatformRefused."""
        try:
            harmed = [state.name for state in self._look() if state.state in self._harms]
        except TargetGone:
            return False
        act = ask(self.system, Starts).start if self.out_of == "exited" else ask(self.system, Pauses).resume
        _each(act, harmed)
        return bool(harmed)

    def _look(self) -> tuple[InstanceState, ...]:
        """Return the instances' states. Raises CannotObserve, and TargetGone when all of the system is gone."""
        states = listed(self.system)
        if not states:
            raise TargetGone(f"nothing of {self.system.name} is there any more", mend="look at the platform")
        found = tuple(state for state in states if state.name in self.names)
        if len(found) != len(set(self.names)):
            expected = ", ".join(self.names)
            raise CannotObserve(f"expected {expected}, found {shown(found)}", mend="look at the platform")
        return found


def _each(act: Callable[[str], None], names: list[str]) -> None:
    """Act on all of them whatever becomes of one. Raises PlatformRefused with all that failed."""
    failed: list[PlatformRefused] = []
    for name in names:
        try:
            act(name)
        except PlatformRefused as error:
            failed.append(error)
    if failed:
        raise PlatformRefused("; ".join(error.reason for error in failed), mend=failed[0].mend)


def _which(state: InstanceState) -> str:
    return f"pid {state.pid}" if state.pid is not None else f"uid {state.uid}"


def _since(state: InstanceState | None) -> str:
    return "no longer listed" if state is None else shown([state]).partition(" ")[2]


def _parse(data: Mapping[str, Json], out_of: str) -> _Back:
    lands_within_s = data.get(_LANDS, 0.0)
    if not isinstance(lands_within_s, int | float):
        raise BadUndo(f"expected {_LANDS} to be a number of seconds, got {lands_within_s!r}")
    return _Back(system_at(data), texts(data, "names"), out_of, float(lands_within_s))


register(START, lambda data: _parse(data, "exited"))
register(RESUME, lambda data: _parse(data, "paused"))
