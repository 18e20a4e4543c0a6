"""The lab on Docker Compose."""

from __future__ import annotations

import json
from pathlib import Path

from ...state import state_directory
from ..border import LabOn

_IMAGES_LIMIT_S = 900.0


def _running(system: str) -> Path | None:
    """Return the environment file that the lab's record names."""
    try:
        record = json.loads((state_directory() / "lab" / f"{system}.compose.json").read_text("utf-8"))
        path = Path(record["environment"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return path if path.is_file() else None


LAB = LabOn(
    _running,
    "bringing up {system} on Docker Compose; the first time its images are pulled or built",
    ("--on", "compose"),
    _IMAGES_LIMIT_S,
)
