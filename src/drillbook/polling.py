"""Waiting for something to become true, with a limit, a name and progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class TimedOut(TimeoutError):
    """What was waited for did not come; the text names it, the limit and what was seen last."""


def wait_until(
    look: Callable[[], T | None],
    *,
    what: str,
    timeout_s: float,
    every_s: float = 0.05,
    progress: Callable[[str], None] | None = None,
) -> T:
    """Call ``look`` until it returns something true.

    Args:
        look: returns the awaited thing, or a false value to go on waiting. What it raises ends the wait.
        what: names the thing in progress lines and in the error.
        timeout_s: the limit; ``look`` is called at least once.
        every_s: the pause between two looks.
        progress: called with one line about once a second.

    Returns:
        The first true answer of ``look``.

    Raises:
        TimedOut: when the limit has passed.
    """
    began = time.monotonic()
    told = began
    while True:
        found = look()
        if found:
            return found
        now = time.monotonic()
        if now - began >= timeout_s:
            raise TimedOut(f"waited {timeout_s:g} s for {what}; last seen: {found!r}")
        if progress is not None and now - told >= 1:
            told = now
            progress(f"waiting for {what}, {now - began:.0f} s of {timeout_s:g} s")
        time.sleep(min(every_s, max(0.0, timeout_s - (now - began))))
