"""The record of a run: ``journal.jsonl``, append-only, one JSON object a line, safe for several writing processes."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import clock
from .model import Observation, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .redaction import Redactor

JOURNAL = "journal.jsonl"
SUMMARY = "summary.json"


_OWN = frozenset(
    {
        *("id", "outcome", "expected", "severity", "remedy", "system", "systems", "test", "readings", "round", "open"),
        *("environment", "platform", "facts", "drillbook", "verdicts", "scenario", "name", "fault", "state", "when"),
        *("instances", "number", "good", "wanted", "owner", "expires", "exit_status"),
        *("seen", "judged", "observed", "source", "mend"),
    }
)
"""Keys of values that are ours (ids, verdicts, names from our rows), or that were redacted when they were read."""


class NoSuchRun(Exception):
    """A run that is not there, or whose journal cannot be read."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a journal."""

    at: str
    kind: str
    data: dict[str, Any]


def new_run(reports: Path, environment: str) -> Path:
    """Create the directory of a new run, ``<UTC time>-<environment>-<random>``, and return it."""
    stamp = re.sub(r"[-:]", "", clock.now().split(".")[0])
    directory = reports / f"{stamp}-{environment}-{secrets.token_hex(2)}"
    directory.mkdir(parents=True)
    return directory


def point_latest(directory: Path) -> None:
    """Let ``reports/latest`` point to this run, atomically."""
    beside = directory.parent / f".latest-{directory.name}"
    beside.symlink_to(directory.name)
    beside.replace(directory.parent / "latest")


class Journal:
    """Appends to a run's journal. Each record is one write to a file opened for appending."""

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        self.directory = directory
        self._redactor = redactor
        self._fd = os.open(directory / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, kind: str, **data: Any) -> None:
        """Append one record; secrets are redacted on the way, in what was observed and not in our own words."""
        plain = json.loads(json.dumps(data, default=str))
        safe = {key: value if key in _OWN else self._redactor.json(value) for key, value in plain.items()}
        line = json.dumps({"at": clock.now(), "kind": kind, **safe})
        os.write(self._fd, (line + "\n").encode())

    def observation(self, seen: Observation, number: int) -> None:
        """Append what was seen, and in which round."""
        self.write("observation", round=number, seen=seen.record())

    def verdict(
        self,
        verdict: Verdict,
        *,
        system: str,
        test: str,
        severity: str,
        remedy: str | None,
        excuse: str | None,
        round: int,  # noqa: A002 - the record's own word
        readings: list[tuple[str, str]],
    ) -> None:
        """Append what was judged, by which test, from which readings, and why it is excused, where it is."""
        self.write(
            "verdict",
            **asdict(verdict),
            system=system,
            test=test,
            severity=severity,
            remedy=remedy,
            excuse=excuse,
            round=round,
            readings=readings,
        )

    def sync(self) -> None:
        """Put all that was written onto the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        """End writing."""
        os.close(self._fd)


def read(directory: Path) -> Iterator[Record]:
    """Yield a run's records in the order of writing. Raises NoSuchRun."""
    path = directory / JOURNAL
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise NoSuchRun(f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            yield Record(row.pop("at"), row.pop("kind"), row)
        except (ValueError, KeyError, AttributeError):
            if number == len(lines):  # the runner was killed in the middle of its last line
                return
            raise NoSuchRun(f"{path}: line {number} is not a journal record") from None


def find_run(reports: Path, name: str) -> Path:
    """Return the directory of a run given by id, by path, or as ``latest``. Raises NoSuchRun naming the newest ones."""
    for candidate in (reports / name, Path(name)):
        if (candidate / JOURNAL).is_file():
            return candidate.resolve()
    runs = sorted(path.parent.name for path in reports.glob(f"*/{JOURNAL}") if not path.parent.is_symlink())
    listed = ", ".join(runs[-3:]) or "none yet"
    raise NoSuchRun(f'no run "{name}" in {reports}; the newest: {listed}')
