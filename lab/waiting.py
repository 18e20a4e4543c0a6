"""Waiting for something to become true, with a limit, inside the keeper's event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def wait_until(look: Callable[[], bool], *, timeout_s: float, every_s: float = 0.01) -> bool:
    """Look until it is true or the time is up; return what was seen last."""
    deadline = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(every_s)
    return True
