"""Frozen: connections stay open, nothing answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...platforms import Pauses, PlatformRefused
from ..asking import ask, shown
from .coming_back import RESUME, RESUMED
from .family import Family, Way
from .victims import NAME, OnInstances

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class PauseInstance(OnInstances):
    """SIGSTOP: connections stay open, nothing answers."""

    verb: ClassVar[str] = "pause"
    needs: ClassVar[tuple[Callable[..., object], ...]] = (Pauses,)
    undone_by: ClassVar[str] = RESUME

    def inject(self) -> None:
        """Freeze them, where they are still those that the undo knows. Raises PlatformRefused, CannotObserve."""
        for old, new in zip(self.victims.before, self.victims.now(), strict=True):
            if old.is_gone(new):
                raise PlatformRefused(f"{old.name} is another one by now", hint="try again: it was replaced just now")
        pauses = ask(self.victims.system, Pauses, self.victims.component)
        for name in self.victims.names:
            pauses.pause(name)

    def in_effect(self) -> str | None:
        """Return the evidence that all are frozen, or None. Raises CannotObserve."""
        now = [state for state in self.victims.now() if state is not None and state.state == "paused"]
        return shown(now) if len(now) == len(self.victims.before) else None


FAMILY = Family(
    name="pause",
    does="SIGSTOP: connections stay open, nothing answers",
    call=PauseInstance.of,
    parameters=(NAME,),
    ways=(Way((Pauses,), RESUMED),),
)
