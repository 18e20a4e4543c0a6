"""Harm to processes: killed, stopped in good order, frozen. A component's name means all its instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar, cast

from ..model import CannotObserve
from ..platforms import (
    InstanceState,
    Kills,
    Lists,
    Missing,
    Pauses,
    PlatformRefused,
    Starts,
    Stopped,
    Stops,
    platform_of,
)
from ..platforms.process import Keeper, KeeperGone
from .address import address_of
from .lifecycle import Blast
from .undo import Undo, absolute_path, register, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..model import Json, System

C = TypeVar("C")
START = "process.start"
RESUME = "process.resume"
GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Victims:
    """The processes that a fault hits, as they were before it."""

    system: System
    name: str
    before: tuple[InstanceState, ...]
    of_total: int

    @classmethod
    def of(cls, system: System, name: str) -> Self:
        """Find an instance, or all instances of a component, and see that they run.

        Raises:
            PlatformRefused: there is no such instance, one does not run, or the platform has no processes.
            CannotObserve: the platform does not answer.
        """
        address_of(system)
        known = _ask(system, Lists).list_instances()
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
    def blast(self) -> Blast:
        """How much of the component they are."""
        return Blast(self.before[0].component, self.names, self.of_total)

    def undo(self, verb: str) -> Undo:
        """Return the undo for them: ``start`` or ``resume``, as their platform does it."""
        return Undo(f"{self.system.platform}.{verb}", {**address_of(self.system), "names": list(self.names)})

    def now(self) -> tuple[InstanceState, ...]:
        """Look at them, in the order of ``before``. Raises CannotObserve."""
        found = {state.name: state for state in _ask(self.system, Lists).list_instances()}
        missing = [name for name in self.names if name not in found]
        if missing:
            raise CannotObserve(f"{', '.join(missing)} not listed any more", mend="look at the platform")
        return tuple(found[name] for name in self.names)

    def came_back(self) -> str | None:
        """Return the evidence that all of them run, or None. Raises CannotObserve."""
        now = self.now()
        return shown(now) if all(state.running for state in now) else None


@dataclass(frozen=True, slots=True)
class KillInstance:
    """SIGKILL: the process is gone without a word."""

    victims: Victims

    @classmethod
    def of(cls, system: System, name: str) -> Self:
        """Prepare to kill an instance, or all of a component. Raises PlatformRefused, CannotObserve."""
        _ask(system, Kills)
        _ask(system, Starts)
        return cls(Victims.of(system, name))

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"kill {self.victims.name}"

    @property
    def blast(self) -> Blast:
        """What it hits."""
        return self.victims.blast

    @property
    def undo(self) -> Undo:
        """Start them again."""
        return self.victims.undo("start")

    def inject(self) -> None:
        """Kill them. Raises PlatformRefused, CannotObserve."""
        kills = _ask(self.victims.system, Kills)
        for name in self.victims.names:
            kills.kill(name)

    def in_effect(self) -> str | None:
        """Return the evidence that none of the old processes is left, or None. Raises CannotObserve."""
        pairs = tuple(zip(self.victims.before, self.victims.now(), strict=True))
        if any(old.pid == new.pid for old, new in pairs):
            return None
        return "; ".join(f"{old.name} (pid {old.pid}) is gone: {_state(new)}" for old, new in pairs)

    def recovered(self) -> str | None:
        """Return the evidence that all run again, or None. Raises CannotObserve."""
        return self.victims.came_back()


@dataclass(frozen=True, slots=True)
class StopInstance:
    """A stop in good order, as a deploy or an operator does it. ``stopped`` tells how each one went."""

    victims: Victims
    grace_s: float = GRACE_S
    stopped: dict[str, Stopped] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, system: System, name: str, *, grace_s: float = GRACE_S) -> Self:
        """Prepare to stop an instance, or all of a component. Raises PlatformRefused, CannotObserve."""
        _ask(system, Stops)
        _ask(system, Starts)
        return cls(Victims.of(system, name), grace_s)

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"stop {self.victims.name}"

    @property
    def blast(self) -> Blast:
        """What it hits."""
        return self.victims.blast

    @property
    def undo(self) -> Undo:
        """Start them again."""
        return self.victims.undo("start")

    def inject(self) -> None:
        """Stop them one after the other; takes up to the grace for each. Raises PlatformRefused."""
        stops = _ask(self.victims.system, Stops)
        for name in self.victims.names:
            self.stopped[name] = stops.stop(name, grace_s=self.grace_s)

    def in_effect(self) -> str | None:
        """Return the evidence that all have exited, or None. Raises CannotObserve."""
        now = self.victims.now()
        return shown(now) if all(state.state == "exited" for state in now) else None

    def recovered(self) -> str | None:
        """Return the evidence that all run again, or None. Raises CannotObserve."""
        return self.victims.came_back()


@dataclass(frozen=True, slots=True)
class PauseInstance:
    """SIGSTOP: connections stay open, nothing answers."""

    victims: Victims

    @classmethod
    def of(cls, system: System, name: str) -> Self:
        """Prepare to freeze an instance, or all of a component. Raises PlatformRefused, CannotObserve."""
        _ask(system, Pauses)
        return cls(Victims.of(system, name))

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"pause {self.victims.name}"

    @property
    def blast(self) -> Blast:
        """What it hits."""
        return self.victims.blast

    @property
    def undo(self) -> Undo:
        """Let them go on."""
        return self.victims.undo("resume")

    def inject(self) -> None:
        """Freeze them. Raises PlatformRefused."""
        pauses = _ask(self.victims.system, Pauses)
        for name in self.victims.names:
            pauses.pause(name)

    def in_effect(self) -> str | None:
        """Return the evidence that all are frozen, or None. Raises CannotObserve."""
        now = self.victims.now()
        return shown(now) if all(state.state == "paused" for state in now) else None

    def recovered(self) -> str | None:
        """Return the evidence that none is frozen, or None. Raises CannotObserve."""
        now = self.victims.now()
        return shown(now) if all(state.state != "paused" for state in now) else None


@dataclass(frozen=True, slots=True)
class _StartAgain:
    """Starts what has exited. What is paused is there: its freeze is another fault's to undo."""

    control: Path
    names: tuple[str, ...]

    def healed(self) -> str | None:
        """Return the evidence that all are up, or None. Raises CannotObserve."""
        states = _look(self.control, self.names)
        if isinstance(states, str):
            return states
        return shown(states) if all(state.state in ("running", "paused") for state in states) else None

    def heal(self) -> bool:
        """Start each one that has exited. Raises CannotObserve, PlatformRefused."""
        states = _look(self.control, self.names)
        exited = [] if isinstance(states, str) else [one.name for one in states if one.state == "exited"]
        keeper = Keeper(self.control)
        each(keeper.start, exited)
        return bool(exited)


@dataclass(frozen=True, slots=True)
class _Resume:
    """Lets go on what is frozen. What has exited is not frozen any more: its end is another fault's to undo."""

    control: Path
    names: tuple[str, ...]

    def healed(self) -> str | None:
        """Return the evidence that none is frozen, or None. Raises CannotObserve."""
        states = _look(self.control, self.names)
        if isinstance(states, str):
            return states
        return shown(states) if all(state.state != "paused" for state in states) else None

    def heal(self) -> bool:
        """Let go on each one that is frozen. Raises CannotObserve, PlatformRefused."""
        states = _look(self.control, self.names)
        frozen = [] if isinstance(states, str) else [one.name for one in states if one.state == "paused"]
        keeper = Keeper(self.control)
        each(keeper.resume, frozen)
        return bool(frozen)


def _look(control: Path, names: tuple[str, ...]) -> tuple[InstanceState, ...] | str:
    """Return the instances' states, or the evidence that they are gone for good, with their keeper."""
    try:
        states = Keeper(control).list_instances()
    except KeeperGone:
        return f"no keeper at {control} any more, and its processes end with it"
    found = tuple(state for state in states if state.name in names)
    if len(found) != len(set(names)):
        raise CannotObserve(f"expected {', '.join(names)}, found {shown(found)}", mend="look at the platform")
    return found


def each(act: Callable[[str], None], names: list[str]) -> None:
    """Act on all of them whatever becomes of one. Raises PlatformRefused with all that failed."""
    failed: list[PlatformRefused] = []
    for name in names:
        try:
            act(name)
        except PlatformRefused as error:
            failed.append(error)
    if failed:
        raise PlatformRefused("; ".join(error.reason for error in failed), mend=failed[0].mend)


def _ask(system: System, capability: Callable[..., C]) -> C:
    """Return the capability. Raises PlatformRefused with the reason why there is none."""
    found = platform_of(system).can(cast("type[C]", capability))
    if isinstance(found, Missing):
        raise PlatformRefused(found.reason, mend="choose a fault that this platform can do")
    return found


def shown(states: tuple[InstanceState, ...]) -> str:
    """Say in what state each one is."""
    return "; ".join(f"{state.name} {_state(state)}" for state in states) or "nothing"


def _state(state: InstanceState) -> str:
    if state.state == "exited":
        return f"exited with {state.exit_code}"
    return f"{state.state} (pid {state.pid})"


def _parse_start(data: Mapping[str, Json]) -> _StartAgain:
    return _StartAgain(absolute_path(data, "control"), texts(data, "names"))


def _parse_resume(data: Mapping[str, Json]) -> _Resume:
    return _Resume(absolute_path(data, "control"), texts(data, "names"))


register(START, _parse_start)
register(RESUME, _parse_resume)
