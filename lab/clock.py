"""Points in time as the lab writes them."""

from __future__ import annotations

import datetime as dt


def now() -> str:
    """Return the time in RFC 3339, UTC, with milliseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
