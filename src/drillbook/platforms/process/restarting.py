"""A restart where the platform has none of its own: each in its turn is stopped and started."""

from __future__ import annotations

from typing import Protocol

from ..capabilities import Lists, Starts, Stops, named

_GRACE_S = 10.0


class Held(Lists, Starts, Stops, Protocol):
    """Whoever lists, stops and starts processes."""


def restart(held: Held, name: str) -> None:
    """Stop and start an instance, or each of a component in its turn. Raises PlatformRefused, CannotObserve."""
    for one in named(held.list_instances(), name):
        if one.state != "exited":
            held.stop(one.name, grace_s=_GRACE_S)
        held.start(one.name)
