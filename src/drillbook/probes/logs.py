"""Logs: one reading of an instance's log serves every criterion about it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from .. import clock
from ..dialects import LEVELS, Entry
from ..model import CannotObserve, System, Target
from ..platforms import Lists, LogText, Missing, ReadsLogs, platform_of
from .base import ReadingProbe
from .blindness import lacks, unnamed
from .dated import FIRST_WORDS_S, Dated, Order, Unread, dated, order_of, sought, unread_among
from .http import per_instance

if TYPE_CHECKING:
    from collections.abc import Sequence

ERROR_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL", "PANIC", "ALERT", "EMERGENCY"})
WINDOW_S = 300
"""The runbook's "last 5 minutes"."""
_TAIL = 100
_SHOWN = 5
_LIMIT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LogReading:
    """What the criteria about logs need, read in one go."""

    taken_at: str
    started_at: str | None
    """When the instance last started, by its platform; None when the platform cannot say."""
    since_start: tuple[Entry, ...]
    """Of the entries since then, or without a time: the first that says each text that was looked for."""
    since_start_whole: bool
    """Whether all since then was searched: else a text that is not there may be."""
    tail: tuple[Entry, ...]
    """The last 100 entries."""
    errors_in_window: int
    """ERROR-level entries of the last five minutes (one without a time counts)."""
    first_errors: tuple[Entry, ...]
    window_covered: bool
    """Whether the reading reaches back to the window's beginning."""
    unread: Unread
    """The lines of the last five minutes that no dialect could read."""
    order: Order
    """How far the log's own times can be relied on."""
    newest_at: str | None
    levels_known: bool = True
    """Whether any entry says its level: without, the absence of errors says nothing."""
    start_unknown: str = ""
    """Why it cannot be said when the instance started, where the platform should say it and did not."""


@dataclass(frozen=True)
class Logs(ReadingProbe[LogReading]):
    """The log of every instance; ``seek`` is what the criteria look for since the start, however far back."""

    seek: tuple[str, ...] = ()
    reading: ClassVar[type[LogReading]] = LogReading
    timeout_s: ClassVar[float] = 30.0  # a connection, listing, reading and searching: each has its own, shorter limit

    def blind(self, system: System) -> str | None:
        """Return why there is no log to read."""
        return lacks(system, ReadsLogs, "reads logs") or unnamed(
            system, "log", "api.instances.log", named=any(one.log for one in system.instances)
        )

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
            raise CannotObserve(reads.reason, hint="read the log where the service runs")
        assert target.instance is not None
        text = reads.read_log(target.instance, limit_bytes=_LIMIT_BYTES)
        if not any(line.strip() for line in text.lines):
            raise CannotObserve("the log is empty", hint="check that the service logs to this place")
        started_at, start_unknown = None, ""
        try:
            if not isinstance(lists, Missing):
                states = lists.list_instances()
                started_at = next((found.started_at for found in states if found.name == target.name), None)
        except CannotObserve as error:  # what was read is there all the same
            start_unknown = f"{error.reason}; {error.hint}"
        read = sort(text, taken_at=clock.now(), started_at=started_at, seek=self.seek)
        if started_at is None or len(read.since_start) == len(self.seek):
            return replace(read, start_unknown=start_unknown)
        since_s = clock.parse(started_at).timestamp()
        return with_start(read, reads.search_log(target.instance, self.seek, since_s=since_s), self.seek)


def sort(text: LogText, *, taken_at: str, started_at: str | None, seek: tuple[str, ...] = ()) -> LogReading:
    """Sort a log's lines into what the criteria ask for."""
    found = dated(text)
    known = [one.at for one in found if one.at is not None]
    window_begin = clock.parse(taken_at) - dt.timedelta(seconds=WINDOW_S)
    start = clock.parse(started_at) if started_at else None
    window = [one.entry for one in found if one.at is None or one.at >= window_begin]
    errors = [entry for entry in window if is_error(entry)]
    earlier = [one.at for one in found if is_error(one.entry) and one.at is not None and one.at < window_begin]
    return LogReading(
        taken_at=taken_at,
        started_at=started_at,
        since_start=_since_start(found, start, seek),
        since_start_whole=start is not None and _reaches_back(text, min(known, default=None), start, start),
        tail=tuple(one.entry for one in found[-_TAIL:]),
        errors_in_window=len(errors),
        first_errors=tuple(errors[:_SHOWN]),
        window_covered=_reaches_back(text, min(known, default=None), window_begin, start),
        unread=unread_among(window),
        order=order_of(found, text, window_begin, earlier),
        newest_at=max(known).isoformat() if known else None,
        levels_known=any(one.entry.level in LEVELS for one in found),
    )


def is_error(entry: Entry) -> bool:
    """Say whether an entry is an error, lines that continue it apart."""
    return entry.level in ERROR_LEVELS and entry.state != "continuation"


def with_start(read: LogReading, found: LogText, seek: tuple[str, ...]) -> LogReading:
    """Return a reading with what a search of the whole log since the start has found."""
    assert read.started_at is not None
    entries = _since_start(dated(found), clock.parse(read.started_at), seek)
    if len(entries) < len(read.since_start):  # what was read is there, whatever a search says
        return read
    return replace(read, since_start=entries, since_start_whole=found.whole or read.since_start_whole)


def _since_start(found: Sequence[Dated], start: dt.datetime | None, seek: tuple[str, ...]) -> tuple[Entry, ...]:
    since = [one.entry for one in found if start is not None and (one.at is None or one.at >= start)]
    return sought(since, seek)


def _reaches_back(text: LogText, oldest: dt.datetime | None, begin: dt.datetime, start: dt.datetime | None) -> bool:
    """Say whether a log reaches back to a moment, or to the start of an instance that is younger.

    Where no start is known, only the moment counts: a log that was rotated just now is whole, and proves nothing.
    """
    if oldest is not None and oldest <= begin:
        return True
    if start is None:
        return False
    return text.whole and (oldest is None or oldest <= start + dt.timedelta(seconds=FIRST_WORDS_S))
