"""A value that must not be seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """A resolved secret: shows as ``***`` wherever it is printed; ``reveal()`` is the only way to the value."""

    _value: str
    reference: str
    """Where it came from (``env:NAME`` or ``file:PATH``): safe to show."""

    def reveal(self) -> str:
        """Return the value, for the one call that needs it."""
        return self._value

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return f"Secret({self.reference})"
