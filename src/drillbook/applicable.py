"""Why a row is not judged in an environment, by its file alone and before anything is asked.

What no row of an environment could ever see there is *not judged*, and listed with the reason. An eye that should see
and is broken is UNKNOWN; nothing that is found later turns the one into the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Criterion, System


def not_about(row: Criterion[Any], platform: str) -> str | None:
    """Return why a statement says nothing of a platform: it means the mechanism of another; None where it does."""
    if row.platforms is None or row.is_about(platform):
        return None
    return f"it is about {' and '.join(sorted(row.platforms))}, and this environment is on {platform}"


def not_seen(row: Criterion[Any], system: System) -> str | None:
    """Return why a row cannot be looked at in a system that the environment file describes; None where it can."""
    return row.needs(system) or row.probe.blind(system)
