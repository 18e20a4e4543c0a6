"""An instance's log since a moment, for scenarios."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from .. import clock
from ..dialects import Entry, read
from ..model import CannotObserve
from ..platforms import Missing, ReadsLogs, platform_of

if TYPE_CHECKING:
    from ..model import Instance, System

_LIMIT_BYTES = 4 << 20
_MOST = 200
_ROUNDED_S = 0.001
"""Logs tell milliseconds."""


def said_since(system: System, instance: Instance, since: float) -> tuple[Entry, ...] | None:
    """Return an instance's log entries dated at or after ``since`` (seconds since the epoch), at most 200.

    None when the log cannot be read.
    """
    reads = platform_of(system).can(ReadsLogs)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(reads, Missing):
        return None
    try:
        text = reads.read_log(instance, limit_bytes=_LIMIT_BYTES, since_s=since - _ROUNDED_S)
    except CannotObserve:
        return None
    return entries_since(text.lines, since)


def entries_since(lines: tuple[str, ...], since: float) -> tuple[Entry, ...]:
    """Return the log lines dated at or after ``since`` (seconds since the epoch) as entries, at most 200."""
    begin = dt.datetime.fromtimestamp(since - _ROUNDED_S, dt.UTC)
    return tuple(entry for entry in read(lines) if _is_since(entry, begin))[:_MOST]


def _is_since(entry: Entry, begin: dt.datetime) -> bool:
    try:
        return entry.at is not None and clock.parse(entry.at) >= begin
    except ValueError:
        return False
