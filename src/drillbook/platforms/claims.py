"""A claim that lies on the target itself: whoever comes next, from whatever machine, finds it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """A claim as it was read."""

    text: str
    version: str
    """Changes with every write."""


class Changed(Exception):
    """Somebody else has written or removed the claim since it was read."""


class KeepsClaim(Protocol):
    """Keeps one text on the target, that of the run which may disrupt it."""

    @property
    def place(self) -> str:
        """Where it is, in words."""
        ...

    def clock_s(self) -> float:
        """Return the target's own clock, in seconds since 1970: leases there are by it. Raises CannotObserve."""
        ...

    def read_claim(self) -> Kept | None:
        """Return the claim, None when there is none. Raises CannotObserve."""
        ...

    def write_claim(self, text: str, *, over: Kept | None) -> None:
        """Write it over the one that was read, or where none was.

        Raises:
            Changed: that is not what is there any more.
            PlatformRefused: it was not written.
            CannotObserve: nobody can say whether it was.
        """
        ...

    def remove_claim(self, *, over: Kept) -> None:
        """Remove the one that was read; one that is gone is fine. Raises Changed, PlatformRefused, CannotObserve."""
        ...
