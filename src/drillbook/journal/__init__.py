"""The record of a run: ``journal.jsonl``, append-only, one JSON object a line, safe for several writing processes."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import clock
from . import formats

if TYPE_CHECKING:
    from ..redaction import Redactor
    from .events import Event

JOURNAL = "journal.jsonl"
SUMMARY = "summary.json"


_LEAST_FREE_BYTES = 1_000_000
"""What a run must find free: a gate writes a tenth of it, a scenario about half."""
_OWN = frozenset(
    {
        *("id", "outcome", "expected", "severity", "remedy", "system", "systems", "test", "readings", "round", "open"),
        *("environment", "platform", "facts", "drillbook", "verdicts", "scenario", "name", "fault", "state", "when"),
        *("instances", "number", "good", "wanted", "owner", "expires", "exit_status"),
        *("seen", "judged", "observed", "source", "hint", "statement", "heading", "advice"),
    }
)
"""Keys of values that are ours (ids, verdicts, names from our rows), or that were redacted when they were read."""


class NoSuchRun(Exception):
    """A run that is not there, or whose journal cannot be read."""


class CannotKeep(Exception):
    """A folder in which no run can be kept; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a journal."""

    at: str
    event: Event

    @property
    def kind(self) -> str:
        """What kind of event it is."""
        return self.event.kind

    @property
    def data(self) -> dict[str, Any]:
        """What the event says, as JSON."""
        return formats.plain(self.event)


def new_run(reports: Path, environment: str) -> Path:
    """Create the directory of a new run, ``<UTC time>-<environment>-<random>``, and return it.

    Raises:
        CannotKeep: it cannot be written there, or ``latest`` could not point to it at the end.
    """
    stamp = re.sub(r"[-:]", "", clock.now().split(".")[0])
    directory = reports / f"{stamp}-{environment}-{secrets.token_hex(2)}"
    latest = reports / "latest"
    try:
        if latest.exists() and not latest.is_symlink():
            kind = "directory" if latest.is_dir() else "file"
            raise CannotKeep(
                f"{latest} is a {kind} and not the link to the newest run: move it away, or say --reports DIR"
            )
        directory.mkdir(parents=True)
        disk = os.statvfs(directory)
    except OSError as error:
        raise CannotKeep(f"{reports}: cannot be written: {error.strerror}; say --reports DIR") from None
    free_bytes = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free_bytes < _LEAST_FREE_BYTES:
        directory.rmdir()
        raise CannotKeep(
            f"{reports}: {free_bytes // 1000} kB are free there, a run needs {_LEAST_FREE_BYTES // 1000} kB"
        )
    return directory


def point_latest(directory: Path) -> None:
    """Let ``reports/latest`` point to this run, atomically."""
    beside = directory.parent / f".latest-{directory.name}"
    beside.symlink_to(directory.name)
    beside.replace(directory.parent / "latest")


class Journal:
    """Appends to a run's journal. Each record is one write to a file opened for appending.

    A record that cannot be written ends nothing: it is kept in ``unwritten``, and ``lost`` says why. What tells must
    never stop what undoes.
    """

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        self.directory = directory
        self._redactor = redactor
        self.unwritten: list[dict[str, Any]] = []
        """The lines that the file does not have, for the run's own summary."""
        self.lost: str | None = None
        """Why the evidence on the disk is not whole, where it is not."""
        self._torn = False
        """Whether our own file took a line in part, or not at all: what comes after it would not be read."""
        self._fd = os.open(directory / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, event: Event) -> None:
        """Append an event; secrets are redacted on the way, in what was observed and not in our own words."""
        plain = formats.plain(event)
        safe = {key: value if key in _OWN else self._redactor.json(value) for key, value in plain.items()}
        row = {"at": clock.now(), "kind": event.kind, "version": event.version, **safe}
        line = (json.dumps(row) + "\n").encode()
        if not self._torn:
            self._append(line)
        if self._torn:
            self.unwritten.append(row)

    def _append(self, line: bytes) -> None:
        try:
            if os.write(self._fd, line) == len(line):
                return
            why = "the disk is full"
        except OSError as error:
            why = error.strerror or str(error)
        self._torn = True
        self.lose(why)

    def lose(self, why: str) -> None:
        """Note that evidence was lost, and why; the first reason stands."""
        self.lost = self.lost or f"{self.directory}: {why}"

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Turn a write of evidence that fails into a note that it is lost."""
        try:
            yield
        except OSError as error:
            self.lose(error.strerror or str(error))

    def sync(self) -> None:
        """Put all that was written onto the disk."""
        with self.losing():
            os.fsync(self._fd)

    def close(self) -> None:
        """End writing."""
        os.close(self._fd)


def read(directory: Path) -> Iterator[Record]:
    """Yield a run's records in the order of writing, those of earlier formats as today's.

    Raises:
        NoSuchRun: it cannot be read, or holds a record that this version does not know: without it, what is left
            could look better than the run was.
    """
    path = directory / JOURNAL
    try:
        lines = path.read_text("utf-8").split("\n")
    except OSError as error:
        raise NoSuchRun(f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):  # empty, or the runner was killed in the middle of it
                return
            raise NoSuchRun(f"{path}: line {number} is not a journal record") from None
        try:
            record = record_of(row)
        except formats.NotARecord as why:
            raise NoSuchRun(f"{path}: line {number} {why}") from None
        yield record


def record_of(row: Any) -> Record:
    """Return the record that a line of a journal holds as JSON. Raises formats.NotARecord."""
    event = formats.event_of(row)
    if not isinstance(row.get("at"), str):
        raise formats.NotARecord("is not a journal record: it does not say when it was written")
    return Record(row["at"], event)


def find_run(reports: Path, name: str) -> Path:
    """Return the directory of a run given by id, by path, or as ``latest``. Raises NoSuchRun naming the newest ones."""
    for candidate in (reports / name, Path(name)):
        if (candidate / JOURNAL).is_file():
            return candidate.resolve()
    runs = sorted(path.parent.name for path in reports.glob(f"*/{JOURNAL}") if not path.parent.is_symlink())
    listed = ", ".join(runs[-3:]) or "none yet"
    raise NoSuchRun(f'no run "{name}" in {reports}; the newest: {listed}')
