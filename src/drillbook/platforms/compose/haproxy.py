"""HAProxy's runtime API over TCP: what it knows of the servers of one backend, and whether they get work."""

from __future__ import annotations

import csv
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import addresses

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_S = 2.0
_MOST_BYTES = 4 << 20
_FORCED = 0x01 | 0x08
"""The bits of srv_admin_state that somebody has set by hand: maintenance, drain."""
_STOPPED = "0"
_NOWHERE = "-"


class NotAnswered(Exception):
    """HAProxy was not reached, or refused; the text says which."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the backend, as HAProxy sees it now."""

    name: str
    address: str | None
    """None while it has none: a slot of a server-template that nobody fills."""
    drained: bool
    """Whether somebody told HAProxy to give it no more work."""
    up: bool
    """Whether HAProxy believes that it serves."""
    sessions: int
    """What it has in work, and what waits for it."""


class Balancer:
    """One HAProxy and one of its backends.

    Args:
        address: ``tcp://HOST:PORT/BACKEND``, HOST:PORT being a ``stats socket`` of level admin.
    """

    def __init__(self, address: str) -> None:
        parts = addresses.parse(address)
        self.host, self.port = parts.host, parts.port or 0
        self.backend = parts.path.strip("/")

    def servers(self) -> tuple[Server, ...]:
        """Ask for all servers of the backend. Raises NotAnswered."""
        said = self._ask(f"show servers state {self.backend};show stat")
        states, _, stats = said.partition("\n\n")
        lines = states.strip().splitlines()
        head = next((line for line in lines if line.startswith("# be_id")), None)
        if head is None:
            raise NotAnswered(f"{self._name}: {lines[0] if lines else 'an empty answer'}")
        names = head.lstrip("# ").split()
        rows = [dict(zip(names, line.split(), strict=False)) for line in lines[lines.index(head) + 1 :]]
        busy = _sessions(stats, self.backend)
        try:
            return tuple(_server(row, busy) for row in rows)
        except (KeyError, ValueError) as error:
            raise NotAnswered(f"{self._name}: an answer that cannot be read: {error!r}") from None

    def drain(self, server: str) -> None:
        """Give a server no more work; what it has goes on. Raises NotAnswered."""
        self._set(server, "drain")

    def ready(self, server: str) -> None:
        """Let a server have work again, as soon as its checks pass. Raises NotAnswered."""
        self._set(server, "ready")

    @property
    def _name(self) -> str:
        return f"HAProxy at {self.host}:{self.port}"

    def _set(self, server: str, state: str) -> None:
        said = self._ask(f"set server {self.backend}/{server} state {state}").strip()
        if said:
            raise NotAnswered(f"{self._name}: set server {self.backend}/{server} state {state}: {said}")

    def _ask(self, command: str) -> str:
        """Send one line and return all that is answered: HAProxy closes when it has said it."""
        end = time.monotonic() + _ANSWER_S
        parts: list[bytes] = []
        try:
            with socket.create_connection((self.host, self.port), timeout=_ANSWER_S) as connection:
                connection.sendall(f"{command}\n".encode())
                while part := connection.recv(1 << 16):
                    parts.append(part)
                    if time.monotonic() > end or sum(map(len, parts)) > _MOST_BYTES:
                        raise NotAnswered(f"{self._name}: an answer without an end")
        except TimeoutError:
            raise NotAnswered(f"{self._name} gives no answer within {_ANSWER_S:g} s") from None
        except OSError as error:
            raise NotAnswered(f"{self._name}: {error.strerror or error}") from None
        if not parts:
            raise NotAnswered(f"{self._name} closed the connection without an answer")
        return b"".join(parts).decode("utf-8", errors="replace")


def _server(row: Mapping[str, str], busy: Mapping[str, int]) -> Server:
    name, address = row["srv_name"], row["srv_addr"]
    return Server(
        name,
        None if address == _NOWHERE else address,
        drained=bool(int(row["srv_admin_state"]) & _FORCED),
        up=row["srv_op_state"] != _STOPPED,
        sessions=busy.get(name, 0),
    )


def _sessions(stats: str, backend: str) -> dict[str, int]:
    """Return how many sessions each server of a backend has, by the table of ``show stat``."""
    rows = csv.DictReader(stats.strip().lstrip("# ").splitlines())
    return {row["svname"]: int(row["scur"] or 0) + int(row["qcur"] or 0) for row in rows if row["pxname"] == backend}
