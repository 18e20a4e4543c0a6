"""The body of the sampling process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from pydantic import TypeAdapter

from .. import timeline
from .availability import Answered, classify
from .client import Client
from .openloop import Lines, Pace, allow_many_files, read_orders, send_openly
from .service import Address


@dataclass(frozen=True, slots=True)
class SamplingOrders:
    """The line of configuration on stdin."""

    address: Address
    path: str
    pace: Pace
    file: str
    timeline_offset_s: float
    """Where the run's time line counts from; see ``timeline.join``."""


ORDERS = TypeAdapter(SamplingOrders)


def main() -> None:
    """Take orders from stdin and sample until it ends."""
    orders = ORDERS.validate_json(read_orders())
    timeline.join(orders.timeline_offset_s)
    allow_many_files()
    asyncio.run(_sample(orders))


async def _sample(orders: SamplingOrders) -> None:
    lines = Lines(orders.file)
    pace = orders.pace
    async with Client(orders.address, timeout_s=pace.timeout_s, connect_timeout_s=pace.connect_timeout_s) as client:

        async def fire(number: int, intended: float) -> None:
            started = time.monotonic()
            answered, status, url = Answered.CUT, None, None
            try:
                reply = await client.send("GET", orders.path)
                answered, status, url = classify(reply.kind, reply.status), reply.status, reply.url
            finally:
                lines.write(
                    {
                        "n": number,
                        "at": timeline.at(intended),
                        "late": round((started - intended) * 1000, 2),
                        "ms": round((time.monotonic() - intended) * 1000, 2),
                        "c": answered,
                        "s": status,
                        "u": url,
                    }
                )

        lines.write({"k": "begin", "at": timeline.now(), "rate_per_s": pace.rate_per_s, "timeout_s": pace.timeout_s})
        await send_openly(pace, fire, lines)
