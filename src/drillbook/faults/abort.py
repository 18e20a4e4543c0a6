"""Abort conditions: what must not happen during a fault. Looked at all the time; a breach begins the undo at once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ..model import CannotObserve
from .lifecycle import NotRecovered

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .lifecycle import Injection

EVERY_S = 0.2
BLIND_S = 5.0


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that ends a fault early."""

    what: str
    """Named in reports, like ``error share over 0.5``."""
    broken: Callable[[], str | None]
    """Looks, and returns what broke it, or None. Raises CannotObserve when nothing can be seen."""


def over(what: str, read: Callable[[], float | None], limit: float) -> Condition:
    """Return the condition that a reading is over its limit; no reading yet (None) is within it.

    Args:
        what: names the reading with its unit, like ``p99 latency in ms`` or ``error share``.
        read: returns the newest reading.
        limit: the greatest reading that does not abort.
    """

    def broken() -> str | None:
        reading = read()
        return f"{what} is {reading:g}, over {limit:g}" if reading is not None and reading > limit else None

    return Condition(f"{what} over {limit:g}", broken)


class AbortWatch:
    """Watches one condition for one injection, as a context around what happens under the fault.

    A condition that cannot be seen for too long is broken as well, be it that its look fails or never returns: a
    fault that nobody can watch is not to go on.

    Args:
        injection: what to abort.
        condition: when.
        every_s: the pause between two looks.
        blind_s: the longest time without a successful look.
    """

    def __init__(
        self, injection: Injection, condition: Condition, *, every_s: float = EVERY_S, blind_s: float = BLIND_S
    ) -> None:
        self._injection = injection
        self._condition = condition
        self._every_s = every_s
        self._blind_s = blind_s
        self._over = threading.Event()
        self._breach: str | None = None
        self._blindness = "the look does not return"
        self._seen_at = time.monotonic()
        self._news = threading.Condition()
        self._watcher = threading.Thread(target=self._watch, name="drillbook-abort-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._seen_at = time.monotonic()
        threading.Thread(target=self._look, name="drillbook-abort-look", daemon=True).start()
        self._watcher.start()

    def stop(self) -> None:
        """Look no more; an abort that has begun is finished first."""
        with self._news:
            self._over.set()
            self._news.notify_all()
        self._watcher.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _look(self) -> None:
        """Look again and again; in its own thread, because a look may hang."""
        while not self._over.is_set():
            try:
                breach = self._condition.broken()
                seen = True
            except CannotObserve as blind:
                breach, seen, self._blindness = None, False, blind.reason
            except Exception as crash:  # noqa: BLE001 - a look that crashes sees nothing, and that aborts in the end
                breach, seen, self._blindness = None, False, f"{type(crash).__name__}: {crash}"
            with self._news:
                if seen:
                    self._seen_at = time.monotonic()
                self._breach = self._breach or breach
                self._news.notify_all()
            if breach or self._over.wait(self._every_s):
                return

    def _watch(self) -> None:
        reason = self._await_breach()
        if reason is not None:
            try:
                self._injection.abort(f"{self._condition.what}: {reason}")
            except NotRecovered:
                return  # the injection tries again when it is closed, and raises then

    def _await_breach(self) -> str | None:
        """Wait for the end (None), a breach, or blindness."""
        with self._news:
            while not self._over.is_set():
                if self._breach is not None:
                    return self._breach
                left_s = self._seen_at + self._blind_s - time.monotonic()
                if left_s <= 0:
                    return f"nothing to be seen for {self._blind_s:g} s: {self._blindness}"
                self._news.wait(left_s)
        return None
