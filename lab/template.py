"""Keeps an empty data directory of PostgreSQL for the next lab: ``initdb`` takes longer than all the rest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Template:
    """A data directory as ``initdb`` made it, as an archive in the user's cache folder.

    It holds no password. Labs that begin from the same one have the same system identifier.

    Attributes:
        archive: where it is or will be.
    """

    archive: Path

    @classmethod
    def of(cls, program: Path, arguments: tuple[str, ...]) -> Template:
        """Return the template that this very server and these arguments of ``initdb`` lead to."""
        found = program.stat()
        made_by = (str(program), found.st_size, found.st_mtime_ns, arguments)
        key = hashlib.sha256(repr(made_by).encode()).hexdigest()[:16]
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - never raises
        return cls(Path(base) / "drillbook" / f"postgres-{key}.tar")

    @property
    def exists(self) -> bool:
        """Whether there is one, made by us."""
        try:
            return self.archive.stat().st_uid == os.geteuid()
        except OSError:
            return False

    @contextlib.contextmanager
    def draft(self) -> Iterator[Path]:
        """Give a file to write it to; it takes its place if no exception is raised.

        Raises:
            OSError: the cache folder cannot be written.
        """
        if not self.archive.is_absolute():
            raise FileNotFoundError(f"found no home folder for {self.archive}")
        self.archive.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.archive.parent, prefix=".postgres-")
        try:
            yield Path(name)
            os.fsync(handle)  # after a power cut it is whole or not there
            Path(name).rename(self.archive)
        finally:
            os.close(handle)
            Path(name).unlink(missing_ok=True)
