"""Shows what is being waited for: one line that updates on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time


class Progress:
    """Writes to stderr, so that stdout holds results alone.

    Args:
        title: goes before each line.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._what = ""

    def on(self, what: str) -> None:
        """Say what is waited for now."""
        if what != self._what:
            self._what = what
            self.tick(fresh=True)

    def tick(self, *, fresh: bool = False) -> None:
        """Show that time goes on; on a terminal only."""
        text = f"{self._title}: waiting for {self._what}, {time.monotonic() - self._began:.1f} s"
        if self._what and self._terminal:
            _write(f"\r\033[K{text}")
        elif self._what and fresh:
            _write(f"{text}\n")

    def done(self) -> None:
        """Take the updating line away."""
        if self._what and self._terminal:
            _write("\r\033[K")


def _write(text: str) -> None:
    """Write to stderr; that nobody reads it any more must not stop what is being brought up or taken down."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
