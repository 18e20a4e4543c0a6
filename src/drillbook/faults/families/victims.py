"""The instances that a fault hits, and what all harm to instances has in common. A component's name means all of them.

What can be done is the platform's to say. Where it starts what has ended, that is the undo; where it replaces what has
ended, or a supervisor starts it again, the undo is to wait for that. A whole component is taken away by its replicas'
number where they are replaced, and cannot be kept away from a supervisor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from ...platforms import InstanceState, Missing, PlatformRefused, Returns, Scales, Starts, named, platform_of
from ..address import address_of
from ..asking import ask, listed, shown
from ..blast import Blast
from ..undo import Undo, recovery_of
from . import coming_back, replicas_run, returning
from .family import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...model import Json, System

NAME = Parameter("name", "an instance, or a component: all its instances then")
COMPONENT = Parameter("component", "the component that is lost as a whole, until it is undone")


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
        before = named(known, name)
        for state in before:
            if state.because is not None:
                raise PlatformRefused(state.because, hint="nothing is done before that is clear")
            if not state.running:
                raise PlatformRefused(f"{state.name} is {state.state} already", hint="bring it back first")
        total = sum(state.component == before[0].component for state in known)
        return cls(system, name, before, total)

    @property
    def names(self) -> tuple[str, ...]:
        """The instances' names."""
        return tuple(state.name for state in self.before)

    @property
    def component(self) -> str:
        """What they are replicas of."""
        return self.before[0].component

    @property
    def blast(self) -> Blast:
        """How much of the component they are."""
        return Blast(self.system.name, self.component, self.names, self.of_total)

    def undo(self, kind: str, *, lands_within_s: float = 0.0) -> Undo:
        """Return what brings them back, as their platform can.

        Args:
            kind: START or RESUME of ``coming_back``, which find them by name; where replicas are replaced, START is to
                wait for others.
            lands_within_s: how long the harm may go unseen when its author dies over it.
        """
        pin = self.names if kind == coming_back.RESUME else ()
        more: dict[str, Json] = {}
        if lands_within_s:
            uids: dict[str, Json] = {state.name: state.uid for state in self.before if state.uid is not None}
            more = {coming_back.LANDS: lands_within_s, coming_back.BEFORE: uids}
        if kind == coming_back.START:
            within_s = _return_within_s(self.system, self.names)
            if within_s is not None:
                kind, more = returning.AWAIT, {**more, returning.WITHIN: within_s}
            elif replaces(self.system, self.component):
                return replicas_run.awaited(self.system, self.component)
        return Undo(kind, {**address_of(self.system, pin=pin), "names": list(self.names), **more})

    def now(self) -> tuple[InstanceState | None, ...]:
        """Look at what their names stand for now, in the order of ``before``. Raises CannotObserve."""
        found = {state.name: state for state in listed(self.system)}
        return tuple(found.get(name) for name in self.names)

    def gone(self) -> str | None:
        """Return the evidence that none of the old replicas is left, or None. Raises CannotObserve."""
        pairs = tuple(zip(self.before, self.now(), strict=True))
        if not all(old.is_gone(new) for old, new in pairs):
            return None
        return "; ".join(f"{old.name} ({_which(old)}) is gone: {_since(new)}" for old, new in pairs)


@dataclass(frozen=True, slots=True)
class OnInstances:
    """What all harm to instances has in common."""

    victims: Victims
    undo: Undo
    """What brings them back; asked of the platform once, before the harm."""

    verb: ClassVar[str]
    needs: ClassVar[tuple[Callable[..., object], ...]]
    undone_by: ClassVar[str] = coming_back.START

    @classmethod
    def of(cls, system: System, name: str) -> Self:
        """Prepare to do it to an instance, or to all of a component. Raises PlatformRefused, CannotObserve."""
        victims = Victims.of(system, name)
        for capability in cls.needs:
            ask(system, capability, victims.component)
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


def replaces(system: System, component: str) -> bool:
    """Say whether the platform puts another replica in the place of one that has ended, rather than start it."""
    platform = platform_of(system)
    starts = platform.can(Starts, component)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if not isinstance(starts, Missing):
        return False
    if isinstance(platform.can(Scales, component), Missing):
        raise PlatformRefused(starts.reason, hint="choose a fault that this platform can undo")
    return True


def stays_away(system: System, component: str) -> None:
    """See that nothing starts a component again before we do. Raises PlatformRefused, CannotObserve."""
    names = [state.name for state in listed(system) if state.component == component]
    if _return_within_s(system, names) is not None:
        raise PlatformRefused(
            f"{component} comes back by itself (returns_within_s): it cannot be kept away until that is undone",
            hint="kill or stop its instances; or take them from their supervisor, and name start instead",
        )


def _return_within_s(system: System, names: Iterable[str]) -> float | None:
    """Return how soon all of them come back by themselves; None where they are started, or replaced.

    Raises PlatformRefused where that is not the same for all, or nothing brings one back.
    """
    returns = platform_of(system).can(Returns)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(returns, Missing):
        return None
    found = {name: returns.returns_within_s(name) for name in names}
    times = [within_s for within_s in found.values() if within_s is not None]
    if times and len(times) < len(found):
        raise PlatformRefused(
            f"of {', '.join(found)} some come back by themselves and some must be started",
            hint="choose one instance, or bring all back in the same way",
        )
    return max(times, default=None)


def _which(state: InstanceState) -> str:
    return f"pid {state.pid}" if state.pid is not None else f"uid {state.uid}"


def _since(state: InstanceState | None) -> str:
    return "no longer listed" if state is None else shown([state]).partition(" ")[2]
