"""What the runner tells the load process: a private file that is gone as soon as it was read, and two pipes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

VARIABLE = "DRILLBOOK_LOAD"
"""The environment variable with the path of the file; secrets stand in the file alone, never in argv or a log."""


@dataclass(frozen=True, slots=True)
class Orders:
    """One run of load. ``headers`` may hold secrets, so they never show."""

    hosts: tuple[str, ...]
    """Base addresses; arrivals go to them in turn."""
    namespace: str
    key_prefix: str
    """Every key that the run writes begins with this; no other run has it."""
    rate_rps: float
    duration_s: float
    warm_up_s: float
    timeout_s: float
    report_fd: int
    """Where the load process writes one JSON object a line."""
    lifeline_fd: int
    """Ends when the runner ends."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def write(orders: Orders) -> Path:
    """Write a file that only this user can read (mode 0600) and return its path."""
    fd, name = tempfile.mkstemp(prefix="drillbook-load-", suffix=".json")
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        json.dump(asdict(orders), stream)
    return Path(name)


def take(path: Path) -> Orders:
    """Read the orders and delete the file. Raises OSError, and ValueError when it holds no orders."""
    text = path.read_text("utf-8")
    path.unlink()
    try:
        row = json.loads(text)
        return Orders(**{**row, "hosts": tuple(row["hosts"])})
    except (TypeError, KeyError):
        raise ValueError(f"{path} holds no orders of this version of Drillbook") from None
