"""The lines of a log: its end within a limit, what was said since a moment, and the few that hold a text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from .. import clock, dialects
from ..model import CannotObserve
from .capabilities import LogText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FIRST_WORDS_S = 30
"""A service says something within so many seconds of its start: a log that begins later has lost its beginning."""
_MOST_HELD = 2000
_BEGINNING = 200
"""The lines among which the first time of a log is looked for."""


def split(text: str) -> list[str]:
    """Return the lines of a text, parted where a logger parts them: LF, or CR LF.

    ``str.splitlines`` also parts at U+2028, U+0085, VT, FF and others, which messages hold.
    """
    found = [line.removesuffix("\r") for line in text.split("\n")]
    return found if found[-1] else found[:-1]


def last(found: Sequence[str], limit_bytes: int, *, whole: bool, written_s: Sequence[float] = ()) -> LogText:
    """Return the last lines within the limit; ``whole`` says whether ``found`` begins where the log does."""
    size, kept = 0, len(found)
    for count, line in enumerate(reversed(found)):
        size += len(line.encode(errors="replace")) + 1
        if size > limit_bytes:
            kept, whole = count, False
            break
    begin = len(found) - kept
    times = tuple(written_s[begin:])
    return LogText(tuple(found[begin:]), whole, written_s=times, last_write_s=times[-1] if times else None)


def stamped(found: Sequence[str]) -> tuple[list[str], list[float]]:
    """Part lines from the time that a platform puts before each; one without has the time of its neighbour.

    Returns:
        The lines, and the time of each in seconds since the epoch; no times when none of the lines has one.
    """
    stamps = [_stamp(line) for line in found]
    texts = [line if at is None else line.partition(" ")[2] for line, at in zip(found, stamps, strict=True)]
    known = next((at for at in stamps if at is not None), None)
    times: list[float] = []
    for at in stamps:
        known = known if at is None else at
        if known is not None:
            times.append(known)
    return texts, times


def holding_stamped(found: Iterable[str], texts: Sequence[str], since_s: float) -> LogText:
    """Return what ``holding`` does of lines that a platform has put its time before, without these times."""
    text = holding(found, texts, since_s, _stamp)
    held, times = stamped(text.lines)
    return replace(text, lines=tuple(held), written_s=tuple(times))


def _stamp(line: str) -> float | None:
    return seconds(line.partition(" ")[0])


def parted(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a text that comes in blocks."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield from (line.decode("utf-8", errors="replace").removesuffix("\r") for line in whole)
    if rest:
        yield rest.decode("utf-8", errors="replace").removesuffix("\r")


def since(text: LogText, since_s: float) -> LogText:
    """Return the lines dated at or after a moment; a line without a time belongs to the one before it.

    Raises:
        CannotObserve: none of the lines carries a time.
    """
    times = [time_of(line) for line in text.lines]
    if text.lines and all(time is None for time in times):
        raise CannotObserve("no line of the log says when it was written", hint="log JSON lines, or [time] LEVEL text")
    kept: list[str] = []
    inside, reached = False, text.whole
    for line, at in zip(text.lines, times, strict=True):
        if at is not None:
            inside = at >= since_s
            reached = reached or not inside
        if inside:
            kept.append(line)
    return LogText(tuple(kept), whole=reached, last_write_s=text.last_write_s)


def holding(
    found: Iterable[str], texts: Sequence[str], since_s: float, when: Callable[[str], float | None] | None = None
) -> LogText:
    """Return the lines since a moment that hold one of the texts; a line without a time counts.

    Args:
        found: all lines of the log that may be as new, the oldest first; read one by one.
        texts: what to look for, as the service says it; within JSON it stands escaped.
        since_s: the moment, in seconds since the epoch.
        when: tells a line's time; by default it is what the line itself says.

    Returns:
        The lines; ``whole`` says whether ``found`` really reaches back to that moment.
    """
    wanted = re.compile("|".join(re.escape(form) for form in forms(texts)))
    lines, when = iter(found), when or time_of
    beginning = list(islice(lines, _BEGINNING))
    oldest = next((at for at in map(when, beginning) if at is not None), None)
    holds = (line for line in chain(beginning, lines) if wanted.search(line))
    kept = (line for line in holds if (at := when(line)) is None or at >= since_s)
    held = tuple(islice(kept, _MOST_HELD))
    return LogText(held, whole=oldest is not None and oldest <= since_s + FIRST_WORDS_S)


def forms(texts: Sequence[str]) -> tuple[str, ...]:
    """Return how texts may stand in a log line: as they are, and escaped within JSON."""
    escaped = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for text in texts for ascii_only in (True, False))
    return tuple(dict.fromkeys((*texts, *escaped)))


def time_of(line: str) -> float | None:
    """Return when a line says that it was written, in seconds since the epoch; None when it does not say."""
    at = dialects.parse(line).at
    return None if at is None else seconds(at)


def seconds(text: str) -> float | None:
    """Return an RFC 3339 time in seconds since the epoch; None for anything else."""
    try:
        return clock.parse(text).timestamp()
    except ValueError:
        return None
