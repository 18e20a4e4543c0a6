"""The lines of a log: its end within a limit, and what was said since a moment."""

from __future__ import annotations

import json
import re
from typing import Any

from .. import clock
from ..model import CannotObserve
from .capabilities import LogText

_TIME = re.compile(r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)( ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?")
_KEYS = ("timestamp", "time", "ts", "@timestamp")


def last(found: list[str], limit_bytes: int, *, whole: bool) -> LogText:
    """Return the last lines within the limit; ``whole`` says whether ``found`` begins where the log does."""
    size = 0
    for count, line in enumerate(reversed(found)):
        size += len(line.encode()) + 1
        if size > limit_bytes:
            return LogText(tuple(found[len(found) - count :]), whole=False)
    return LogText(tuple(found), whole=whole)


def since(text: LogText, since_s: float) -> LogText:
    """Return the lines dated at or after a moment; a line without a time belongs to the one before it.

    Raises:
        CannotObserve: none of the lines carries a time.
    """
    times = [_time(line) for line in text.lines]
    if text.lines and not any(times):
        raise CannotObserve("no line of the log says when it was written", mend="log JSON lines, or [time] LEVEL text")
    kept: list[str] = []
    inside, reached = False, text.whole
    for line, at in zip(text.lines, times, strict=True):
        if at is not None:
            inside = at >= since_s
            reached = reached or not inside
        if inside:
            kept.append(line)
    return LogText(tuple(kept), whole=reached)


def _time(line: str) -> float | None:
    """Return when a line was written, in seconds since the epoch; None when it does not say."""
    plain = _TIME.match(line)
    if plain is not None:
        zone = (plain[2] or "").strip().replace("GMT", "Z").replace("UTC", "Z")
        return _seconds(plain[1].replace(",", ".").replace(" ", "T") + zone)
    if not line.startswith("{"):
        return None
    try:
        row: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return next((_seconds(str(row[key])) for key in _KEYS if row.get(key)), None)


def _seconds(text: str) -> float | None:
    try:
        return clock.parse(text).timestamp()
    except ValueError:
        return None
