"""An instance's log since a moment, for scenarios."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from .. import clock
from ..model import CannotObserve
from ..platforms import Missing, ReadsLogs, platform_of
from .logs import Entry, parse_line

if TYPE_CHECKING:
    from ..model import Instance, System

_LIMIT_BYTES = 4 << 20
_MOST = 200


def said_since(system: System, instance: Instance, since: float) -> tuple[Entry, ...]:
    """Return an instance's log entries dated at or after ``since`` (seconds since the epoch), at most 200.

    Nothing when the log cannot be read: judges take an empty log as UNKNOWN.
    """
    reads = platform_of(system).can(ReadsLogs)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(reads, Missing):
        return ()
    begin = dt.datetime.fromtimestamp(since, dt.UTC) - dt.timedelta(milliseconds=1)
    try:
        text = reads.read_log(instance, limit_bytes=_LIMIT_BYTES, since_s=begin.timestamp())
    except CannotObserve:
        return ()
    entries = [parse_line(line) for line in text.lines if line.strip()]
    return tuple(entry for entry in entries if _is_since(entry, begin))[:_MOST]


def _is_since(entry: Entry, begin: dt.datetime) -> bool:
    try:
        return entry.at is not None and clock.parse(entry.at) >= begin
    except ValueError:
        return False
