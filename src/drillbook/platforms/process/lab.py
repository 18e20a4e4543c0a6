"""The lab as processes of this machine."""

from __future__ import annotations

import json
from pathlib import Path

from ...state import state_directory
from ..border import LabOn


def _running(system: str) -> Path | None:
    """Return the environment file of a lab that is up; a record whose keeper is gone counts for nothing."""
    import socket  # noqa: PLC0415 - only a lab needs it

    try:
        record = json.loads((state_directory() / "lab" / f"{system}.json").read_text("utf-8"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            probe.connect(record["control"])
        path = Path(record["environment"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return path if path.is_file() else None


LAB = LabOn(_running, "bringing up the lab of {system}: PostgreSQL, Redis, the service")
