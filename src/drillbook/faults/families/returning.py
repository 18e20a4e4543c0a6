"""The undo where a supervisor starts again what has ended: to wait for it, as long as the environment says."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...platforms import Returns
from ..asking import shown
from ..undo import BadUndo, NotUndone, register
from . import coming_back
from .family import UndoKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Json

AWAIT = "instances.await"
WITHIN = "within_s"
RETURNED = UndoKind(
    AWAIT, "waits until their supervisor has started them again, as long as the environment says", needs=(Returns,)
)


@dataclass(frozen=True, slots=True)
class _Awaited:
    """Waits for instances to run again, from the first look at which one of them does not."""

    back: coming_back.Back
    within_s: float
    down_since_s: list[float] = field(default_factory=list, compare=False)
    """The moment of that look, once there was one."""

    def healed(self) -> str | None:
        """Return the evidence that all are back, or None. Raises CannotObserve."""
        return self.back.healed()

    def landing_s(self) -> float:
        """Return how long a stop that is under way may take to be seen; 0 once all have been seen stopped."""
        return self.back.landing_s()

    def heal(self) -> bool:
        """Do nothing but wait. Raises NotUndone when the time is over, CannotObserve."""
        now_s = time.monotonic()
        if not self.down_since_s:
            self.down_since_s.append(now_s)
        if now_s - self.down_since_s[0] > self.within_s:
            raise NotUndone(
                f"not back within {self.within_s:g} s (returns_within_s), and nothing else starts them: "
                f"{shown(self.back.look())}"
            )
        return False


def _parse(data: Mapping[str, Json]) -> _Awaited:
    within_s = data.get(WITHIN)
    if isinstance(within_s, bool) or not isinstance(within_s, int | float) or within_s <= 0:
        raise BadUndo(f"expected {WITHIN} to be a number of seconds, got {within_s!r}")
    return _Awaited(coming_back.parse(data, "exited"), float(within_s))


register(AWAIT, _parse)
