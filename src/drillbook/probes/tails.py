"""An instance's log since a moment, for scenarios."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from ..model import CannotObserve
from ..platforms import LogText, Missing, ReadsLogs, platform_of
from .dated import dated, sought
from .recorded import Said

if TYPE_CHECKING:
    from ..model import Instance, System

_LIMIT_BYTES = 4 << 20
_ROUNDED_S = 0.001
"""Logs tell milliseconds."""


def said_since(system: System, instance: Instance, since: float, seek: tuple[str, ...]) -> Said | None:
    """Return what an instance has logged of some texts at or after ``since`` (seconds since the epoch).

    None when the log cannot be read.
    """
    reads = platform_of(system).can(ReadsLogs)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(reads, Missing):
        return None
    begin = since - _ROUNDED_S
    try:
        read = entries_since(reads.read_log(instance, limit_bytes=_LIMIT_BYTES, since_s=begin), since, seek)
        if read.whole or len(read.entries) == len(seek):
            return read
        return entries_since(reads.search_log(instance, seek, since_s=begin), since, seek)
    except CannotObserve:
        return None


def entries_since(text: LogText, since: float, seek: tuple[str, ...]) -> Said:
    """Return what a log says of some texts at or after ``since`` (seconds since the epoch)."""
    begin = dt.datetime.fromtimestamp(since - _ROUNDED_S, dt.UTC)
    found = [one for one in dated(text) if one.at is not None and one.at >= begin]
    newest = max((one.at.timestamp() for one in found if one.at is not None), default=None)
    return Said(
        entries=sought([one.entry for one in found], seek),
        of=len(found),
        whole=text.whole,
        undated=not found and text.last_write_s is not None and text.last_write_s > since,
        ahead_s=0.0 if newest is None else round(max(0.0, newest - time.time()), 3),
    )
