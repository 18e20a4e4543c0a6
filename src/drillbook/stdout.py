"""Standard output that may end before we do: a reader that went away is no error, a disk that is full is told."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

EVIDENCE_LOST = 3
"""The exit status of a command whose words nobody could keep."""


class _Guarded(io.FileIO):
    """A descriptor for writing that goes nowhere once it fails."""

    lost: str | None = None

    def write(self, data: Any, /) -> int:
        """Write; after a failure, take everything and keep nothing."""
        try:
            return super().write(data)
        except BrokenPipeError:  # a pager or ``head`` has read enough
            self._end()
        except OSError as error:
            self.lost = error.strerror or str(error)
            self._end()
        return memoryview(data).nbytes

    def _end(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


_guarded: _Guarded | None = None
_text: io.TextIOWrapper | None = None
"""What writes to it; pytest's capturing puts ``sys.stdout`` back to what it was before."""


def guard() -> None:
    """Let standard output fail quietly from here on; ``settled`` says what became of it."""
    global _guarded, _text  # noqa: PLW0603 - a process has one standard output
    before = sys.stdout
    if _guarded is not None or not isinstance(before, io.TextIOWrapper):
        return
    if not isinstance(getattr(before.buffer, "raw", before.buffer), io.FileIO):  # a test's own, in memory
        return
    before.flush()
    _guarded = _Guarded(before.fileno(), "w", closefd=False)
    sys.stdout = _text = io.TextIOWrapper(
        io.BufferedWriter(_guarded),
        encoding=before.encoding,
        errors=before.errors,
        line_buffering=before.line_buffering,
        write_through=before.write_through,
    )


def settled(status: int) -> int:
    """Return a command's exit status: its own, or 3 with a line on standard error where its words were lost."""
    if _guarded is None or _text is None:
        return status
    _text.flush()
    if _guarded.lost is None:
        return status
    print(f"drillbook: standard output could not be written: {_guarded.lost}", file=sys.stderr)  # noqa: T201 - stdout is gone
    return EVIDENCE_LOST
