"""An environment that is seen by its addresses alone: what its file must name, and what would be without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..platforms import sees_from_outside

if TYPE_CHECKING:
    from .settings import EnvironmentFile


def not_from_outside(file: EnvironmentFile) -> list[str]:
    """Name what makes no sense where no platform runs anything, each with its key; nothing on other platforms."""
    if not sees_from_outside(file.platform):
        return []
    where = f'platform = "{file.platform}"'
    problems = [f"lab: expected no lab beside {where}; a lab runs on a platform"] if file.lab else []
    for name, system in file.systems.items():
        if system.api.url is None and not system.api.instances:
            problems.append(f"systems.{name}.api.url: missing; {where} sees nothing that has no address")
        parts = {"postgres": system.postgres, "redis": system.redis, "prometheus": system.prometheus}
        problems += [
            f"systems.{name}.{part}.through: expected an address that can be reached from here; {where} leads nowhere"
            for part, one in parts.items()
            if one is not None and one.through is not None
        ]
    return problems
