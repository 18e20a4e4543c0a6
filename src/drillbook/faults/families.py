"""Importing this makes every family's undo executable: the watchdog and ``recover`` act from data alone."""

from . import instances, replicas

__all__ = ["instances", "replicas"]
