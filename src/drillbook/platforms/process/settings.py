"""The table ``[systems.NAME.process]`` of an environment file."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from ...tables import Strict
from ..border import BadPlace, Border, absolute_path, text
from .found import Found, ProcessSettings

if TYPE_CHECKING:
    from ...tables import Resolver
    from ..border import Data


class FoundTable(Strict):
    """One process: what finds it, and what brings it back. ``Found`` explains each key and holds the rules."""

    component: str
    pid_file: Path | None = None
    port: int | None = None
    command: tuple[str, ...] | None = None
    user: str | None = None
    stop_signal: Literal["TERM", "INT", "QUIT"] = "TERM"
    start: tuple[str, ...] | None = None
    returns_within_s: float | None = None
    log: Path | None = None

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        self.found()
        return self

    def found(self) -> Found:
        """Return it as the platform takes it. Raises ValueError."""
        return Found(**{name: getattr(self, name) for name in type(self).model_fields})


class ProcessTable(Strict):
    """The processes of a system: by name, how each is found."""

    instances: dict[str, FoundTable] = Field(default_factory=dict)
    control: Path | None = None
    """The socket of the lab's keeper, instead."""
    marker: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.control is not None and self.instances:
            raise ValueError("expected one of control (a lab's keeper) and instances, not both")
        return self


def _settings(table: ProcessTable, resolver: Resolver, key: str) -> ProcessSettings:
    return ProcessSettings(
        {name: one.found() for name, one in table.instances.items()},
        control=resolver.path(table.control, f"{key}.control"),
        marker=resolver.path(table.marker, f"{key}.marker"),
    )


def _read(data: Data) -> ProcessSettings:
    if "control" in data:
        return ProcessSettings(control=absolute_path(data, "control"))
    host = text(data, "host")
    if host != socket.gethostname():  # state on a shared disk: the same commands would start a second service here
        raise BadPlace(f"its processes are on {host}, and this is {socket.gethostname()}; recover there")
    try:
        return ProcessSettings.from_data(data.get("processes"))
    except ValueError as error:
        raise BadPlace(f"expected how the processes are found: {error}") from None


def _twice(table: ProcessTable, key: str) -> list[tuple[str, str]]:
    """Return what finds each instance: two that are found by the same are one that is looked at twice."""
    return [(f"{key}.instances.{name}", _finder(one)) for name, one in table.instances.items()]


def _finder(one: FoundTable) -> str:
    by = one.found()
    return f"port {by.port}" if by.port is not None else str(by.pid_file) if by.pid_file is not None else by.words()


BORDER = Border(ProcessTable, _settings, _read, _twice, needs_table=False)
