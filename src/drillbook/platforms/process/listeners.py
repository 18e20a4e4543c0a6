"""Who listens on this machine's TCP ports: psutil names one of those that share a socket, and all are needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"
_ADDRESS, _STATE, _USER, _SOCKET = 1, 3, 7, 9
"""The columns, as proc(5) has them."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening socket."""

    port: int
    user: int
    """The user id of whoever made it."""
    socket: str
    """As the links of its holders name it."""


def listeners() -> tuple[Listener, ...]:
    """Return all listening sockets of this machine."""
    texts = [table.read_text("ascii") for table in _TABLES if table.exists()]
    rows = [line.split() for text in texts for line in text.split("\n") if f" {_LISTEN} " in line]
    return tuple(
        Listener(int(row[_ADDRESS].rpartition(":")[2], 16), int(row[_USER]), f"socket:[{row[_SOCKET]}]")
        for row in rows
        if len(row) > _SOCKET and row[_STATE] == _LISTEN
    )


def holders(sockets: frozenset[str]) -> dict[str, set[int]]:
    """Return the processes that have each of these sockets open, as far as we may see them."""
    found: dict[str, set[int]] = {socket: set() for socket in sockets}
    for pid in psutil.pids():
        for link in _links(f"/proc/{pid}/fd"):
            if link in found:
                found[link].add(pid)
    return found


def _links(folder: str) -> list[str]:
    links: list[str] = []
    try:
        names = [one.name for one in os.scandir(folder)]
    except OSError:  # it is gone, or another user's
        return links
    for name in names:
        try:
            links.append(os.readlink(f"{folder}/{name}"))  # noqa: PTH115 - thousands of them in one look
        except OSError:  # closed meanwhile
            continue
    return links
