r"""One form for all the ways in which a text is escaped, so that a secret is found in each of them by one search.

Percent codes, ``\x``, ``\u`` and ``\U`` codes, JSON's and Python's backslashes at any depth, HTML's entities, a plus
for a space, and line breaks with the margin that follows them: a secret and a text are folded alike and then compared.
"""

from __future__ import annotations

import html
import re
import sys
from bisect import bisect_right
from dataclasses import dataclass

_WRAP = re.compile(r"[\r\n]+[ \t]*(?:(?:E|>|\||│|#|INTERNALERROR>)[ \t]+)?")
_ESCAPED = re.compile(
    r"""
      (?P<wrap>  (?: \\+[nr] )+ [ \t]* )
    | (?P<bytes> (?: (?: \\+x | %(?:25)* ) [0-9a-fA-F]{2} )+ )
    | (?P<units> (?: \\+u [0-9a-fA-F]{4} )+ )
    | \\+U (?P<point> [0-9a-fA-F]{8} )
    | & (?:amp;)* (?P<entity> (?: amp | quot | apos | lt | gt | \#\d{1,7} | \#x[0-9a-fA-F]{1,6} ) ; )
    | (?P<slash> \\+ )
    """,
    re.VERBOSE,
)
_FOLDABLE = re.compile(r"[\\%&+\r\n]")
_DROPPED = str.maketrans("", "", "\r\n")


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text, and where each part of it stands in the original."""

    text: str
    _at: list[int]
    """Where each segment begins in the folded text."""
    _segments: list[tuple[int, int, bool]]
    """For each segment: where it begins and ends in the original, and whether it is as it was there."""
    _below: Folded | None = None
    """The fold that this one was made of."""

    def original(self, begin: int, end: int) -> tuple[int, int]:
        """Return the span of the original that a span of the folded text came from."""
        span = self._place(begin)[0], self._place(end - 1)[1]
        return span if self._below is None else self._below.original(*span)

    def _place(self, position: int) -> tuple[int, int]:
        number = bisect_right(self._at, position) - 1
        begin, end, same = self._segments[number]
        if not same:
            return begin, end
        here = begin + position - self._at[number]
        return here, here + 1


def foldable(text: str) -> bool:
    """Say whether folding may change the text."""
    return _FOLDABLE.search(text) is not None


def fold(text: str) -> Folded:
    """Fold a text: first its line breaks, for they may stand within a code."""
    joined = _undone(text, _WRAP, None)
    return _undone(joined.text, _ESCAPED, joined)


def _undone(text: str, pattern: re.Pattern[str], below: Folded | None) -> Folded:
    parts: list[str] = []
    at: list[int] = []
    segments: list[tuple[int, int, bool]] = []
    length = last = 0
    for found in pattern.finditer(text):
        for part, begin, end, same in (
            (text[last : found.start()], last, found.start(), True),
            (_meant(found), found.start(), found.end(), False),
        ):
            if part:
                parts.append(part)
                at.append(length)
                segments.append((begin, end, same))
                length += len(part)
        last = found.end()
    if last < len(text):
        parts.append(text[last:])
        at.append(length)
        segments.append((last, len(text), True))
    return Folded("".join(parts) if below is None else "".join(parts).replace("+", " "), at, segments, below)


def _meant(found: re.Match[str]) -> str:
    """Return what an escape stands for; line breaks stand for nothing, as do backslashes before anything else."""
    kind = found.lastgroup
    if kind == "bytes":
        raw = bytes.fromhex("".join(re.findall(r"(?:x|%(?:25)*)([0-9a-fA-F]{2})", found[0])))
        try:
            return raw.decode().translate(_DROPPED)
        except UnicodeDecodeError:
            return raw.decode("latin-1").translate(_DROPPED)
    if kind == "units":
        raw = b"".join(bytes.fromhex(unit) for unit in re.findall(r"u([0-9a-fA-F]{4})", found[0]))
        return raw.decode("utf-16-be", "surrogatepass" if _has_halves(raw) else "strict").translate(_DROPPED)
    if kind == "point":
        number = int(found["point"], 16)
        return chr(number) if number <= sys.maxunicode else ""
    if kind == "entity":
        return html.unescape(f"&{found['entity']}")
    return ""


def _has_halves(raw: bytes) -> bool:
    try:
        raw.decode("utf-16-be")
    except UnicodeDecodeError:
        return True
    return False
