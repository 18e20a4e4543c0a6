"""The places of an environment: what is marked, claimed and locked as one, whichever of its systems a fault touches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...platforms import platform_of
from .own_keys import SUFFIX as KEYS_SUFFIX
from .records import files_of, folders_of, holder_in, overlap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...model import System

    Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """What of a system is at one place: all of it, or those of its components that have a place of their own."""

    system: System
    components: tuple[str, ...] = ()
    """Empty for all of it."""

    @property
    def of(self) -> str | None:
        """A component by which the platform finds the place; None where the system has one place."""
        return self.components[0] if self.components else None

    @property
    def name(self) -> str:
        """``system``, or ``system.component`` where the system has several places."""
        return self.system.name if self.of is None else f"{self.system.name}.{self.of}"

    @property
    def place(self) -> str:
        """Where it is, in words: the same for all that share it."""
        return platform_of(self.system).place(self.of)


def spots_of(system: System) -> tuple[Spot, ...]:
    """Return a system's places, each with what of it is there; contacts nothing."""
    platform = platform_of(system)
    if not platform.components():
        return (Spot(system),)
    groups: dict[str, list[str]] = {}
    for component in dict.fromkeys((system.main, *platform.components())):
        groups.setdefault(platform.place(component), []).append(component)
    if list(groups) == [platform.place()]:
        return (Spot(system),)
    return tuple(Spot(system, tuple(sorted(components))) for components in groups.values())


def spot_of(system: System, component: str | None = None) -> Spot:
    """Return the place of a component, of the main one for None."""
    spots = spots_of(system)
    if len(spots) == 1 and not spots[0].components:
        return spots[0]
    wanted = component or system.main
    place = platform_of(system).place(wanted)
    return next((spot for spot in spots if spot.place == place), Spot(system, (wanted,)))


def together_with(spot: Spot, systems: Iterable[System]) -> tuple[Spot, ...]:
    """Return all that is at a place, by name, the spot itself among it; contacts nothing."""
    place = spot.place
    others = (other for system in systems for other in spots_of(system) if other.place == place)
    there = {one.name: one for one in (*others, spot)}
    return tuple(there[name] for name in sorted(there))


def places_of(environment: str, systems: Iterable[System], only: str | None = None) -> dict[Names, tuple[Spot, ...]]:
    """Return the places where something of an environment may be left, by the names of the spots there.

    Args:
        environment: its name.
        systems: those that its file describes.
        only: the system whose places are asked for; None for all.

    Returns:
        What is at each place. Nothing where this machine has records of a place that the file does not describe so.

    Raises:
        CannotObserve: this machine's records cannot be read.
    """
    systems = tuple(systems)
    groups = (together_with(spot, systems) for system in systems for spot in spots_of(system))
    found = {tuple(one.name for one in group): group for group in groups}
    for names, folder in folders_of(environment).items():
        if names not in found and (files_of(folder) or files_of(folder, KEYS_SUFFIX) or holder_in(folder) is not None):
            found[names] = ()
    return {names: there for names, there in found.items() if only is None or not names or overlap([only], names)}
