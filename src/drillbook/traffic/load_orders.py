"""What the runner tells the load process: a private file that is gone as soon as it was read, and two pipes."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from .service import Address

VARIABLE = "DRILLBOOK_LOAD"
"""The environment variable with the path of the file; secrets stand in the file alone, never in argv or a log."""


@dataclass(frozen=True, slots=True)
class Orders:
    """One run of load."""

    address: Address
    """Arrivals go to its addresses in turn. It holds secrets, which never show."""
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


_ORDERS = TypeAdapter(Orders)


def write(orders: Orders) -> Path:
    """Write a file that only this user can read (mode 0600) and return its path."""
    fd, name = tempfile.mkstemp(prefix="drillbook-load-", suffix=".json")
    with os.fdopen(fd, "wb") as stream:
        stream.write(_ORDERS.dump_json(orders))
    return Path(name)


def take(path: Path) -> Orders:
    """Read the orders and delete the file. Raises OSError, and ValueError when it holds no orders."""
    text = path.read_bytes()
    path.unlink()
    try:
        return _ORDERS.validate_json(text)
    except ValidationError:
        raise ValueError(f"{path} holds no orders of this version of Drillbook") from None
