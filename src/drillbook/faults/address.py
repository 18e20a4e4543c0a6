"""How an undo finds its target again: plain data, from which any process, on any machine, can reach the platform.

Files in an address are those of the machine that wrote it; whoever undoes from another one puts its own in their place.
What a shell or a file could change until then stands in it as the platform pinned it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import System
from ..platforms import BadPlace, pinned, place_at
from .undo import BadUndo, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..model import Json

    Data = Mapping[str, Json]


OF_THE_FAULT = frozenset({"names", "component", "replicas", "lands_within_s", "before", "within_s"})
"""What the data of an undo have of the fault itself; all the rest is the way to the target."""


def address_of(system: System, *, pin: Iterable[str] = ()) -> dict[str, Json]:
    """Return where a system's instances are reached, with absolute paths and without secrets.

    Args:
        system: whose.
        pin: the instances of which these very ones are meant, whatever their names come to stand for.

    Raises:
        PlatformRefused: the environment does not say.
        CannotObserve: it cannot be found out where that is.
    """
    return {"system": system.name, **pinned(system, pin)}


def system_at(data: Data) -> System:
    """Return the system that an address leads to. Raises BadUndo."""
    try:
        return System(text(data, "system"), place_at(data))
    except BadPlace as error:
        raise BadUndo(str(error)) from None
