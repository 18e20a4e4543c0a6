"""Free ports that stay free while their owner is down."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

from .errors import LabError

HOST = "127.0.0.1"
LOWEST = 20000
_NODE_PORTS = 30000
"""From here to 32767 a Kubernetes node sends what arrives to its services, whoever is bound to the port."""
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200


def free_port() -> int:
    """Return a port that nobody is bound to.

    It lies below the ranges that the kernel gives to outgoing connections and Kubernetes to node ports. A port out of
    the first can be taken by any client while its owner is down, so that the owner cannot come back; and a client that
    keeps trying such a port in vain will one day be connected to itself, and the dead server looks alive.
    """
    chooser = random.SystemRandom()
    ceiling = _ceiling()
    for _ in range(_TRIES if ceiling > LOWEST + 1000 else 0):
        port = chooser.randrange(LOWEST, ceiling)
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_block(count: int) -> int:
    """Return the first of so many neighbouring ports that nobody is bound to; why not any port, `free_port` says."""
    chooser = random.SystemRandom()
    ceiling = max(_ceiling(), LOWEST + 1000) - count
    for _ in range(_TRIES):
        first = chooser.randrange(LOWEST, ceiling)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise LabError(f"found no {count} free ports in a row between {LOWEST} and {ceiling}")


def _ceiling() -> int:
    try:
        return min(_NODE_PORTS, int(_RANGE.read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError, IndexError):
        return 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True
