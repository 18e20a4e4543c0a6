"""Logs: one reading of an instance's log serves every criterion about it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

from .. import clock
from ..dialects import LEVELS, Entry, read
from ..model import CannotObserve, System, Target
from ..platforms import Lists, LogText, Missing, ReadsLogs, platform_of
from .base import ReadingProbe
from .http import per_instance

ERROR_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL", "PANIC", "ALERT", "EMERGENCY"})
WINDOW_S = 300
"""The runbook's "last 5 minutes"."""
_TAIL = 100
_START = 60
_SHOWN = 5
_LIMIT_BYTES = 4 << 20
_FIRST_WORDS_S = 30
"""A service says something within so many seconds of its start: a log that begins later has lost its beginning."""


@dataclass(frozen=True, slots=True)
class LogReading:
    """What the criteria about logs need, read in one go."""

    taken_at: str
    started_at: str | None
    """When the instance last started, by its platform; None when the platform cannot say."""
    since_start: tuple[Entry, ...]
    """The first entries since then."""
    tail: tuple[Entry, ...]
    """The last 100 entries."""
    errors_in_window: int
    """ERROR-level entries of the last five minutes (one without a time counts)."""
    first_errors: tuple[Entry, ...]
    window_covered: bool
    """Whether the reading reaches back to the window's beginning."""
    newest_at: str | None
    levels_known: bool = True
    """Whether any entry says its level: without, the absence of errors says nothing."""


@dataclass(frozen=True)
class Logs(ReadingProbe[LogReading]):
    """The log of every instance."""

    reading: ClassVar[type[LogReading]] = LogReading
    timeout_s: ClassVar[float] = 8.0  # a connection and a command on a busy host

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the API."""
        return per_instance(system)

    def source(self, target: Target) -> str:
        """Return where the log is."""
        assert target.instance is not None
        return f"log of {target.name}" + (f", {target.instance.log}" if target.instance.log else "")

    def observe(self, target: Target) -> LogReading:
        """Read and sort the lines. Raises CannotObserve for a log that is absent or empty."""
        platform = platform_of(target.system)
        reads = platform.can(ReadsLogs)  # type: ignore[type-abstract] # a protocol is asked for by its type
        lists = platform.can(Lists)  # type: ignore[type-abstract] # as above
        if isinstance(reads, Missing):
            raise CannotObserve(reads.reason, mend="read the log where the service runs")
        assert target.instance is not None
        text = reads.read_log(target.instance, limit_bytes=_LIMIT_BYTES)
        if not any(line.strip() for line in text.lines):
            raise CannotObserve("the log is empty", mend="check that the service logs to this place")
        started_at = None
        if not isinstance(lists, Missing):
            started_at = next((found.started_at for found in lists.list_instances() if found.name == target.name), None)
        return sort(text, taken_at=clock.now(), started_at=started_at)


def sort(text: LogText, *, taken_at: str, started_at: str | None) -> LogReading:
    """Sort a log's lines into what the criteria ask for."""
    entries = read(text.lines)
    times = [_time(entry) for entry in entries]
    known = [time for time in times if time is not None]
    window_begin = clock.parse(taken_at) - dt.timedelta(seconds=WINDOW_S)
    start = clock.parse(started_at) if started_at else None
    errors = [
        entry
        for entry, time in zip(entries, times, strict=True)
        if entry.level in ERROR_LEVELS and (time is None or time >= window_begin)
    ]
    since_start = [
        entry
        for entry, time in zip(entries, times, strict=True)
        if start is not None and time is not None and time >= start
    ]
    return LogReading(
        taken_at=taken_at,
        started_at=started_at,
        since_start=tuple(since_start[:_START]),
        tail=entries[-_TAIL:],
        errors_in_window=len(errors),
        first_errors=tuple(errors[:_SHOWN]),
        window_covered=_reaches_back(text, min(known, default=None), window_begin, start),
        newest_at=max(known).isoformat() if known else None,
        levels_known=any(entry.level in LEVELS for entry in entries),
    )


def _reaches_back(
    text: LogText, oldest: dt.datetime | None, window_begin: dt.datetime, start: dt.datetime | None
) -> bool:
    """Say whether a log reaches back to the window's begin, or to the start of an instance that is younger."""
    if oldest is None:
        return text.whole
    if oldest <= window_begin:
        return True
    return text.whole and (start is None or oldest <= start + dt.timedelta(seconds=_FIRST_WORDS_S))


def _time(entry: Entry) -> dt.datetime | None:
    try:
        return clock.parse(entry.at) if entry.at else None
    except ValueError:
        return None
