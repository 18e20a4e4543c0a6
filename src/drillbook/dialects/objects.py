"""Entries that are JSON objects: the names that loggers give to time, level and message, as tables.

A level may stand under a dotted name, within another object, as a word or as a number on the logger's own scale.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import severity, times
from .entry import Entry

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

TIMES = (
    "timestamp", "time", "ts", "@timestamp", "t", "@t", "asctime", "timeUnixNano", "Timestamp", "timeMillis",
    "datetime", "date", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "eventTime", "observedTimeUnixNano",
    "observed_timestamp", "Time", "instant.epochSecond", "record.time.timestamp",
)  # fmt: skip
LEVELS = {
    "level": "", "severity": "", "levelname": "", "lvl": "", "log.level": "", "severity_text": "otel",
    "severityText": "otel", "SeverityText": "otel", "LogLevel": "", "@l": "", "loglevel": "", "log_level": "",
    "logLevel": "", "level_name": "", "Level": "", "Severity": "", "levelno": "python", "level_number": "python",
    "severity_number": "otel", "severityNumber": "otel", "SeverityNumber": "otel", "PRIORITY": "syslog",
    "record.level.name": "", "syslog.severity.code": "syslog", "@level": "",
}  # fmt: skip
"""Names of the level, with the scale of its number; an empty scale is told by the other fields."""
MESSAGES = (
    "message", "msg", "event", "short_message", "body", "Body", "MESSAGE", "@m", "@mt", "Message", "fields.message",
    "body.stringValue", "record.message", "text", "@message", "RenderedMessage", "MessageTemplate",
)  # fmt: skip
_PYTHON_OWN = frozenset(("levelname", "asctime", "lineno", "funcName", "func_name", "logger", "module"))
_ACCESS = frozenset(("status", "status_code", "response_code", "statusCode", "responseStatus"))
_ASKED = frozenset(("method", "request_method", "request", "path", "uri", "url", "requestPath"))
_RECORDS = ("resourceLogs", "scopeLogs", "logRecords")
_DECODER = json.JSONDecoder(strict=False)


def decode(text: str, begin: int) -> tuple[dict[str, Any], int] | None:
    """Return the JSON object that stands at a place of a line and where it ends; None when none can be read there.

    Raw control characters within strings are taken as they are: loggers that build JSON by hand write them.
    """
    try:
        row, end = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return None
    return (row, end) if isinstance(row, dict) else None


def entries(
    row: dict[str, Any], zone: dt.tzinfo, now: dt.datetime, within: Callable[[str], list[Entry]]
) -> list[Entry]:
    """Return what an object says: itself, the records of an OpenTelemetry export, or the line that it wraps.

    ``within`` reads a wrapped line (Docker's ``log``, the journal's ``MESSAGE``).
    """
    if "resourceLogs" in row:
        return [_entry(record, zone, now) for record in _records(row, _RECORDS)]
    if "stream" in row and isinstance(row.get("log"), str):
        at = _time(row, zone, now)
        return [Entry(at or one.at, one.level, one.message, one.state, one.logger) for one in within(row["log"])]
    if "PRIORITY" in row and "MESSAGE" in row:
        return [_journal(row, zone, now, within)]
    return [_entry(row, zone, now)]


def _records(row: dict[str, Any], names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if not names:
        yield row
        return
    inner = row.get(names[0])
    for part in inner if isinstance(inner, list) else ():
        if isinstance(part, dict):
            yield from _records(part, names[1:])


def level(row: dict[str, Any]) -> str:
    """Return the level that an object says, or an empty text: a name in our tables first, in any nesting they list."""
    for name, scale in LEVELS.items():
        said = _field(row, name)
        if isinstance(said, dict):
            said = said.get("name")
        if said is None or said == "" or isinstance(said, (bool, list)):
            continue
        if found := _level_of(said, scale, row):
            return found
    return "INFO" if "@t" in row and "@l" not in row and ("@m" in row or "@mt" in row) else ""


def _level_of(said: Any, scale: str, row: dict[str, Any]) -> str:
    if isinstance(said, str):
        if word := severity.named(said):
            return word
        try:
            said = float(said)
        except ValueError:
            return ""
    return severity.numbered(said, scale or _scale(said, row))


def _scale(number: float, row: dict[str, Any]) -> str:
    if number <= 7 or "short_message" in row:  # noqa: PLR2004 - GELF and syslog end at 7, the others begin at 10
        return "syslog"
    return "python" if not _PYTHON_OWN.isdisjoint(row) else "pino"


def _entry(row: dict[str, Any], zone: dt.tzinfo, now: dt.datetime) -> Entry:
    at, said, message = _time(row, zone, now), level(row), _message(row)
    if said or (not _ACCESS.isdisjoint(row) and not _ASKED.isdisjoint(row)):
        return Entry(at, said, message)
    return Entry(at, "", message or json.dumps(row, ensure_ascii=False), "unread")


def _journal(row: dict[str, Any], zone: dt.tzinfo, now: dt.datetime, within: Callable[[str], list[Entry]]) -> Entry:
    """Read the journal's JSON: standard output comes in at 6 (informational), so there the line's own level counts."""
    at, said, text = _time(row, zone, now), level(row), _message(row)
    inner = within(text) if said in {"INFO", ""} else []
    if inner and inner[0].level:
        return Entry(at or inner[0].at, inner[0].level, inner[0].message, logger=inner[0].logger)
    return Entry(at, said, text, "understood" if said else "unread")


def _time(row: dict[str, Any], zone: dt.tzinfo, now: dt.datetime) -> str | None:
    for name in TIMES:
        said = _field(row, name)
        if said is None:
            continue
        if isinstance(said, str) and said.isdigit():
            said = int(said[:20])
        if found := times.value(said, zone, now):
            return found
    return None


def _message(row: dict[str, Any]) -> str:
    for name in MESSAGES:
        said = _field(row, name)
        if isinstance(said, str):
            return said
        if isinstance(said, list) and name == "MESSAGE":
            return bytes(part for part in said if isinstance(part, int) and 0 <= part <= 255).decode(errors="replace")  # noqa: PLR2004 - bytes
        if said is not None and not isinstance(said, dict):
            return str(said)
    return ""


def _field(row: dict[str, Any], name: str) -> Any:
    """Return a field by its name, or by its dotted name's way through the objects within; None without it."""
    if name in row:
        return row[name]
    if "." not in name:
        return None
    found: Any = row
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found
