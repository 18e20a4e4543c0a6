"""What a process uses, with all below it."""

from __future__ import annotations

from ...model import CannotObserve
from ..capabilities import Usage


def of_family(name: str, pid: int) -> Usage:
    """Add up a process and all below it; pages that they share count for each. Raises CannotObserve."""
    import psutil  # noqa: PLC0415 - only this capability of the keeper needs it

    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
        seen = [(one.memory_info().rss, one.cpu_times()) for one in family]
    except psutil.Error as error:
        raise CannotObserve(f"{name} (pid {pid}): {error}", hint="look again: a process has just ended") from None
    return Usage(sum(rss for rss, _ in seen), cpu_s=sum(times.user + times.system for _, times in seen))
