"""Why a row is not judged in an environment, by its file alone and before anything is asked.

What no row of an environment could ever see there is *not judged*, and listed with the reason. An eye that should see
and is broken is UNKNOWN; nothing that is found later turns the one into the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Criterion, System


def not_about(row: Criterion[Any], platform: str) -> str | None:
    """Return why a statement says nothing of a platform: it means the mechanism of another; None where it does."""
    if row.platforms is None or row.is_about(platform):
        return None
    return f"it is about {' and '.join(sorted(row.platforms))}, and this environment is on {platform}"


def absent_among(components: Iterable[str], system: System) -> tuple[str, ...]:
    """Return those of these components that the environment declares absent."""
    return tuple(name for name in components if name in system.absent)


def absent_of(row: Criterion[Any], system: System) -> tuple[str, ...]:
    """Return the components, declared absent, without which a row's statement says nothing."""
    return absent_among(catalogue.entry(row.id).about, system) if system.absent else ()


def declared(absent: tuple[str, ...]) -> str:
    """Return the reason in words: ``postgres and redis are declared absent``."""
    return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} declared absent"


def not_seen(row: Criterion[Any], system: System) -> str | None:
    """Return why a row cannot be looked at in a system that the environment file describes; None where it can."""
    return row.needs(system) or row.probe.blind(system)
