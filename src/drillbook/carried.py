"""Where checks, chaos, load, lab, runbooks and example environments are: in a checkout, or carried in the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Return the folder that holds ``checks/``, ``runbooks/`` and their neighbours."""
    carried = _PACKAGE / "carried"
    return carried if carried.is_dir() else _PACKAGE.parents[1]
