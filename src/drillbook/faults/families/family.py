"""What a family of faults says of itself: how it is asked for, what it needs of a platform, and what takes it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...platforms import Lists

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..lifecycle import Fault

    Capability = Callable[..., Any]
    """The protocol by which it is asked for."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a family, as its function has it; the function's own signature says the default."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class UndoKind:
    """What takes a fault back."""

    kind: str
    """The stable word by which records on disk name it."""
    does: str
    needs: tuple[Capability, ...]
    where_missing: tuple[Capability, ...] = ()
    """It is chosen where the platform has none of these."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a harm and to take it back; which one is taken is the platform's to say."""

    needs: tuple[Capability, ...]
    """For the harm itself."""
    undo: UndoKind

    def fits(self, offered: frozenset[Capability]) -> bool:
        """Say whether a platform that offers this much goes this way."""
        needed = (Lists, *self.needs, *self.undo.needs)
        return offered.issuperset(needed) and offered.isdisjoint(self.undo.where_missing)


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of harm, in one file."""

    name: str
    does: str
    call: Callable[..., Fault]
    """How a scenario asks for it: with a system, and with this family's parameters."""
    parameters: tuple[Parameter, ...]
    ways: tuple[Way, ...]

    def way_on(self, offered: frozenset[Capability]) -> Way | None:
        """Return the way it takes on a platform that offers this much; None where it cannot be done or undone."""
        return next((way for way in self.ways if way.fits(offered)), None)
