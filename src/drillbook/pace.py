"""Requests to one component at or below its ``max_rps``, and how long that keeps a reading waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_lock = threading.Lock()
_next_turn: dict[str, float] = {}
_thread = threading.local()


@dataclass(slots=True)
class Waiting:
    """How long one thread has waited, or is about to wait, for its turns: our own slowness, not the target's."""

    seconds: float = 0.0


@contextmanager
def counted() -> Iterator[Waiting]:
    """Count how long this thread waits for its turns inside; read it from any thread."""
    waiting = Waiting()
    _thread.waiting = waiting
    try:
        yield waiting
    finally:
        del _thread.waiting


def reserve_turn(key: str, max_rps: float | None) -> float:
    """Return in how many seconds one more request under ``key`` keeps to ``max_rps`` a second; None is no limit."""
    if max_rps is None:
        return 0.0
    with _lock:
        now = time.monotonic()
        at = max(now, _next_turn.get(key, now))
        _next_turn[key] = at + 1 / max_rps
    return at - now


def await_turn(key: str, max_rps: float | None) -> None:
    """Wait for one's turn, counted where somebody counts. The turn is that of ``reserve_turn``."""
    wait_s = reserve_turn(key, max_rps)
    waiting: Waiting | None = getattr(_thread, "waiting", None)
    if waiting is not None:
        waiting.seconds += wait_s
    time.sleep(wait_s)
