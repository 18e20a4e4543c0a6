"""The undo of harm to instances that stay where they are: exited ones are started, frozen ones are let go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...model import CannotObserve
from ...platforms import InstanceState, Pauses, PlatformRefused, Starts, TargetGone
from ..address import system_at
from ..asking import ask, listed, shown
from ..undo import BadUndo, register, text, texts
from .family import UndoKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model import Json, System

START = "instances.start"
RESUME = "instances.resume"
LANDS = "lands_within_s"
BEFORE = "before"
STARTED = UndoKind(START, "starts those that have exited, and waits until they run", needs=(Starts,))
RESUMED = UndoKind(RESUME, "lets those that are frozen go on", needs=(Pauses,))


@dataclass(frozen=True, slots=True)
class Back:
    """Brings instances back out of one state; what is in another one is another fault's to undo."""

    system: System
    names: tuple[str, ...]
    out_of: str
    """exited or paused."""
    lands_within_s: float = 0.0
    before: Mapping[str, str] = field(default_factory=dict)
    """What tells the harmed ones from their successors, by name, where the platform has more than process ids."""
    seen: set[str] = field(default_factory=set, compare=False)
    """The names of those that have been seen in that state, or are others by now."""

    def landing_s(self) -> float:
        """Return how long a stop that is under way may take to be seen; 0 once all have been seen stopped."""
        return 0.0 if self.seen >= set(self.names) else self.lands_within_s

    def healed(self) -> str | None:
        """Return the evidence that none is in that state, nor on its way up from it, or None.

        Raises CannotObserve, also where nobody can say of one in what state it is.
        """
        try:
            states = self.look()
        except TargetGone as gone:
            return gone.reason
        self.seen.update(state.name for state in states if state.state == self.out_of or self._is_another(state))
        fine = ("running", "paused") if self.out_of == "exited" else None
        if any(state.state == self.out_of for state in states):
            return None
        unseen = [state.because for state in states if state.because is not None]
        if unseen:
            raise CannotObserve("; ".join(unseen), hint="look at the platform")
        on_its_way = any(fine and state.state not in fine for state in states)
        return None if on_its_way else shown(states)

    def _is_another(self, state: InstanceState) -> bool:
        """Say whether an instance that came back by itself, before we looked, has taken the place of the harmed one."""
        before = self.before.get(state.name)
        return before is not None and state.uid is not None and state.uid != before

    @property
    def _harms(self) -> tuple[str, ...]:
        """The states to bring one out of: who dies between draining and stopping leaves one that is idle."""
        return ("exited", "idle") if self.out_of == "exited" else (self.out_of,)

    def heal(self) -> bool:
        """Start, or let go on, each one that needs it. Raises CannotObserve, PlatformRefused."""
        try:
            harmed = [state.name for state in self.look() if state.state in self._harms]
        except TargetGone:
            return False
        act = ask(self.system, Starts).start if self.out_of == "exited" else ask(self.system, Pauses).resume
        _each(act, harmed)
        return bool(harmed)

    def look(self) -> tuple[InstanceState, ...]:
        """Return the instances' states. Raises CannotObserve, and TargetGone when all of the system is gone."""
        states = listed(self.system)
        if not states:
            raise TargetGone(f"nothing of {self.system.name} is there any more", hint="look at the platform")
        found = tuple(state for state in states if state.name in self.names)
        if len(found) != len(set(self.names)):
            expected = ", ".join(self.names)
            raise CannotObserve(f"expected {expected}, found {shown(found)}", hint="look at the platform")
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
        raise PlatformRefused("; ".join(error.reason for error in failed), hint=failed[0].hint)


def parse(data: Mapping[str, Json], out_of: str) -> Back:
    """Read undo data of a kind that brings instances back out of a state. Raises BadUndo."""
    lands_within_s = data.get(LANDS, 0.0)
    if not isinstance(lands_within_s, int | float):
        raise BadUndo(f"expected {LANDS} to be a number of seconds, got {lands_within_s!r}")
    before = data.get(BEFORE, {})
    if not isinstance(before, dict):
        raise BadUndo(f"expected {BEFORE} to be a table by name, got {before!r}")
    uids = {name: text(before, name) for name in before}
    return Back(system_at(data), texts(data, "names"), out_of, float(lands_within_s), uids)


register(START, lambda data: parse(data, "exited"))
register(RESUME, lambda data: parse(data, "paused"))
