"""What the negative controls have shown: which planted defect flipped which statements, where, when, at which commit.

``lab/control_runs.json`` holds the newest run of each defect on each platform. The tests of ``tests/controls`` and
``tests/platforms`` write the record; nothing else makes a statement held.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import carried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Json


@dataclass(frozen=True, slots=True)
class ControlRun:
    """One defect that was planted for real, and what flipped."""

    defect: str
    """A name of ``lab/defects.toml``."""
    platform: str
    flipped: frozenset[str]
    """The statements that it flipped, exactly those that it names there."""
    commit: str
    """What was checked out; ``unknown`` outside of a checkout."""
    at: str
    """When it began: RFC 3339, UTC."""
    beside: tuple[str, ...] = ()
    """What was planted together with it, to flip exactly the union."""

    def to_json(self) -> dict[str, Json]:
        """Return the run as a record holds it."""
        row: dict[str, Json] = {
            "defect": self.defect,
            "platform": self.platform,
            "flipped": [*sorted(self.flipped)],
            "commit": self.commit,
            "at": self.at,
        }
        return {**row, "beside": [*sorted(self.beside)]} if self.beside else row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> ControlRun:
        """Read what ``to_json`` gave. Raises KeyError, TypeError."""
        defect, platform, flipped = row["defect"], row["platform"], frozenset(row["flipped"])
        return cls(defect, platform, flipped, row["commit"], row["at"], tuple(row.get("beside", ())))


def path() -> Path:
    """Return where the record is."""
    return carried.root() / "lab" / "control_runs.json"


def read(file: Path | None = None) -> tuple[ControlRun, ...]:
    """Return all runs on record, by defect and platform; nothing where there is no record.

    Args:
        file: another record than the project's own.

    Raises:
        ValueError: the record cannot be read; the message names it.
    """
    file = file or path()
    if not file.exists():
        return ()
    try:
        found = [ControlRun.from_json(row) for row in json.loads(file.read_text("utf-8"))]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: expected a list of control runs, as `tox -e matrix` writes it: {error!r}") from None
    return tuple(sorted(found, key=lambda run: (run.defect, run.platform)))


def write(runs: tuple[ControlRun, ...], file: Path | None = None) -> None:
    """Keep these runs as the record: one of each defect and platform, the newest."""
    newest = {(run.defect, run.platform): run for run in sorted(runs, key=lambda run: run.at)}
    rows = [run.to_json() for _, run in sorted(newest.items())]
    (file or path()).write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
