"""The platform of a system, imported when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..model import CannotObserve, System
from .capabilities import Locates, Missing

if TYPE_CHECKING:
    from .capabilities import Platform


def platform_of(system: System) -> Platform:
    """Return the platform that the environment file names for this system."""
    if system.platform == "process":
        from .process import ProcessPlatform  # noqa: PLC0415 - platforms are loaded when used

        return ProcessPlatform(system)
    if system.platform == "compose":
        from .compose import ComposePlatform  # noqa: PLC0415 - as above

        return ComposePlatform(system)
    raise ValueError(f"unknown platform {system.platform!r}")


def located(system: System) -> System:
    """Fill in where the instances are, when the environment names none and the platform knows.

    Copies that come and go have no addresses that a file could name. A platform that does not answer is no reason
    to fail here: the system remembers why, and every reading of an instance becomes UNKNOWN with that reason.
    """
    if system.instances:
        return system
    locates = platform_of(system).can(Locates)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(locates, Missing):
        return system
    try:
        return replace(system, instances=locates.locate_instances(), unlocated=None)
    except CannotObserve as unseen:
        return replace(system, unlocated=unseen)
