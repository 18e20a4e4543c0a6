"""The sending side, in its own process: a fixed schedule that is kept or reported, and a lifeline to the runner."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DRAIN_S = 0.6
"""How long requests in flight are waited for at the end; the runner is promised a stop within a second."""
_LEAD_S = 0.05


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, how long and how patiently to send."""

    rate_per_s: float
    timeout_s: float
    connect_timeout_s: float
    max_duration_s: float

    def __post_init__(self) -> None:
        if min(self.rate_per_s, self.timeout_s, self.connect_timeout_s, self.max_duration_s) <= 0:
            raise ValueError("rate_per_s, timeout_s, connect_timeout_s and max_duration_s are above 0")

    @property
    def interval_s(self) -> float:
        """The time between two intended starts, in seconds."""
        return 1 / self.rate_per_s


class Lines:
    """Appends JSON objects to a file, each by one write, so that what is written survives this process."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, row: dict[str, str | int | float | None]) -> None:
        """Append one line. Raises OSError when it did not go in whole (a full disk)."""
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        if os.write(self._fd, line) != len(line):
            raise OSError("the disk took only a part of a line")


def read_orders() -> bytes:
    """Read the one line of configuration from stdin, without taking anything behind it."""
    found = bytearray()
    while not found.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            raise SystemExit("stdin ended before the line of configuration")
        found += piece
    return bytes(found)


def watch_lifeline(ended: asyncio.Event) -> None:
    """Set ``ended`` when stdin ends: the runner asked for it or is dead."""
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end, daemon=True, name="lifeline").start()


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: during a freeze every request holds a connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def send_openly(pace: Pace, fire: Callable[[int, float], Awaitable[None]], lines: Lines) -> None:
    """Start ``fire(number, intended)`` at every intended start (monotonic seconds), however slow the answers are.

    A start that comes too late is made at once and never skipped. Ends at the lifeline's end or after
    ``max_duration_s``, gives what is in flight ``DRAIN_S`` and cancels the rest.
    """
    ended = asyncio.Event()
    watch_lifeline(ended)
    running: set[asyncio.Task[None]] = set()
    failure: list[BaseException] = []

    def settle(task: asyncio.Task[None]) -> None:
        running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            failure.append(error)
            ended.set()

    number = 0
    begin = time.monotonic() + _LEAD_S
    while number * pace.interval_s < pace.max_duration_s:
        intended = begin + number * pace.interval_s
        if await _ended_before(ended, intended):
            break
        task = asyncio.ensure_future(fire(number, intended))
        running.add(task)
        task.add_done_callback(settle)
        number += 1
    reason = "asked" if ended.is_set() else "max_duration"
    await _drain(running)
    if failure:
        raise failure[0]
    lines.write({"k": "end", "reason": reason, "fired": number})


async def _ended_before(ended: asyncio.Event, intended: float) -> bool:
    """Sleep until the intended start; say whether the end came first."""
    left_s = intended - time.monotonic()
    if left_s <= 0:
        await asyncio.sleep(0)
        return ended.is_set()
    try:
        await asyncio.wait_for(ended.wait(), left_s)
    except TimeoutError:
        return False
    return True


async def _drain(running: set[asyncio.Task[None]]) -> None:
    if running:
        await asyncio.wait(running, timeout=DRAIN_S)
    left = list(running)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
