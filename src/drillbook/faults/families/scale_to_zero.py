"""A whole component taken away by its replicas' number, on platforms that replace them rather than start them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ...platforms import InstanceState, Kills, PlatformRefused, Scales
from ...polling import TimedOut, wait_until
from ..asking import ask, shown
from ..blast import Blast
from .replicas_run import Whole, replicas_of, restore

if TYPE_CHECKING:
    from ...model import System
    from ..undo import Undo

_END_S = 60.0


@dataclass(frozen=True, slots=True)
class ScaleToZero:
    """No replica of a component is asked for any more, and none is left."""

    system: System
    component: str
    before: tuple[InstanceState, ...]
    replicas: int
    kill: bool
    """Whether the replicas are given no time to end in good order."""

    @classmethod
    def of(cls, system: System, component: str, *, kill: bool = False) -> Self:
        """Prepare it. Raises PlatformRefused, CannotObserve."""
        scales = ask(system, Scales, component)
        if kill:
            ask(system, Kills, component)
        replicas = scales.replicas(component)
        before = replicas_of(system, component)
        if replicas < 1 or len(before) != replicas or not all(state.running for state in before):
            raise PlatformRefused(
                f"{replicas} replicas of {component} are asked for, and there are: {shown(before)}",
                hint="wait until as many run as are asked for",
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
        ask(self.system, Scales, self.component).scale(self.component, 0)
        if self.kill:
            self._kill_what_is_left()
        try:
            wait_until(self.in_effect, what=f"the end of {self.component}", timeout_s=_END_S, every_s=0.2)
        except TimedOut as error:
            raise PlatformRefused(f"{self.name}: {error}", hint="look at what does not end") from None

    def _kill_what_is_left(self) -> None:
        kills = ask(self.system, Kills, self.component)
        for state in replicas_of(self.system, self.component):
            try:
                kills.kill(state.name)
            except PlatformRefused:
                if not all(
                    state.is_gone(now) for now in replicas_of(self.system, self.component) if now.name == state.name
                ):
                    raise

    def in_effect(self) -> str | None:
        """Return the evidence that no replica is left, or None. Raises CannotObserve."""
        return (
            None if replicas_of(self.system, self.component) else f"{self.component}: 0 replicas asked for, none left"
        )

    def recovered(self) -> str | None:
        """Return the evidence that as many run as before, or None. Raises CannotObserve."""
        return Whole(self.system, self.component, self.replicas).healed()
