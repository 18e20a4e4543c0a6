"""The table ``[systems.NAME.process]`` of an environment file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .found import Found, ProcessSettings


class FoundTable(BaseModel):
    """One process: what finds it, and what brings it back. ``Found`` explains each key and holds the rules."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

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


class ProcessTable(BaseModel):
    """The processes of a system, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    instances: dict[str, FoundTable] = Field(min_length=1)

    def settings(self) -> ProcessSettings:
        """Return them as the platform takes them."""
        return ProcessSettings({name: one.found() for name, one in self.instances.items()})
