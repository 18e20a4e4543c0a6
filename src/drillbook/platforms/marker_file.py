"""The mark of what cannot bear one itself: a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import CannotObserve

if TYPE_CHECKING:
    from pathlib import Path

HINT = (
    "set marker, in the platform's table, to a file on the target whose lines name the environments that it may be "
    "disrupted as"
)


class MarkerFile:
    """A file whose lines name environments.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def marker(self) -> str:
        """Where the mark is, in words."""
        return f"the marker {self._path}"

    def marks(self) -> frozenset[str]:
        """Return its lines. Raises CannotObserve."""
        try:
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            hint = "on the target, write the names into it that it may be disrupted as, one a line"
            raise CannotObserve(f"the marker {self._path}: {why}", hint=hint) from None
        return frozenset(filter(None, (line.strip() for line in text.split("\n"))))
