"""The host that a system runs on, where that is not this machine: one script and one round trip a reading."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from .. import clock
from ..model import CannotObserve
from ..platforms import Missing, RunsOnHost, platform_of
from .http import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..model import System

_KIB = 1024
_PROBE_S = 3


def on_host(system: System) -> Callable[[str], str] | None:
    """Return what runs a script on the system's host; None when the runner itself is what a preflight looks at."""
    found = platform_of(system).can(RunsOnHost)  # type: ignore[type-abstract] # a protocol is asked for by its type
    return None if isinstance(found, Missing) else found.on_host


def resources(run: Callable[[str], str], data_dir: Path) -> tuple[int, str, int, float]:
    """Return free disk (bytes), the folder it was asked of, available memory (bytes), load per processor.

    Raises:
        CannotObserve: the host does not answer, or not in the expected form.
    """
    text = run(
        f"p={shlex.quote(str(data_dir))}\n"
        'while [ ! -e "$p" ]; do p=$(dirname "$p"); done\n'
        'df -B1 --output=avail "$p" | tail -n 1\n'
        'echo "$p"\n'
        "awk '/^MemAvailable:/ {print $2}' /proc/meminfo\n"
        "cut -d' ' -f1 /proc/loadavg\n"
        "nproc"
    )
    try:
        free, folder, memory_kib, load, processors = text.splitlines()
        return int(free), folder, int(memory_kib) * _KIB, float(load) / int(processors)
    except ValueError:
        raise CannotObserve(f"unexpected figures: {text[:200]!r}", hint="run df, nproc on the host by hand") from None


def listening(run: Callable[[str], str]) -> frozenset[int]:
    """Return the ports that something listens on. Raises CannotObserve."""
    text = run("ss -H -l -t -n")
    try:
        return frozenset(int(line.split()[3].rpartition(":")[2]) for line in text.splitlines() if line.strip())
    except (ValueError, IndexError):
        raise CannotObserve(f"unexpected sockets: {text[:200]!r}", hint="run ss -Hltn on the host by hand") from None


def resolved(run: Callable[[str], str], names: Sequence[str]) -> dict[str, bool]:
    """Return which of the names the host's resolver knows. Raises CannotObserve."""
    text = run(
        "command -v getent >/dev/null || exit 127\n"
        + "\n".join(f"getent ahosts {shlex.quote(name)} >/dev/null && echo yes || echo no" for name in names)
    )
    return {name: answer == "yes" for name, answer in zip(names, text.splitlines(), strict=True)}


def head(run: Callable[[str], str], url: str) -> Answer:
    """Send one HEAD request from the host. Raises CannotObserve when it cannot send any."""
    text = run(
        "command -v curl >/dev/null || { echo curl is not installed >&2; exit 127; }\n"
        f"curl -sS -I -o /dev/null -m {_PROBE_S} -w '%{{http_code}} %{{time_total}}' -- {shlex.quote(url)} 2>&1; true"
    )
    status, _, took_s = text.strip().rpartition("\n")[2].partition(" ")
    if not status.isdigit() or int(status) == 0:
        return Answer(None, failure=text.strip().partition("\n")[0][:200] or "no answer", read_at=clock.now())
    return Answer(int(status), took_ms=float(took_s) * 1000, read_at=clock.now())
