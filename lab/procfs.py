"""Reads /proc: states of processes, who descends from whom, who listens where."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"
_NAME_LIMIT = 15  # the kernel keeps no more of a process's name


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

    Root without CAP_SYS_PTRACE, as in a container, may not read the handles of another user's process. There the
    socket's owner decides: the kernel shows it to everybody. Where not even that can be read, the answer is yes.
    """
    try:
        rows = (PROC / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return True
    end = f":{port:04X}"
    listening = [row for row in map(str.split, rows) if row[3] == LISTEN and row[1].endswith(end)]
    handles = _sockets(pid)
    if handles is None:
        owner = user(pid)
        return bool(listening) if owner is None else any(int(row[7]) == owner for row in listening)
    return any(row[9] in handles for row in listening)


def _sockets(pid: int) -> set[str] | None:
    """Return the inodes of a process's open sockets, or None when some of its handles cannot be read."""
    found = set()
    try:
        for handle in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.add(str(handle.readlink()).removeprefix("socket:[").removesuffix("]"))
    except PermissionError:
        return None
    except OSError:  # the process is gone
        return set()
    return found


def user(pid: int) -> int | None:
    """Return the id of the user as whom a process runs, or None when there is no such process."""
    try:
        lines = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[2]) for line in lines if line.startswith("Uid:")), None)


def runs(pid: int, wanted: Path) -> bool:
    """Return whether a process runs this program; its name decides where its file may not be read."""
    found = program(pid)
    if found is not None:
        return found == wanted
    try:
        name = (PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return False
    return name == wanted.name[:_NAME_LIMIT]
