"""Reads a log's lines one after the other: each is understood, goes on with the one before, or is unread."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from . import objects, severity, texts, times
from .entry import Entry
from .prefixes import Peeled, peel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_LEVEL_KEYS = ("level", "lvl", "severity", "log.level", "loglevel", "log_level")
_TIME_KEYS = ("time", "ts", "t", "timestamp", "@timestamp")
_MESSAGE_KEYS = ("msg", "message", "event")
_ERROR, _WARNING = severity.NUMBERS["ERROR"], severity.NUMBERS["WARNING"]
_LONGEST_OBJECT = 500
_MOST_BRACES = 4
_FIRST_PAIR = 80
_INDENTED = "  "
_AROUND = "\ufeff\r\n\x00"
_TIME_AHEAD = re.compile(r"[\[(]?(?:\d|[A-Z][a-z]{2},? [ \dA-Z])")


class Reader:
    """Reads lines in order, since some say what they mean only with the line before."""

    def __init__(self, zone: dt.tzinfo, now: dt.datetime) -> None:
        self._zone, self._now = zone, now
        self._last: Entry | None = None
        self._in_trace = False
        self._part = ""
        self._object: list[str] = []
        self._announced: str | None = None

    def lines(self, lines: Iterable[str]) -> list[Entry]:
        """Return the entries of all lines. Undated ones have the time of the entry that they follow."""
        found: list[Entry] = []
        for line in lines:
            for entry in self._line(line):
                self._keep(entry, found)
        for entry in self._rest():
            self._keep(entry, found)
        return _with_times(found)

    def _keep(self, entry: Entry, found: list[Entry]) -> None:
        if entry.state == "continuation":
            if found and _awaits_message(found[-1]):
                self._last = found[-1] = replace(found[-1], message=entry.message.strip())
                return
            entry = self._joined(entry)
        else:
            self._in_trace = entry.state == "understood" and texts.CRASH.match(entry.message) is not None
            self._last = entry
        found.append(entry)

    def _joined(self, entry: Entry) -> Entry:
        """Give a line the level of the entry it belongs to; what belongs to an unread one is unread."""
        if self._last is None:
            return entry
        state = "unread" if self._last.state == "unread" else "continuation"
        return replace(entry, level=self._last.level, state=state)  # type: ignore[arg-type] # the literal is lost

    def _line(self, line: str) -> list[Entry]:
        text = line.strip(_AROUND)
        if "\x1b" in text:
            text = _COLOUR.sub("", text)
        if not text or text.isspace():
            return []
        if text[0] == "{" and not self._part and not self._object and (found := self._whole_object(text)):
            return found
        peeled = peel(text, self._zone, self._now)
        if not peeled.whole:
            self._part += peeled.text
            return []
        body, self._part = self._part + peeled.text, ""
        if self._object or body.rstrip() == "{":
            return self._object_line(body)
        if not body or body.isspace():
            return []
        found = self._body(body)
        return found if peeled.at is None and not peeled.level else [_within(peeled, one) for one in found]

    def _object_line(self, body: str) -> list[Entry]:
        """Gather an object that is printed over several lines, until its last line or until it cannot be one."""
        self._object.append(body)
        if body.rstrip() != "}" and len(self._object) < _LONGEST_OBJECT:
            return []
        return self._rest()

    def _rest(self) -> list[Entry]:
        lines, self._object = self._object, []
        if self._part:
            lines, self._part = [*lines, self._part], ""
        if not lines:
            return []
        if decoded := objects.decode("\n".join(lines), 0):
            return objects.entries(decoded[0], self._zone, self._now, self._wrapped)
        return [Entry(None, "", line, "unread") for line in lines]

    def _wrapped(self, line: str) -> list[Entry]:
        body = line.strip(_AROUND)
        return self._body(body) if body and not body.isspace() else []

    def _whole_object(self, body: str) -> list[Entry]:
        if (decoded := objects.decode(body, 0)) is None:
            return []
        found = objects.entries(decoded[0], self._zone, self._now, self._wrapped)
        return found if decoded[1] == len(body) else found + self._after(body[decoded[1] :])

    def _body(self, body: str) -> list[Entry]:
        if body[0] == "{" and (found := self._whole_object(body)):
            return found
        if body[0] in " \t":
            return self._indented(body)
        return self._text(body)

    def _after(self, rest: str) -> list[Entry]:
        """Read what follows an object on its line: another entry, or words that belong to it."""
        rest = rest.strip(" \t,")
        if not rest:
            return []
        found = self._body(rest)
        if found and found[0].state == "unread" and not found[0].names_trouble:
            return [Entry(None, "", rest, "continuation")]
        return found

    def _indented(self, body: str) -> list[Entry]:
        text = body.lstrip()
        dated = times.lead(text, 1 if text[0] in "[(" else 0, self._zone, self._now)[1] > 1
        shallow = not body.startswith((_INDENTED * 2, "\t")) and not self._in_trace
        if text.startswith("{") or dated or shallow:
            found = self._body(text)
            if found and found[0].state == "understood" and (found[0].level or dated):
                return found
        if self._last is None and not texts.is_frame(text):
            return [Entry(None, "", body, "unread")]
        return [Entry(None, "", body, "continuation")]

    def _text(self, body: str) -> list[Entry]:
        if (special := self._special(body)) is not None:
            return [special]
        begin = 1 if body[0] in "[(" else 4 if body[1:4] == ", [" else 0  # Ruby's "I, ["
        at, end = times.lead(body, begin, self._zone, self._now)
        if end == begin:
            return self._undated(body)
        rest = body[end + 1 :] if body[end : end + 1] in ("]", ")") else body[end:]
        return self._dated(at, rest.removeprefix(" "), body)

    def _special(self, body: str) -> Entry | None:
        """Read the dialects whose time or level is no time or level elsewhere."""
        first = body[0]
        if first in "IWEF" and (found := texts.KLOG.match(body)):
            at = times.dated(int(found["month"]), int(found["day"]), found["clock"], self._zone, self._now)
            return Entry(at, severity.named(found["level"]), body[found.end() :])
        if first.isdigit() and (found := texts.REDIS.match(body)):
            at, end = times.lead(body, found.end(), self._zone, self._now)
            if at and (level := texts.REDIS_MARKS.get(body[end + 1 : end + 2])):
                return Entry(at, level, body[end + 3 :])
        if first.isdigit() and (found := texts.REDIS_SIGNAL.match(body)):
            return Entry(times.epoch(float(found["time"])), "NOTICE", body[found.end() :])
        if first.isupper() and (found := texts.LOGRUS.match(body)) and (level := severity.named(found["level"])):
            at = times.value(found["time"], self._zone, self._now)
            return Entry(at, level, body[found.end() :].rstrip())
        if "[" in body[1:120] and (found := texts.ACCESS.match(body) or texts.HAPROXY.match(body)):
            return Entry(times.value(found["time"], self._zone, self._now), "", body)
        return None

    def _crash(self, body: str) -> Entry:
        """Last words are an ERROR of their own, but a traceback after an ERROR entry is that entry's."""
        last = self._last
        if last and severity.NUMBERS.get(last.level, 0) >= _ERROR and body.startswith(("Traceback", "Exception in")):
            self._in_trace = True
            return Entry(None, "", body, "continuation")
        return Entry(None, "ERROR", body)

    def _dated(self, at: str | None, rest: str, body: str) -> list[Entry]:
        text = rest.lstrip()
        if text.startswith("{") and (found := self._whole_object(text)):
            return [replace(entry, at=at or entry.at) for entry in found]
        if "=" in text[:_FIRST_PAIR] and (pair := self._pairs(at, text)):
            return [pair]
        if _TIME_AHEAD.match(text) and times.lead(text, 1 if text[0] in "[(" else 0, self._zone, self._now)[0]:
            return [replace(entry, at=at or entry.at) for entry in self._text(text)]
        if row := _row(rest, at, dated=True):
            return [row]
        if texts.JUL.match(body):
            self._announced = at
            return []
        return [self._embedded(body, at) or Entry(at, "", body, "unread")]

    def _undated(self, body: str) -> list[Entry]:
        at, self._announced = self._announced, None
        if texts.CRASH.match(body):
            return [self._crash(body)]
        if "=" in body[:_FIRST_PAIR] and (pair := self._pairs(at, body)):
            return [pair]
        if self._belongs(body):
            return [Entry(None, "", body, "continuation")]
        if found := _row(body, at, dated=False):
            if not _TIME_AHEAD.match(found.message):
                return [found]
            said, end = times.lead(found.message, 1 if found.message[0] in "[(" else 0, self._zone, self._now)
            message = found.message[end:].lstrip(" ])|:-\t") if said else found.message
            return [replace(found, at=said or at, message=message)]
        return [self._embedded(body, at) or Entry(at, "", body, "unread")]

    def _belongs(self, body: str) -> bool:
        last = self._last
        if last is None:
            return False
        if texts.is_frame(body):
            return True
        return texts.is_summary(body) and (self._in_trace or severity.NUMBERS.get(last.level, 0) >= _WARNING)

    def _pairs(self, at: str | None, text: str) -> Entry | None:
        found = texts.pairs(text)
        level = next((level for key in _LEVEL_KEYS if (level := severity.named(found.get(key, "")))), "")
        if not level:
            return None
        said = next((found[key] for key in _TIME_KEYS if key in found), None)
        message = next((found[key] for key in _MESSAGE_KEYS if key in found), text)
        return Entry(at or times.value(said, self._zone, self._now), level, message)

    def _embedded(self, body: str, at: str | None) -> Entry | None:
        """Find an object that says a level after words that say none."""
        place = -1
        for _ in range(_MOST_BRACES):
            place = body.find("{", place + 1)
            if place < 0:
                return None
            if decoded := objects.decode(body, place):
                found = objects.entries(decoded[0], self._zone, self._now, self._wrapped)
                return replace(found[0], at=at or found[0].at) if found and found[0].level else None
        return None


def _row(text: str, at: str | None, *, dated: bool) -> Entry | None:
    for row, pattern in texts.rows(text[:1], dated):
        if (found := pattern.match(text)) is None:
            continue
        if row.level:
            return Entry(at, "", text, "continuation" if row.level == "same" else "understood")
        if level := severity.named(found["level"]):
            logger = found["logger"] if "logger" in pattern.groupindex else ""
            if logger:
                return Entry(at, level, text[found.end() :], "understood", logger)
            message, logger = texts.without_name(text, found.end())
            return Entry(at, level, message, "understood", logger)
    return None


def _within(outer: Peeled, entry: Entry) -> Entry:
    at = outer.at if outer.zoned else entry.at or outer.at
    if entry.level or not outer.level:
        return replace(entry, at=at)
    state = "understood" if entry.state == "unread" else entry.state
    return replace(entry, at=at, level=outer.level, state=state)


def _awaits_message(entry: Entry) -> bool:
    """Say whether an entry's message stands on the next line (.NET's console)."""
    return not entry.message and entry.state == "understood" and bool(entry.logger)


def _with_times(found: list[Entry]) -> list[Entry]:
    """Give undated lines the time of the entry they follow.

    An undated entry of its own after the last dated one stays undated: it may be new, and so it counts as new.
    """
    if all(entry.at for entry in found):
        return found
    last_dated = max((i for i, entry in enumerate(found) if entry.at and entry.state != "continuation"), default=-1)
    return list(_timed(found, last_dated))


def _timed(found: list[Entry], last_dated: int) -> Iterator[Entry]:
    before: str | None = None
    for i, entry in enumerate(found):
        if entry.at is None and before is not None:
            follows = entry.state == "continuation" or i < last_dated or texts.CRASH.match(entry.message)
            yield replace(entry, at=before) if follows else entry
        else:
            yield entry
            before = entry.at or before
