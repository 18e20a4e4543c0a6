"""What was seen: a value or an error, with its source, time and duration."""

from __future__ import annotations

from dataclasses import dataclass

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What survives a trip through a JSON file: probes encode their readings to this and decode them from it."""


class CannotObserve(Exception):
    """The eye is broken (no login, no rights, no samples): nothing can be said about the system.

    Args:
        reason: what was tried and what came back.
        mend: what the reader can do about it.
    """

    def __init__(self, reason: str, *, mend: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Observation:
    """One probe's reading of one target.

    ``value`` is the probe's own reading as JSON; it is None exactly when ``error`` says why nothing could be seen.
    """

    probe: str
    target: str
    source: str
    at: str
    """RFC 3339, UTC, when the reading began, by the runner's clock."""
    duration_ms: float
    value: Json = None
    error: str | None = None
    mend: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.error is None):
            raise ValueError("an observation holds a value or an error, never both and never neither")
