"""The body of the writing process, and the reads and deletions that follow it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from .. import pace, timeline
from .client import NOTHING_SENT, Client, Kind, Reply
from .losses import Absent, Fate, Found, Reading, Unread
from .openloop import Lines, Pace, allow_many_files, read_orders, send_openly
from .service import Address, Call, KeyedApi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

_RETRY_S = 0.2
_CONNECT_S = 1.0
_TURNS = "reading back and cleaning up"
_REQUEST_TIMEOUT = 408
_CLIENT_ERRORS = range(400, 500)


@dataclass(frozen=True, slots=True)
class Keys:
    """Which key the write of a number goes to."""

    prefix: str
    rewritten: int = 0
    """How many keys are written again and again; every other write goes to them in turn."""

    def key(self, number: int) -> str:
        """Return the key of a write."""
        if self.rewritten and number % 2:
            return f"{self.prefix}-again-{number // 2 % self.rewritten}"
        return f"{self.prefix}-{number}"

    def value(self, number: int) -> str:
        """Return the value of a write; no two writes share one."""
        return f"{self.prefix}-value-{number}"


@dataclass(frozen=True, slots=True)
class WritingOrders:
    """The line of configuration on stdin."""

    address: Address
    api: KeyedApi
    keys: Keys
    pace: Pace
    file: str
    timeline_offset_s: float
    """Where the run's time line counts from; see ``timeline.join``."""


ORDERS = TypeAdapter(WritingOrders)


def fate(reply: Reply, expected: tuple[int, ...]) -> Fate:
    """Say what is known of a write that got this reply."""
    if reply.kind in NOTHING_SENT:
        return Fate.FAILED
    if reply.status is None:
        return Fate.UNKNOWN
    if reply.status in expected:
        return Fate.OK
    refused = reply.status in _CLIENT_ERRORS and reply.status != _REQUEST_TIMEOUT
    return Fate.FAILED if refused else Fate.UNKNOWN


def main() -> None:
    """Take orders from stdin and write until it ends."""
    orders = ORDERS.validate_json(read_orders())
    timeline.join(orders.timeline_offset_s)
    allow_many_files()
    asyncio.run(_write(orders))


async def _write(orders: WritingOrders) -> None:
    lines = Lines(orders.file)
    pace, call, keys = orders.pace, orders.api.write, orders.keys
    headers = {"Content-Type": orders.api.content_type}
    async with Client(orders.address, timeout_s=pace.timeout_s, connect_timeout_s=pace.connect_timeout_s) as client:

        async def fire(number: int, intended: float) -> None:
            key, value = keys.key(number), keys.value(number)
            started = time.monotonic()
            late_ms = round((started - intended) * 1000, 2)
            at = timeline.at(started)
            lines.write({"k": "invoke", "n": number, "key": key, "value": value, "at": at, "late": late_ms})
            found, reason = Fate.UNKNOWN, "cut"
            try:
                reply = await client.send(call.method, call.path_for(key), body=call.body_for(value), headers=headers)
                found, reason = fate(reply, call.expected), str(reply.status or reply.kind)
            finally:
                lines.write({"k": "outcome", "n": number, "at": timeline.now(), "c": found, "why": reason})

        lines.write({"k": "begin", "at": timeline.now(), "rate_per_s": pace.rate_per_s, "timeout_s": pace.timeout_s})
        await send_openly(pace, fire, lines)


@dataclass(frozen=True, slots=True)
class Patience:
    """How hard to try when reading back and cleaning up."""

    deadline_s: float
    concurrency: int = 16
    max_rps: float | None = None
    timeout_s: float = 5.0


def read_all(address: Address, api: KeyedApi, keys: Iterable[str], patience: Patience) -> dict[str, Reading]:
    """Read every key, trying again until the deadline what could not be had."""

    async def read(client: Client, key: str) -> Reading:
        return _reading(await client.send(api.read.method, api.read.path_for(key)), api)

    return asyncio.run(_for_all(address, keys, patience, read))


def delete_all(address: Address, call: Call, keys: Iterable[str], patience: Patience) -> dict[str, Reading]:
    """Delete every key, trying again until the deadline; what is gone reads Absent."""

    async def delete(client: Client, key: str) -> Reading:
        reply = await client.send(call.method, call.path_for(key))
        gone = reply.status in (*call.expected, *call.absent)
        return Absent(deleted=reply.status in call.expected) if gone else Unread(str(reply.status or reply.kind))

    return asyncio.run(_for_all(address, keys, patience, delete))


async def _for_all(
    address: Address,
    keys: Iterable[str],
    patience: Patience,
    ask: Callable[[Client, str], Awaitable[Reading]],
) -> dict[str, Reading]:
    end = time.monotonic() + patience.deadline_s
    waiting = iter(keys)
    found: dict[str, Reading] = {}

    async def ask_in_turn(client: Client, key: str) -> Reading:
        await asyncio.sleep(pace.reserve_turn(_TURNS, patience.max_rps))
        return await ask(client, key)

    async def work(client: Client) -> None:
        for key in waiting:
            found[key] = await _ask_until(end, lambda key=key: ask_in_turn(client, key))  # type: ignore[misc]

    async with Client(address, timeout_s=patience.timeout_s, connect_timeout_s=_CONNECT_S) as client:
        await asyncio.gather(*(work(client) for _ in range(patience.concurrency)))
    return found


async def _ask_until(end: float, ask: Callable[[], Awaitable[Reading]]) -> Reading:
    reading: Reading = Unread("the deadline had passed")
    while (left_s := end - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left_s):
                reading = await ask()
        except TimeoutError:
            return Unread(Kind.TIMEOUT)
        if not isinstance(reading, Unread):
            return reading
        await asyncio.sleep(min(_RETRY_S, left_s))
    return reading


def _reading(reply: Reply, api: KeyedApi) -> Reading:
    if reply.status in api.read.absent:
        return Absent()
    if reply.status not in api.read.expected:
        return Unread(str(reply.status or reply.kind))
    try:
        value = json.loads(reply.body)
        for step in api.value_at:
            value = value[step]
    except (ValueError, KeyError, TypeError):
        return Unread(f"{reply.status} without a value at {'.'.join(api.value_at)}")
    return Found(value if isinstance(value, str) else json.dumps(value))
