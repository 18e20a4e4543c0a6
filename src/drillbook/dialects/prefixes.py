"""What others put before a service's own line: Compose, Kubernetes, the journal, syslog."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from . import severity, times

if TYPE_CHECKING:
    import datetime as dt

PREFIXES = {
    "cri": r"(?P<time>\d{4}-\d\d-\d\dT\S+) (?:stdout|stderr) (?P<part>[FP])(?: |$)",
    "compose": r"(?P<host>[a-zA-Z][\w.-]{0,80})\s{0,60}\| ?(?!\|)",
    "kubectl": r"\[(?:pod|container)/[^\]\s]{1,200}\] ",
    "syslog-5424": r"<(?P<pri>\d{1,3})>1 (?P<time>\S{1,40}) \S{1,255} \S{1,128} \S{1,128} \S{1,128} "
    r'(?:-|(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+)(?: \ufeff?|$)',
    "syslog-3164": r"<(?P<pri>\d{1,3})>(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?:(?P<host>[\w.:-]{1,255}) )??"
    r"[\w./@-]{1,100}(?:\[\d{1,10}\])?: ",
    "journal": r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?|\d{4}-\d\d-\d\dT[\d:.,]+[+-]\d\d:?\d\d)"
    r" (?P<host>[\w.:-]{1,255}) [\w./@\\-]{1,200}(?:\[\d{1,10}\])?: ",
    "priority": r"<(?P<pri>\d{1,3})>",
}
"""By the program that writes it. ``time``, ``pri`` (syslog's priority) and ``part`` (a line's part) are read."""
_COMPILED = {name: re.compile(pattern) for name, pattern in PREFIXES.items()}
_SYSLOG = tuple(_COMPILED[name] for name in ("syslog-5424", "syslog-3164", "priority"))
_KUBECTL = (_COMPILED["kubectl"],)
_DIGIT = (_COMPILED["cri"], _COMPILED["journal"])
_LETTER = (_COMPILED["journal"], _COMPILED["compose"])
_MOST = 4


class Peeled(NamedTuple):
    """A line without what others put before it."""

    text: str
    at: str | None = None
    level: str = ""
    whole: bool = True
    """False for a line that goes on in the next one (CRI's ``P``)."""
    zoned: bool = False


def peel(line: str, zone: dt.tzinfo, now: dt.datetime) -> Peeled:
    """Take off what stands before a service's own line; its time and priority are kept for a line without."""
    found = Peeled(line)
    for _ in range(_MOST):
        match = next((match for one in _candidates(found.text) if (match := one.match(found.text))), None)
        if match is None or severity.named((match.groupdict().get("host") or "").strip("[]:")):
            break
        found = _without(match, found, zone, now)
    return found


def _candidates(text: str) -> tuple[re.Pattern[str], ...]:
    first = text[:1]
    if first.isdigit():
        return _DIGIT if text[10:11] == "T" else ()
    if first == "<":
        return _SYSLOG
    if first == "[":
        return _KUBECTL if text.startswith(("[pod/", "[container/")) else ()
    return _LETTER if first.isalpha() else ()


def _without(match: re.Match[str], outer: Peeled, zone: dt.tzinfo, now: dt.datetime) -> Peeled:
    said = match.groupdict()
    at, level, zoned = outer.at, outer.level, outer.zoned
    if at is None and said.get("time"):
        at = times.lead(said["time"], 0, zone, now)[0]
        zoned = at is not None and times.zoned(at, said["time"])
    if said.get("pri"):
        level = level or severity.numbered(int(said["pri"]) % 8, "syslog")
    return Peeled(match.string[match.end() :], at, level, outer.whole and said.get("part") != "P", zoned)
