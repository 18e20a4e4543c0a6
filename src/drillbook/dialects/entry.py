"""One entry of a log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_TROUBLE = re.compile(
    r"error|eror\b|\berr\b|exception|fatal|panic|critical|\bcrit\b|severe|\bfail|traceback|emerg|\balert\b|segfault",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[^\s:]\S{0,99}: ")


@dataclass(frozen=True, slots=True)
class Entry:
    """One log entry, or one line that belongs to an entry: time, level and message as separate fields."""

    at: str | None
    """RFC 3339 with a zone; None when neither the line nor the entry that it follows carries a time."""
    level: str
    """One of ``LEVELS``, or empty when the line says none."""
    message: str
    """Without time, level and the logger's own name; an unread line whole."""
    state: Literal["understood", "continuation", "unread"] = "understood"
    """``continuation``: belongs to the entry before it (a traceback's lines), and has that entry's time and level."""
    logger: str = ""
    """The logger's own name (Rust's target, Java's class), where the line says one before its message."""

    def begins_with(self, words: str) -> bool:
        """Say whether the message begins with these words, with or without a name and a colon before it.

        ``store: ready`` may be the logger ``store`` or the message; only the reader's question tells.
        """
        if self.message.startswith(words) or f"{self.logger}: {self.message}".startswith(words):
            return True
        named = _NAMED.match(self.message)
        return named is not None and self.message.startswith(words, named.end())

    @property
    def names_trouble(self) -> bool:
        """Whether a word for an error stands anywhere in the message."""
        return _TROUBLE.search(self.message) is not None
