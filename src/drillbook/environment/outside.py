"""An environment that is seen by its addresses alone: what its file must name, and what would be without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..platforms import sees_from_outside
from ..tables import HttpTable
from .systems import MAIN

if TYPE_CHECKING:
    from ..tables import ComponentTable
    from .settings import EnvironmentFile
    from .systems import Tables


def not_from_outside(file: EnvironmentFile, tables: Tables) -> list[str]:
    """Name what makes no sense where no platform runs anything, each with its key; nothing on other platforms."""
    if not sees_from_outside(file.platform):
        return []
    where = f'platform = "{file.platform}"'
    problems = [f"lab: expected no lab beside {where}; a lab runs on a platform"] if file.lab else []
    for name, components in tables.components.items():
        if not _has_address(components.get(MAIN)):
            problems.append(f"systems.{name}.components.{MAIN}.url: missing; {where} sees nothing that has no address")
        problems += [
            f"systems.{name}.components.{part}.through: expected an address that can be reached from here; "
            f"{where} leads nowhere"
            for part, one in components.items()
            if one.through != "direct"
        ]
    return problems


def _has_address(table: ComponentTable | None) -> bool:
    return isinstance(table, HttpTable) and (table.url is not None or bool(table.instances))
