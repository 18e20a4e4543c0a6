"""Where this user's Drillbook remembers what outlives a run."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """Return ``DRILLBOOK_STATE_DIR``, else ``drillbook`` where this user's programs keep their state."""
    if given := os.environ.get("DRILLBOOK_STATE_DIR"):
        return Path(given).absolute()
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "drillbook"
