"""The files of a Compose project: whether they are there, and what .env sets, reduced to lengths."""

from __future__ import annotations

import base64
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..model import CannotObserve, System, Target
from ..platforms.compose.settings import ComposeProject
from .base import ReadingProbe

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""What Compose itself looks for; the runbook knows one of them."""


@dataclass(frozen=True, slots=True)
class Files:
    """What lies in the project directory. No value of .env is kept."""

    directory: str
    compose_files: tuple[str, ...]
    env_file: bool
    lengths: dict[str, int]
    """How long the values of the asked variables are, of those that .env sets."""
    key_bytes: dict[str, int]
    """How many bytes they are as base64, of those that are base64 (runbook defect CM-07)."""


@dataclass(frozen=True)
class ProjectFiles(ReadingProbe[Files]):
    """Look into the project directory; ``variables`` are those of .env to look for."""

    variables: tuple[str, ...]
    reading: ClassVar[type[Files]] = Files

    def blind(self, system: System) -> str | None:
        """Return why there is no project directory."""
        named = system.place.held_as(ComposeProject) is not None
        return None if named else "the environment names no Compose project"

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the project."""
        return (Target(system, "project"),)

    def source(self, target: Target) -> str:
        """Return the directory."""
        return f"project directory {_directory(target)}"

    def observe(self, target: Target) -> Files:
        """Look. Raises CannotObserve when no directory is named or it cannot be read."""
        directory = _directory(target)
        if directory is None:
            raise CannotObserve("the environment names no project directory", hint="set directory under [compose]")
        try:
            names = {path.name for path in directory.iterdir()}
            text = (directory / ".env").read_text("utf-8") if ".env" in names else ""
        except OSError as error:
            raise CannotObserve(_why(directory, error), hint="run where the project is, as its user") from None
        except UnicodeDecodeError:
            raise CannotObserve(f"{directory}/.env is not UTF-8 text", hint="write it anew") from None
        found = _values(text)
        return Files(
            directory=str(directory),
            compose_files=tuple(name for name in COMPOSE_FILES if name in names),
            env_file=".env" in names,
            lengths={name: len(found[name]) for name in self.variables if name in found},
            key_bytes={name: size for name in self.variables if (size := _decoded(found.get(name, ""))) is not None},
        )


def _values(text: str) -> dict[str, str]:
    """Return what the lines set, as Compose reads them: the last one counts, quotes do not."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = _bare(value.strip())
    return found


def _decoded(value: str) -> int | None:
    try:
        return len(base64.b64decode(value, validate=True))
    except ValueError:
        return None


def _bare(value: str) -> str:
    if value[:1] in {'"', "'"}:
        return value[1:].partition(value[0])[0]
    return "" if value.startswith("#") else value.partition(" #")[0].rstrip()


def _why(directory: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no directory {directory}"
    return f"cannot read {directory}: {error.strerror}"


def _directory(target: Target) -> Path | None:
    found = target.system.place.held_as(ComposeProject)
    return None if found is None else found.directory
