"""Calls into libraries that know no time limit, with one."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

from ..polling import TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


def limited(act: Callable[[], R], *, what: str, limit_s: float) -> R:
    """Act in a thread of its own, which is left behind when it takes too long.

    Args:
        act: what to do.
        what: names it in the error.
        limit_s: how long it may take.

    Returns:
        What it returned.

    Raises:
        TimedOut: it has not ended within the limit.
        Exception: whatever it raised.
    """
    ended: queue.SimpleQueue[tuple[R | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put((act(), None))
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            ended.put((None, error))

    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        result, error = ended.get(timeout=limit_s)
    except queue.Empty:
        raise TimedOut(f"{what} has not ended within {limit_s:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value] # of act, which may well return None
