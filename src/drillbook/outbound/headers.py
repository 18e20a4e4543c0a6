"""Headers with their secrets in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping


def revealed(headers: Mapping[str, str | Secret]) -> dict[str, str]:
    """Return headers as they are sent: for the one client that needs them, never for a log or an argument list."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}
