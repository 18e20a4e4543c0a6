"""What there is to know about a process before it is started."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path


TIERS = ("postgres", "redis", "api")  # components in the order of their start


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the lab: how to run it, how to stop it, how to see that it is ready.

    Attributes:
        name: what users call it.
        component: the part of the system that it is a copy of.
        argv: the command; never a secret in it, everybody on the machine can read it.
        env: the whole environment.
        address: where it is reached, without a password.
        ports: the ports that it must own when it is ready.
        log: where its output is appended.
        ready: asks it once whether it can serve.
        stop_signal: asks it to stop in good order.
        ready_within_s: the most that a start may take.
        user: the user and group to run as, or None for ours.
        program: the file it runs, if its children leave its session and must be told by that.
        before_start: puts away what a killed predecessor left behind.
    """

    name: str
    component: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    address: str
    ports: tuple[int, ...]
    log: Path
    ready: Callable[[], Awaitable[bool]]
    stop_signal: signal.Signals = signal.SIGTERM
    ready_within_s: float = 30.0
    user: tuple[int, int] | None = None
    program: Path | None = None
    before_start: Callable[[], None] = field(default=lambda: None)
