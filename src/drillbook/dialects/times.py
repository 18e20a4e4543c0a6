"""Times as loggers write them, as RFC 3339.

A time without a zone is taken for one in the zone that the caller names: containers and most servers run in UTC.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

_MONTHS = {
    name: i + 1 for i, name in enumerate("JanFebMarAprMayJunJulAugSepOctNovDec"[i : i + 3] for i in range(0, 36, 3))
}
_MONTH = "|".join(_MONTHS)
_ZONES = {"UTC": 0, "GMT": 0, "WET": 0, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "EST": -5, "EDT": -4, "CDT": -5,
          "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "JST": 9}  # fmt: skip
_CLOCK = r"(?P<{p}clock>\d\d:\d\d:\d\d)(?:[.,](?P<{p}part>\d{{1,9}}))?"
_ISO = re.compile(
    r"(?P<day>\d{4}[-/]\d\d[-/]\d\d)[Tt _](?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,9}))?"
    rf"(?: ?(?P<zone>[Zz](?!\w)|[+-]\d\d:?\d\d(?!\d)|(?:{'|'.join(_ZONES)})\b))?"
)
_ACCESS = rf"(?P<a>\d\d)/(?P<am>{_MONTH})/(?P<ay>\d{{4}}):{_CLOCK.format(p='a')}(?: (?P<az>[+-]\d{{4}}))?"
_REDIS = rf"(?P<b>\d\d?) (?P<bm>{_MONTH}) (?P<by>\d{{4}}) {_CLOCK.format(p='b')}"
_SYSLOG = (
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?P<cm>{_MONTH}) (?P<c> ?\d\d?) {_CLOCK.format(p='c')}"
    r"(?: (?P<cy>\d{4})(?!\d))?"
)
_JAVA = rf"(?P<dm>{_MONTH}) (?P<d>\d\d?), (?P<dy>\d{{4}}),? (?P<dclock>\d\d?:\d\d:\d\d)\s(?P<dpm>[AP]M)"
_OTHERS = re.compile(f"{_ACCESS}|{_REDIS}|{_SYSLOG}|{_JAVA}")
_NAMED_DAY = re.compile(r"[A-Z][a-z]{2},? [ \dA-Z]")
_EPOCH = re.compile(r"(?P<whole>1\d{9}|2\d{9})(?:(?P<part>\.\d{1,9})|(?P<more>\d{3}|\d{6}|\d{9}))?(?![\w.:-])")
_CLOCK_ONLY = re.compile(r"\d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:[AP]M)?(?=[\s|\]])")
_EPOCH_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_EARLIEST_S, _LATEST_S = 1e8, 4e9


def lead(text: str, begin: int, zone: dt.tzinfo, now: dt.datetime) -> tuple[str | None, int]:
    """Return the time that stands at a place of a line, and where it ends: ``begin`` when none stands there.

    A time of day alone is passed over and gives None: which day it was cannot be told.
    """
    if text[begin : begin + 1].isdigit():
        if found := _ISO.match(text, begin):
            return _iso(found, zone), found.end()
        if found := _OTHERS.match(text, begin):
            return _other(found, zone, now), found.end()
        if found := _EPOCH.match(text, begin):
            return epoch(float(found[0])), found.end()
        found = _CLOCK_ONLY.match(text, begin)
        return None, found.end() if found else begin
    if _NAMED_DAY.match(text, begin) and (found := _OTHERS.match(text, begin)):
        return _other(found, zone, now), found.end()
    return None, begin


def value(said: Any, zone: dt.tzinfo, now: dt.datetime) -> str | None:
    """Return the time that a field's value means, None for one that is no time."""
    if isinstance(said, str):
        text = said.strip()
        at, end = lead(text, 0, zone, now)
        return at if end == len(text) else None
    if isinstance(said, (int, float)) and not isinstance(said, bool):
        return epoch(said)
    return None


def zoned(at: str, text: str) -> bool:
    """Say whether a time was written with its zone and its year, in this text."""
    found = _ISO.search(text)
    return bool(at) and found is not None and found["zone"] is not None


def epoch(number: float) -> str | None:
    """Return the time of seconds, milliseconds, microseconds or nanoseconds since 1970, whichever it must be."""
    seconds = number / next((unit for least, unit in _EPOCH_UNITS if number >= least), 1.0)
    if not _EARLIEST_S <= seconds <= _LATEST_S:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def dated(month: int, day: int, clock: str, zone: dt.tzinfo, now: dt.datetime) -> str | None:
    """Return the time of a date without a year: the latest such date that is not more than a day in the future."""
    local = now.astimezone(zone)
    for year in (local.year + 1, local.year, local.year - 1):
        at = _built(f"{year:04}-{month:02}-{day:02}T{clock}", zone)
        if at is not None and at <= local + dt.timedelta(days=1):
            return at.isoformat()
    return None


def _iso(found: re.Match[str], zone: dt.tzinfo) -> str | None:
    day, clock, part, said = found.groups()
    text = f"{day.replace('/', '-')}T{clock}"
    if part:
        text = f"{text}.{part}"
    if said is None:
        at = _built(text, zone)
        return at.isoformat() if at else None
    if said in _ZONES:
        at = _built(text, dt.timezone(dt.timedelta(hours=_ZONES[said])))
        return at.isoformat() if at else None
    text = f"{text}{said.upper()}"
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


def _other(found: re.Match[str], zone: dt.tzinfo, now: dt.datetime) -> str | None:
    kind = next(name for name in "abcd" if found[name])
    day, month, clock = int(found[kind]), _MONTHS[found[f"{kind}m"]], found[f"{kind}clock"]
    if kind == "d":
        return _in_halves(found, zone)
    part = found[f"{kind}part"]
    clock += f".{part}" if part else ""
    year = found[f"{kind}y"]
    if year is None:
        return dated(month, day, clock, zone, now)
    said = found["az"] if kind == "a" else None
    at = _built(f"{year}-{month:02}-{day:02}T{clock}{said or ''}", None if said else zone)
    return at.isoformat() if at else None


def _in_halves(found: re.Match[str], zone: dt.tzinfo) -> str | None:
    hour, rest = found["dclock"].split(":", 1)
    of_day = int(hour) % 12 + (12 if found["dpm"] == "PM" else 0)
    at = _built(f"{found['dy']}-{_MONTHS[found['dm']]:02}-{int(found['d']):02}T{of_day:02}:{rest}", zone)
    return at.isoformat() if at else None


def _built(text: str, zone: dt.tzinfo | None) -> dt.datetime | None:
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=zone) if zone is not None else at
