"""Tells systemd how far we are."""

import contextlib
import os
import socket


def notify(*assignments: str) -> None:
    """Send assignments such as "READY=1" to NOTIFY_SOCKET; does nothing where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in {"/", "@"}:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.sendto("\n".join(assignments).encode(), address.replace("@", "\0", 1))
