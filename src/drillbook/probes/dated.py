"""Log entries with their times, and how far these can be relied on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import clock, dialects
from ..dialects import LEVELS, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..platforms import LogText

FIRST_WORDS_S = 30
"""A service says something within so many seconds of its start: a log that begins later has lost its beginning."""
_SHOWN = 2
_LAST_LINES = 50
"""Among these the newest time that the log itself says is looked for, where the platform keeps times."""


@dataclass(frozen=True, slots=True)
class Dated:
    """An entry and its time: the platform's where it keeps times, else its own, else that of the entry it follows."""

    entry: Entry
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Unread:
    """Lines that no dialect could read."""

    lines: int
    of: int
    """Of so many."""
    with_error_word: int
    shown: tuple[str, ...]
    """Two of them, first those that speak of an error."""


@dataclass(frozen=True, slots=True)
class Order:
    """How far a log's own times can be relied on."""

    ran_back_s: float = 0.0
    """By how much the time ran backwards, where that may concern the window."""
    behind_s: float = 0.0
    """How much older the newest entry is than the last write."""
    last_is_dated: bool = False
    """Whether the last entry itself carries a time: else what was written last is younger than it is taken for."""
    may_be_new: int = 0
    """ERROR entries before the window that lie within it if the clock is late by ``behind_s``."""


def dated(text: LogText) -> tuple[Dated, ...]:
    """Return the entries of a log's lines.

    Lines before the first time of a log that is whole are no younger than it. At the head of a log that was cut they
    belong to an entry that was not read, and are left out.
    """
    entries = dialects.read(_stamped(text))
    times = [_time(entry.at) for entry in entries]
    head = next((index for index, at in enumerate(times) if at is not None), 0)
    if not text.whole:
        entries, times, head = entries[head:], times[head:], 0
    times[:head] = [times[head]] * head if head else []
    return tuple(
        Dated(entry if entry.at or at is None else replace(entry, at=at.isoformat()), at)
        for entry, at in zip(entries, times, strict=True)
    )


def _stamped(text: LogText) -> Iterable[str]:
    """Return the lines, where the platform keeps times as Kubernetes keeps them: with these before each line."""
    if not text.written_s:
        return text.lines
    times = (dt.datetime.fromtimestamp(at, dt.UTC).isoformat() for at in text.written_s)
    return (f"{at} stdout F {line}" for at, line in zip(times, text.lines, strict=True))


def order_of(
    found: Sequence[Dated], text: LogText, window_begin: dt.datetime, earlier_errors: Sequence[dt.datetime]
) -> Order:
    """Compare a log's own times with one another and with its last write."""
    known = [one.at for one in found if one.at is not None]
    newest, last_is_dated = _newest_own(found, text)
    behind_s = 0.0
    if text.last_write_s is not None and newest is not None:
        behind_s = max(0.0, text.last_write_s - newest.timestamp())
    late = dt.timedelta(seconds=0 if text.written_s else behind_s)  # the platform's times need no mending
    return Order(
        ran_back_s=round(_ran_back_s(known, window_begin), 3),
        behind_s=round(behind_s, 3),
        last_is_dated=last_is_dated,
        may_be_new=sum(at + late >= window_begin for at in earlier_errors),
    )


def _newest_own(found: Sequence[Dated], text: LogText) -> tuple[dt.datetime | None, bool]:
    """Return the last time that the log itself says, and whether its last entry says it."""
    if not text.written_s:
        times = [one.at for one in found if one.entry.state != "continuation"]
        return next((at for at in reversed(times) if at is not None), None), bool(times) and times[-1] is not None
    own = [_time(dialects.parse(line).at) for line in text.lines[-_LAST_LINES:] if line.strip()]
    return next((at for at in reversed(own) if at is not None), None), bool(own) and own[-1] is not None


def _ran_back_s(times: Sequence[dt.datetime], window_begin: dt.datetime) -> float:
    """Return the largest step back that a later entry has not caught up with before the window began."""
    newest, back_s = None, 0.0
    for at in times:
        if newest is not None and at < newest:
            back_s = max(back_s, (newest - at).total_seconds())
        else:
            newest = at
            if at < window_begin:
                back_s = 0.0
    return back_s


def unread_among(entries: Sequence[Entry]) -> Unread:
    """Return what of these entries could not be read."""
    unread = [one for one in entries if one.state == "unread"]
    speaking = [one for one in unread if one.names_trouble]
    shown = (*speaking, *(one for one in unread if not one.names_trouble))[:_SHOWN]
    return Unread(len(unread), len(entries), len(speaking), tuple(one.message[:200] for one in shown))


def first_said(entries: Sequence[Entry], text: str) -> int | None:
    """Return the place of the first entry that begins with a text, at INFO."""
    said = (place for place, one in enumerate(entries) if one.level == "INFO" and one.begins_with(text))
    return next((place for place in said if entries[place].state == "understood" and entries[place].at), None)


def held_in_doubt(entries: Sequence[Entry], text: str) -> Entry | None:
    """Return an entry that holds a text, of which the level or the time is not known."""
    return next((one for one in entries if text in one.message and (one.at is None or one.level not in LEVELS)), None)


def sought(entries: Sequence[Entry], texts: Sequence[str]) -> tuple[Entry, ...]:
    """Return, in the log's order, for each text the first entry that says it, else one that may."""
    places = set()
    for text in texts:
        place = first_said(entries, text)
        if place is not None:
            places.add(place)
        elif (doubt := held_in_doubt(entries, text)) is not None:
            places.add(entries.index(doubt))
    return tuple(entries[place] for place in sorted(places))


def _time(at: str | None) -> dt.datetime | None:
    try:
        return clock.parse(at) if at else None
    except ValueError:
        return None
