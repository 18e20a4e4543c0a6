"""What an environment declares absent: only components that the runbook makes optional, and none with an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import catalogue
from ..tables import nearest

if TYPE_CHECKING:
    from .settings import EnvironmentFile


def not_absent(file: EnvironmentFile) -> list[str]:
    """Name what is declared absent and cannot be, each with its key."""
    problems: list[str] = []
    for system, settings in file.systems.items():
        optional = catalogue.parts(system).optional
        allowed = f"one of the components that the runbook makes optional: {', '.join(optional)}"
        if not optional:
            allowed = f"none, for the runbook of {system} makes no component optional"
        for index, name in enumerate(settings.absent):
            key = f"systems.{system}.absent.{index}"
            if name not in optional:
                problems.append(f'{key}: expected {allowed}; found "{name}"{nearest(name, optional)}')
            elif name in settings.components:
                problems.append(f'{key}: expected a component without an address; found "{name}", which has one')
    return problems
