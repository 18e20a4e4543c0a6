"""What was seen: a value or an error, with its source, time and duration."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What survives a trip through a JSON file: probes encode their readings to this and decode them from it."""


class CannotObserve(Exception):
    """The eye is broken (no login, no rights, no samples): nothing can be said about the system.

    Args:
        reason: what was tried and what came back.
        hint: what the reader can do about it.
    """

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class AsRead:
    """A reading before it was masked: for judging in the process that took it; it can be neither shown nor copied."""

    __slots__ = ("_value",)

    def __init__(self, value: Json) -> None:
        self._value = value

    def reveal(self) -> Json:
        """Return the value, for the one call that judges it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> Any:
        raise TypeError("a reading with secrets does not leave its process")

    def __deepcopy__(self, _memo: object) -> AsRead:
        return AsRead(None)


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
    hint: str | None = None
    masked: bool = False
    """Whether secrets were masked in the value, so that only the process that read it can judge it."""
    as_read: AsRead | None = field(default=None, repr=False, compare=False)
    """The value before it was masked, where it had to be and this process read it."""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.error is None):
            raise ValueError("an observation holds a value or an error, never both and never neither")

    @property
    def judged_value(self) -> Json:
        """The value to judge."""
        return self.value if self.as_read is None else self.as_read.reveal()

    def record(self) -> dict[str, Any]:
        """Return what a journal keeps: everything but what was masked."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "as_read"}
