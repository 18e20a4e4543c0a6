"""Stopped in good order, as a deploy or an operator does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from ...platforms import Stopped, Stops
from ..asking import ask
from .coming_back import START, STARTED
from .family import Family, Parameter, Way
from .replicas_run import AWAITED
from .returning import RETURNED
from .victims import NAME, OnInstances, Victims

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model import System

GRACE_S = 10.0
_SLACK_S = 2.0


@dataclass(frozen=True, slots=True)
class StopInstance(OnInstances):
    """A stop in good order, as a deploy or an operator does it. ``stopped`` tells how each one went."""

    grace_s: float = GRACE_S
    stopped: dict[str, Stopped] = field(default_factory=dict, compare=False)

    verb: ClassVar[str] = "stop"
    needs: ClassVar[tuple[Callable[..., object], ...]] = (Stops,)

    @classmethod
    def of(cls, system: System, name: str, *, grace_s: float = GRACE_S) -> Self:
        """Prepare to stop an instance, or all of a component. Raises PlatformRefused, CannotObserve."""
        victims = Victims.of(system, name)
        shown_at_once = ask(system, Stops, victims.component).shows_stopping
        lands_within_s = 0.0 if shown_at_once else grace_s * len(victims.names) + _SLACK_S
        return cls(victims, victims.undo(START, lands_within_s=lands_within_s), grace_s)

    def inject(self) -> None:
        """Stop them one after the other; takes up to the grace for each. Raises PlatformRefused."""
        stops = ask(self.victims.system, Stops, self.victims.component)
        for name in self.victims.names:
            self.stopped[name] = stops.stop(name, grace_s=self.grace_s)

    def in_effect(self) -> str | None:
        """Return the evidence that none of the old replicas is left, or None. Raises CannotObserve."""
        return self.victims.gone()


GRACE = Parameter("grace_s", "how many seconds each one has to end by itself before it is killed")
FAMILY = Family(
    name="stop",
    does="a stop in good order, as a deploy or an operator does it",
    call=StopInstance.of,
    parameters=(NAME, GRACE),
    ways=(Way((Stops,), STARTED), Way((Stops,), AWAITED), Way((Stops,), RETURNED)),
)
