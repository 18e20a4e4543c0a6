"""The lab in a namespace of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...state import state_directory
from ..border import LabOn

if TYPE_CHECKING:
    from pathlib import Path


def _running(system: str) -> Path | None:
    path = state_directory() / "lab" / "kubernetes" / system / "environment.toml"
    return path if path.is_file() else None


LAB = LabOn(_running)
