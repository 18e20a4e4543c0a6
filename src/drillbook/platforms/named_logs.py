"""Logs that the environment file names by path, one for each instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import CannotObserve
from . import lines, log_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..model import Instance
    from .capabilities import LogText


class NamedLogs:
    """Reads the file that an instance names as its log.

    Args:
        system: whose instances they are; named in advice.
    """

    def __init__(self, system: str) -> None:
        self._system = system

    def read_log(self, instance: Instance, *, limit_bytes: int, since_s: float | None = None) -> LogText:
        """Read the end of the instance's log file. Raises CannotObserve when there is none."""
        text = self._of_log(instance, lambda path: log_files.end(path, limit_bytes))
        return text if since_s is None else lines.since(text, since_s)

    def search_log(self, instance: Instance, texts: tuple[str, ...], *, since_s: float) -> LogText:
        """Search the instance's log file and what was rotated away from it. Raises CannotObserve."""
        return self._of_log(instance, lambda path: log_files.search(path, texts, since_s))

    def _of_log(self, instance: Instance, act: Callable[[Path], LogText]) -> LogText:
        hint = f"set log for {instance.name} under systems.{self._system}.components"
        if instance.log is None:
            raise CannotObserve(f"the environment names no log for {instance.name}", hint=hint)
        try:
            return act(instance.log)
        except (OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CannotObserve(f"cannot read {instance.log}: {reason}", hint=hint) from None
