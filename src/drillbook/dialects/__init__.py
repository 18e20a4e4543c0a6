"""What log lines say, in the dialects of the loggers that people use: time, level, message of each.

Each dialect is listed in docs/log-dialects.md; ``texts``, ``objects``, ``prefixes``, ``severity`` and ``times`` hold
them as tables.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from .entry import Entry
from .reading import Reader
from .severity import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LEVELS", "Entry", "parse", "read"]


def read(lines: Iterable[str], *, zone: dt.tzinfo = dt.UTC) -> tuple[Entry, ...]:
    """Return the entries of a log's lines in order, at least one for each line that is not blank or part of another.

    ``zone`` is that of times that are written without one.
    """
    return tuple(Reader(zone, dt.datetime.now(dt.UTC)).lines(lines))


def parse(line: str) -> Entry:
    """Return what one line says by itself."""
    found = read((line,))
    return found[0] if found else Entry(None, "", line, "unread")
