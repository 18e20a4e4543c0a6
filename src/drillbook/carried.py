"""Where checks, chaos, load, lab, runbooks and example environments are: in a checkout, or carried in the wheel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Return the folder that holds ``checks/``, ``runbooks/`` and their neighbours."""
    carried = _PACKAGE / "carried"
    return carried if carried.is_dir() else _PACKAGE.parents[1]


def has_lab(system: str) -> bool:
    """Say whether the practice range can bring a system up: a system's lab is a folder of its name in ``lab/``."""
    return (root() / "lab" / system.replace("-", "_") / "__init__.py").is_file()


def lab_command(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the argument list and the environment with which the lab's own program runs."""
    return [sys.executable, "-m", "lab", *arguments], {**os.environ, "PYTHONPATH": str(root())}
