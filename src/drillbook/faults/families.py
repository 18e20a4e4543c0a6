"""Importing this makes every family's undo executable: the watchdog and ``recover`` act from data alone."""

from . import process, systemd

__all__ = ["process", "systemd"]
