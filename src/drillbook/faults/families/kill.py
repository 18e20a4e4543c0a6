"""Killed: gone without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...platforms import Kills
from ..asking import ask
from .coming_back import STARTED
from .family import Family, Way
from .replicas_run import AWAITED
from .returning import RETURNED
from .victims import NAME, OnInstances

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class KillInstance(OnInstances):
    """SIGKILL: the process is gone without a word. Where replicas are replaced: deleted without grace."""

    verb: ClassVar[str] = "kill"
    needs: ClassVar[tuple[Callable[..., object], ...]] = (Kills,)

    def inject(self) -> None:
        """Kill them. Raises PlatformRefused, CannotObserve."""
        kills = ask(self.victims.system, Kills, self.victims.component)
        for name in self.victims.names:
            kills.kill(name)

    def in_effect(self) -> str | None:
        """Return the evidence that none of the old replicas is left, or None. Raises CannotObserve."""
        return self.victims.gone()


FAMILY = Family(
    name="kill",
    does="SIGKILL: the process is gone without a word; where replicas are replaced, deleted without grace",
    call=KillInstance.of,
    parameters=(NAME,),
    ways=(Way((Kills,), STARTED), Way((Kills,), AWAITED), Way((Kills,), RETURNED)),
)
