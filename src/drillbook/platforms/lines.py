"""The lines of a log: its end within a limit, what was said since a moment, and time, level and message of each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .. import clock
from ..model import CannotObserve
from .capabilities import LogText

_TIME = re.compile(r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)( ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?")
_KEYS = ("timestamp", "time", "ts", "@timestamp")
_LEVEL_KEYS = ("level", "severity", "levelname", "lvl", "log.level")
_MESSAGE_KEYS = ("message", "msg", "event")
_ALIASES = {
    "TRACE": "DEBUG", "VERBOSE": "DEBUG", "INFORMATION": "INFO", "WARN": "WARNING",
    "ERR": "ERROR", "SEVERE": "ERROR", "CRIT": "CRITICAL", "EMERG": "EMERGENCY",
    "10": "DEBUG", "20": "DEBUG", "30": "INFO", "40": "WARNING", "50": "ERROR", "60": "FATAL",  # pino, bunyan
}  # fmt: skip
LEVELS = frozenset(("DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "FATAL", "PANIC", "ALERT", "EMERGENCY"))
_WORDS = "|".join(sorted({*LEVELS, *(name for name in _ALIASES if name.isalpha())}, key=len, reverse=True))
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CRASH = re.compile(r"^Traceback \(most recent call last\)|^panic:|^fatal error:|^thread '.*' .*panicked")
_STAMP = re.compile(r"^\[?(?P<at>\d{4}-\d\d-\d\dT\S+?)\]?(?:\s+|$)|^\[?\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d\S*\s*")
_PLAIN = re.compile(
    rf"^(?:\S+\s+){{0,4}}?[\[(<|]?(?P<level>{_WORDS})[\])>|]?(?:[:\s|-]+|$)(?P<message>.*)$"  # as a word of its own
    rf"|^\s*(?:[\[(<](?P<marked>(?i:{_WORDS}))[\])>]|(?P<named>(?i:{_WORDS})):)\s*(?P<rest>.*)$",  # in any case
    re.DOTALL,
)
_LOGFMT = re.compile(r'(?:^|\s)(?:level|lvl|severity)="?(?P<level>\w+)"?(?=\s|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One log line: time (None when it carries none), level and message as separate fields."""

    at: str | None
    level: str
    message: str


def parse(line: str) -> Entry:
    """Parse one line: JSON with the usual names, logfmt, else text with a time and a level before its message.

    Levels come back under one name each, whatever the logger calls them (``err``, ``50``, ``SEVERE``: ERROR); a crash
    that no logger wrote is an ERROR.
    """
    line = _COLOUR.sub("", line)
    if line.startswith("{"):
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError:
            return Entry(None, "", line)
        return Entry(_first(row, _KEYS) or None, level_name(_first(row, _LEVEL_KEYS)), _first(row, _MESSAGE_KEYS))
    if _CRASH.match(line):
        return Entry(None, "ERROR", line)
    stamp = _STAMP.match(line)
    at: str | None = stamp["at"] if stamp else None
    text = line[stamp.end() :] if stamp else line
    if fields := _LOGFMT.search(text):
        return Entry(at, level_name(fields["level"]), text)
    found = _PLAIN.match(text)
    if found is None:
        return Entry(at, "", text)
    level = found["level"] or found["marked"] or found["named"]
    return Entry(at, level_name(level), found["message"] or found["rest"] or "")


def level_name(said: str) -> str:
    """Return a level's one name, or what was said in capitals."""
    return _ALIASES.get(said.upper(), said.upper())


def _first(row: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(row[key]) for key in keys if row.get(key) is not None), "")


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
