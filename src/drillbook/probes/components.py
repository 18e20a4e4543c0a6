"""All components of a system as their platform sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..model import CannotObserve, System, Target
from ..platforms import Declares, InstanceState, Lists, Missing, platform_of
from .base import ReadingProbe
from .blindness import lacks


@dataclass(frozen=True, slots=True)
class Listing:
    """Every replica of every component."""

    instances: tuple[InstanceState, ...]
    declared: tuple[str, ...] = ()
    """The components that the definition has; empty where the platform knows of none that it does not list."""
    undeclared: str | None = None
    """Why the definition could not be read, where there is one to read."""


@dataclass(frozen=True)
class Components(ReadingProbe[Listing]):
    """Ask the platform for every replica of every component."""

    reading: ClassVar[type[Listing]] = Listing
    timeout_s: ClassVar[float] = 15.0  # connecting, and two questions on a busy host

    def blind(self, system: System) -> str | None:
        """Return why nobody can list them: only a platform does."""
        return lacks(system, Lists, "lists what runs")

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the platform as one target."""
        return (Target(system, system.platform),)

    def source(self, target: Target) -> str:
        """Return where the list comes from."""
        return platform_of(target.system).place()

    def observe(self, target: Target) -> Listing:
        """List. Raises CannotObserve when the platform does not answer or cannot list."""
        platform = platform_of(target.system)
        lists = platform.can(Lists)  # type: ignore[type-abstract] # a protocol is asked for by its type
        if isinstance(lists, Missing):
            raise CannotObserve(lists.reason, hint="run where the platform can be listed")
        declares = platform.can(Declares)  # type: ignore[type-abstract] # as above
        listed = lists.list_instances()
        if isinstance(declares, Missing):
            return Listing(listed)
        try:
            return Listing(listed, declares.declared())
        except CannotObserve as broken:
            return Listing(listed, undeclared=broken.reason)
