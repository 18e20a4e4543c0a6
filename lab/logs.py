"""Reads the ends of log files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TAIL_BYTES = 64 * 1024


def size(path: Path) -> int:
    """Return a file's size; a missing one has none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def tail(path: Path, begin: int = 0, *, lines: int = 15) -> str:
    """Return the last lines of a file.

    Args:
        path: the file; a missing one is empty.
        begin: looks at nothing before this place.
        lines: at most that many.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(begin, end - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""
