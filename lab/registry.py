"""Remembers the lab that ``up`` has started, in the user's state directory."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import directory
from .errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Record:
    """A lab that was started with ``up``.

    Attributes:
        system: what runs in it.
        dir: its directory.
        environment: its environment file.
        control: its control socket.
        pid: its keeper.
        started_at: when it was ready.
        instances: how many instances it was asked for.
        version: the version they were told.
        defects: the defects that were planted.
    """

    system: str
    dir: str
    environment: str
    control: str
    pid: int
    started_at: str
    instances: int
    version: str
    defects: tuple[str, ...]


def state_folder() -> Path:
    """Return where Drillbook keeps its state: DRILLBOOK_STATE_DIR, or the usual place for it."""
    chosen = os.environ.get("DRILLBOOK_STATE_DIR")
    if chosen:
        return Path(chosen)
    try:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        raise LabError("found no home folder to remember the lab in; set DRILLBOOK_STATE_DIR") from None
    return Path(base) / "drillbook"


def remember(record: Record) -> None:
    """Write the record."""
    path = _path(record.system)
    path.parent.mkdir(parents=True, exist_ok=True)
    directory.write_private(path, json.dumps(dataclasses.asdict(record), indent=2) + "\n")


def living(system: str) -> Record | None:
    """Return the record of the lab that is up, or None; a record of a dead one is removed."""
    path = _path(system)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        record = Record(**{**found, "defects": tuple(found["defects"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not ours, or from another version: `up` writes a new one
    if directory.is_held(Path(record.dir)):
        return record
    forget(record)
    return None


def forget(record: Record) -> None:
    """Remove the record, unless another lab has taken its place."""
    path = _path(record.system)
    with contextlib.suppress(OSError, ValueError):
        if json.loads(path.read_text(encoding="utf-8")).get("dir") == record.dir:
            path.unlink()


@contextlib.contextmanager
def alone(system: str) -> Iterator[None]:
    """Hold the lock against two at once who want to start it; waits for the other one."""
    path = _path(system).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another `drillbook lab up`", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _path(system: str) -> Path:
    return state_folder() / "lab" / f"{system}.json"
