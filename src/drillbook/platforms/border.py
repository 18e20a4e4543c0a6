"""What each platform brings for its own table of an environment file, and for the way back from an undo's address.

A platform is a folder here with ``settings.py``, whose ``BORDER`` is this, and ``platform.py``, whose ``PLATFORM`` is
its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..model import Json
    from ..tables import Resolver, Strict

    Data = Mapping[str, Json]


class BadPlace(ValueError):
    """Data that lead to no place; says what was expected."""


class Pinned(Protocol):
    """A platform's settings: where a system is, for whoever has to find it again."""

    def pinned(self, instances: tuple[str, ...] = ()) -> dict[str, Json]:
        """Return it as plain data with absolute paths and without secrets, from which any process can come back.

        What a shell or a file could change until then (the engine of DOCKER_HOST, the server of a kubeconfig) stands
        in it as it is now.

        Args:
            instances: those of which these very ones are meant, where the platform can tell them from their successors.

        Raises:
            PlatformRefused: it says too little to come back to.
            CannotObserve: it cannot be found out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Border:
    """A platform's table and what it becomes."""

    table: type[Strict]
    """The shape of its table in an environment file; a system's own table stands above the file's, key by key."""
    settings: Callable[[Any, Resolver, str], Pinned]
    """Turns the table into settings; takes the table, the resolver and the table's key, and notes problems there."""
    read: Callable[[Data], Pinned]
    """Reads what ``pinned`` wrote. Raises BadPlace."""
    twice: Callable[[Any, str], list[tuple[str, str]]] = lambda _table, _key: []
    """Returns key and value of what must differ between components."""
    needs_table: bool = True
    """Whether it can see nothing without one."""


@dataclass(frozen=True, slots=True)
class LabOn:
    """Where the lab of a platform is found, and how a run brings up one of its own: ``LAB`` of ``lab.py``."""

    running: Callable[[str], Path | None]
    """Returns the environment file of the lab of a system that is up, or None."""
    says: str = ""
    """What is shown meanwhile; empty where a run never brings one up by itself."""
    options: tuple[str, ...] = ()
    """For the lab's own program."""
    limit_s: float = 60.0


def text(data: Data, key: str) -> str:
    """Return a text. Raises BadPlace."""
    found = data.get(key)
    if not isinstance(found, str) or not found:
        raise BadPlace(f"expected {key} to be a text, got {found!r}")
    return found


def maybe_text(data: Data, key: str) -> str | None:
    """Return a text, None where there is none. Raises BadPlace."""
    return None if data.get(key) is None else text(data, key)


def absolute_path(data: Data, key: str) -> Path:
    """Return a path. Raises BadPlace."""
    found = Path(text(data, key))
    if not found.is_absolute():
        raise BadPlace(f"expected {key} to be an absolute path, got {found}")
    return found


def texts(data: Data, key: str) -> dict[str, str]:
    """Return a table of texts. Raises BadPlace."""
    found = data.get(key)
    if not isinstance(found, dict) or not found:
        raise BadPlace(f"expected {key} to be a table of texts, got {found!r}")
    return {name: text(found, name) for name in found}


def named_files(files: Mapping[str, Path | None]) -> dict[str, Json]:
    """Return the files that are named, as absolute paths."""
    return {name: str(path.absolute()) for name, path in files.items() if path is not None}


def files_in(data: Data, *names: str) -> dict[str, Path]:
    """Return those of these files that are named. Raises BadPlace."""
    return {name: absolute_path(data, name) for name in names if name in data}
