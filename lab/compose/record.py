"""Remembers the Compose lab that ``up`` has started, in the user's state directory."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ..directory import write_private
from ..registry import state_folder
from .project import Project


@dataclass(frozen=True)
class Record:
    """A Compose lab that was started with ``up``.

    Attributes:
        system: what runs in it.
        project: Compose's name for it.
        dir: its project directory.
        environment: its environment file.
        started_at: when it was ready.
        instances: how many copies of the service.
        version: the version they were told.
        defects: the defects that are planted.
    """

    system: str
    project: str
    dir: str
    environment: str
    started_at: str
    instances: int
    version: str
    defects: tuple[str, ...]

    @property
    def of(self) -> Project:
        """The project itself."""
        return Project(self.project, Path(self.dir))


def key(system: str) -> str:
    """Return what the lab is remembered as."""
    return f"{system}.compose"


def remember(record: Record) -> None:
    """Write the record."""
    path = _path(record.system)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(dataclasses.asdict(record), indent=2) + "\n")


def recall(system: str) -> Record | None:
    """Return the record of the lab that was brought up, or None; its containers may be in any state."""
    try:
        found = json.loads(_path(system).read_text(encoding="utf-8"))
        return Record(**{**found, "defects": tuple(found["defects"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def forget(system: str) -> None:
    """Remove the record."""
    with contextlib.suppress(OSError):
        _path(system).unlink()


def _path(system: str) -> Path:
    return state_folder() / "lab" / f"{key(system)}.json"
