"""What log lines say, in the dialects of the loggers that people use: time, level, message of each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """One log line: time, level and message as separate fields."""

    at: str | None
    """RFC 3339; None when the line carries no time."""
    level: str
    """One of ``LEVELS``, or empty when the line says none."""
    message: str
    """Without time, level and the logger's own name; an unread line whole."""
    state: Literal["understood", "continuation", "unread"] = "understood"
    """``continuation``: belongs to the entry before it (a traceback's lines), and has that entry's time."""


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


def read(lines: Iterable[str]) -> tuple[Entry, ...]:
    """Return an entry for each line that is not blank, in order."""
    return tuple(parse(line) for line in lines if line.strip())
