"""A system's units as systemd describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..model import CannotObserve, System, Target
from ..platforms import Missing, platform_of
from ..platforms.systemd.settings import SystemdHost
from ..platforms.systemd.units import DescribesUnits, UnitState
from .base import ReadingProbe
from .blindness import lacks


@dataclass(frozen=True, slots=True)
class UnitsReading:
    """Every unit that the environment names."""

    units: tuple[UnitState, ...]

    def of(self, component: str) -> UnitState | None:
        """Return a component's unit, None when the environment names none."""
        return next((unit for unit in self.units if unit.component == component), None)


@dataclass(frozen=True)
class Units(ReadingProbe[UnitsReading]):
    """Ask systemd for all units at once."""

    reading: ClassVar[type[UnitsReading]] = UnitsReading
    together: ClassVar[bool] = True
    timeout_s: ClassVar[float] = 15.0  # connecting, and two questions on a busy host

    def blind(self, system: System) -> str | None:
        """Return why there are no units to ask about."""
        return lacks(system, DescribesUnits, "describes units")

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the host."""
        return (Target(system, "units"),)

    def source(self, target: Target) -> str:
        """Return the command and the host."""
        where = target.system.place.held_as(SystemdHost)
        return f"systemctl show on {where.host}" if where else "systemctl show"

    def observe(self, target: Target) -> UnitsReading:
        """Ask. Raises CannotObserve when systemd does not answer."""
        describes = platform_of(target.system).can(DescribesUnits)  # type: ignore[type-abstract] # asked by its type
        if isinstance(describes, Missing):
            raise CannotObserve(describes.reason, hint="name the host and its units in the environment file")
        return UnitsReading(describes.units())
