"""The places of an environment: what is marked, claimed and locked as one, whichever of its systems a fault touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...platforms import platform_of
from .own_keys import SUFFIX as KEYS_SUFFIX
from .records import files_of, folders_of, holder_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...model import System

    Names = tuple[str, ...]


def together_with(system: System, systems: Iterable[System]) -> tuple[System, ...]:
    """Return the systems that share a system's place, by name, itself among them; contacts nothing."""
    place = platform_of(system).place
    there = {one.name: one for one in (*systems, system) if platform_of(one).place == place}
    return tuple(there[name] for name in sorted(there))


def places_of(environment: str, systems: Iterable[System], only: str | None = None) -> dict[Names, tuple[System, ...]]:
    """Return the places where something of an environment may be left, by the names of the systems there.

    Args:
        environment: its name.
        systems: those that its file describes.
        only: the system whose places are asked for; None for all.

    Returns:
        The systems at each place. None where this machine has records of a place that the file does not describe so.

    Raises:
        CannotObserve: this machine's records cannot be read.
    """
    systems = tuple(systems)
    groups = (together_with(system, systems) for system in systems)
    found = {tuple(one.name for one in group): group for group in groups}
    for names, folder in folders_of(environment).items():
        if names not in found and (files_of(folder) or files_of(folder, KEYS_SUFFIX) or holder_in(folder) is not None):
            found[names] = ()
    return {names: there for names, there in found.items() if only is None or not names or only in names}
