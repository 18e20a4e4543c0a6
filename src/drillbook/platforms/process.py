"""Processes on this machine, held by the lab's keeper and reached through its control socket."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..model import CannotObserve
from .capabilities import InstanceState, Lists, LogText, Missing, ReadsLogs

if TYPE_CHECKING:
    from ..model import Instance, System

C = TypeVar("C")
_ANSWER_LIMIT = 1 << 20


class ProcessPlatform:
    """The embedded platform."""

    def __init__(self, system: System) -> None:
        self._system = system

    def can(self, capability: type[C]) -> C | Missing:
        """Return the capability, or Missing with the reason."""
        if capability in (Lists, ReadsLogs):
            return cast("C", self)
        return Missing(f"processes on this machine have no {capability.__name__}")

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Ask the keeper for all processes. Raises CannotObserve."""
        rows = self._ask({"do": "list"})["processes"]
        return tuple(
            InstanceState(
                name=row["name"],
                component=row["component"],
                state=row["state"],
                exit_code=row["exit_code"],
                started_at=row["started_at"],
                pid=row["pid"],
            )
            for row in rows
        )

    def read_log(self, instance: Instance, *, limit_bytes: int) -> LogText:
        """Read the end of the instance's log file. Raises CannotObserve when there is none."""
        mend = f"set log for {instance.name} under systems.{self._system.name}.api.instances"
        if instance.log is None:
            raise CannotObserve(f"the environment names no log for {instance.name}", mend=mend)
        try:
            with instance.log.open("rb") as file:
                size = file.seek(0, 2)
                begin = max(0, size - limit_bytes)
                file.seek(begin)
                text = file.read(limit_bytes).decode("utf-8", errors="replace")
        except OSError as error:
            raise CannotObserve(f"cannot read {instance.log}: {error.strerror}", mend=mend) from None
        lines = text.splitlines()
        return LogText(tuple(lines if begin == 0 else lines[1:]), whole=begin == 0)

    def _ask(self, request: dict[str, Any], *, timeout_s: float = 3.0) -> dict[str, Any]:
        """Send one request to the keeper and return its answer. Raises CannotObserve."""
        control = self._system.control
        mend = "start the lab (drillbook lab up) or name its control socket in the environment file"
        if control is None:
            raise CannotObserve("the environment names no control socket", mend=mend)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(timeout_s)
                connection.connect(str(control))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    answer = json.loads(stream.readline(_ANSWER_LIMIT))
        except (OSError, ValueError) as error:
            raise CannotObserve(f"control socket {control}: {error}", mend=mend) from None
        if not isinstance(answer, dict) or not answer.get("ok"):
            reason = answer.get("error") if isinstance(answer, dict) else answer
            raise CannotObserve(f"the keeper refused: {reason}", mend=mend)
        return answer
