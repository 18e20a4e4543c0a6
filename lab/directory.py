"""The lab's directory: what lies where, whose it is, and how it goes away."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .identity import identity
from .postgres import release_shared_memory

PREFIX = "drillbook-lab-"
_SOCKET_PATH_LIMIT = 107
_UNFINISHED_S = 600
_COMMON_PLACES = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - the directory in it is made by mkdtemp


@dataclass(frozen=True)
class Layout:
    """The places in a lab's directory."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held (flock) as long as the lab lives."""
        return self.root / "lock"

    @property
    def control(self) -> Path:
        """The keeper's socket."""
        return self.root / "control.sock"

    @property
    def environment(self) -> Path:
        """The environment file that leads to everything else."""
        return self.root / "environment.toml"

    @property
    def marker(self) -> Path:
        """The target's own consent to be disturbed."""
        return self.root / "drillbook-marker"

    @property
    def logs(self) -> Path:
        """One file a process, appended to by every start."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """One file a secret."""
        return self.root / "secrets"

    @property
    def data(self) -> Path:
        """Stands for /var/lib/llm-config."""
        return self.root / "data"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's own folder."""
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        """Redis' own folder."""
        return self.root / "redis"

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{name}.log"

    def keep_secret(self, name: str, value: str) -> Path:
        """Write a secret for its owner's eyes and return its file."""
        path = self.secrets / name
        write_private(path, value)
        return path


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def create() -> tuple[Layout, int]:
    """Make a directory for a new lab and hold its lock.

    Returns:
        The layout, and the open lock file: whoever has it open holds the lab.
    """
    layout = Layout(Path(tempfile.mkdtemp(prefix=PREFIX, dir=_place())))
    if len(str(layout.control)) > _SOCKET_PATH_LIMIT:
        shutil.rmtree(layout.root)
        raise LabError(f"{layout.control} is too long for the name of a socket; set TMPDIR to a shorter path")
    # Locked under another name first: a lock file that can be seen is held, or its holder is dead.
    fresh = layout.root / "lock.new"
    lock = os.open(fresh, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    fresh.rename(layout.lock)
    for folder in (layout.logs, layout.secrets, layout.data, layout.postgres, layout.redis):
        folder.mkdir(mode=0o700)
    return layout, lock


def _place() -> Path:
    """Return where temporary files go; where PostgreSQL runs as another user, the first place that lets it through.

    Raises LabError when there is none.
    """
    first = Path(tempfile.gettempdir())
    if identity().user is None:
        return first
    for place in (first, *_COMMON_PLACES):
        if place.is_dir() and all(folder.stat().st_mode & stat.S_IXOTH for folder in (place, *place.resolve().parents)):
            return place
    raise LabError(f"PostgreSQL does not run as root, and no other user may enter {first}; set TMPDIR to another place")


def is_held(root: Path) -> bool:
    """Return whether a living keeper holds the directory."""
    try:
        lock = os.open(Layout(root).lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        return is_locked(lock)
    finally:
        os.close(lock)


def is_locked(lock: int) -> bool:
    """Return whether another process holds this open lock file."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def remove(root: Path) -> None:
    """Remove a lab's directory and what PostgreSQL left in the kernel; its processes are gone."""
    release_shared_memory(Layout(root).postgres / "data")
    shutil.rmtree(root, ignore_errors=True)
    if root.exists():
        shutil.rmtree(root)  # once more, and this time it says why


def sweep() -> list[Path]:
    """Remove the directories of this user's labs that died without a chance to clean up.

    Returns:
        What was removed.
    """
    removed = []
    for root in _place().glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another one sweeps as well
            found = root.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            if ours and _is_dead(root, age_s=time.time() - found.st_mtime):
                remove(root)
                removed.append(root)
    return removed


def _is_dead(root: Path, *, age_s: float) -> bool:
    """A directory without a lock is just being made or removed, unless it is old."""
    return not is_held(root) if Layout(root).lock.exists() else age_s > _UNFINISHED_S
