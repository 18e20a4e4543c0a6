"""Reads /proc: states of processes, who descends from whom, who listens where."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"


@dataclass(frozen=True)
class Stat:
    """One line of the process table."""

    pid: int
    state: str
    parent: int
    session: int

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie waits for its parent only."""
        return self.state not in {"Z", "X", "x"}


def stat(pid: int) -> Stat | None:
    """Return the process's line, or None when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return Stat(pid=pid, state=fields[0], parent=int(fields[1]), session=int(fields[3]))


def table() -> dict[int, Stat]:
    """Return all processes that run now."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return {found.pid: found for pid in pids if (found := stat(pid)) and found.alive}


def descendants(ancestor: int, processes: dict[int, Stat]) -> set[int]:
    """Return the children of a process, their children and so on."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def program(pid: int) -> Path | None:
    """Return the file that a process runs, where it may be read."""
    try:
        return (PROC / str(pid) / "exe").readlink()
    except OSError:
        return None


def listens(pid: int, port: int) -> bool:
    """Return whether this very process listens on the IPv4 port: another one may have won the race to it.

    Where the kernel does not let us look, the answer is yes.
    """
    try:
        rows = (PROC / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
        handles = list((PROC / str(pid) / "fd").iterdir())
    except PermissionError:
        return True
    except FileNotFoundError:
        return not (PROC / "net" / "tcp").exists()
    fields = (row.split() for row in rows)
    end = f":{port:04X}"
    inodes = {f"socket:[{row[9]}]" for row in fields if row[3] == LISTEN and row[1].endswith(end)}
    for handle in handles:
        with contextlib.suppress(OSError):
            if str(handle.readlink()) in inodes:
                return True
    return False
