"""The platform of a system, imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import System

if TYPE_CHECKING:
    from .capabilities import Platform


def platform_of(system: System) -> Platform:
    """Return the platform that the environment file names for this system."""
    if system.platform == "process":
        from .process import ProcessPlatform  # noqa: PLC0415 - platforms are loaded when used

        return ProcessPlatform(system)
    if system.platform == "systemd":
        from .systemd import SystemdPlatform  # noqa: PLC0415 - as above

        return SystemdPlatform(system)
    raise ValueError(f"unknown platform {system.platform!r}")
