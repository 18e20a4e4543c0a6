"""One time line for all processes of a run: it reads like wall time and moves like the monotonic clock.

Somebody sets the wall clock, or NTP steps it, in the middle of a drill: samples, faults and figures must not notice.
So a run takes its wall time once, and counts from there by ``CLOCK_MONOTONIC``, which all processes of a machine
share (clock_gettime(2)). Wall time itself is for display, and for logs that others write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

_NOTED_FROM_S = 0.2
"""Smaller differences are those of a clock that NTP slews."""


@dataclass(slots=True)
class _Line:
    offset_s: float


_line = _Line(time.time() - time.monotonic())


def now() -> float:
    """Return the present on the run's time line, in seconds since 1970."""
    return at(time.monotonic())


def at(monotonic_s: float) -> float:
    """Return a moment of the monotonic clock on the run's time line, in seconds since 1970, to the microsecond."""
    return round(_line.offset_s + monotonic_s, 6)


def offset_s() -> float:
    """Return what another process of this run on this machine needs for ``join``."""
    return _line.offset_s


def join(offset_s: float) -> None:
    """Count from where the run counts from; its other processes say where by ``offset_s``."""
    _line.offset_s = offset_s


def wall_step_s() -> float:
    """Return how far the wall clock has been set since the run began, in seconds; 0 for what NTP slews."""
    step_s = time.time() - now()
    return step_s if abs(step_s) >= _NOTED_FROM_S else 0.0


def earliest_wall(moment: float) -> float:
    """Return the earliest wall time that a log may show for a moment of the time line, in seconds since 1970."""
    return moment + min(0.0, wall_step_s())
