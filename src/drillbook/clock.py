"""Wall-clock times as text."""

from __future__ import annotations

import datetime as dt


def now() -> str:
    """Return the present as RFC 3339 in UTC with milliseconds (``2026-11-21T09:31:00.123Z``)."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> dt.datetime:
    """Parse an RFC 3339 time, with small ``t`` and ``z`` (5.6) and any number of digits of a second as well.

    Raises ValueError for anything else, a time without a zone included.
    """
    found = dt.datetime.fromisoformat(text.upper())
    if found.tzinfo is None or "T" not in text.upper():
        raise ValueError(f"not an RFC 3339 time with a zone: {text!r}")
    return found.astimezone(dt.UTC)
