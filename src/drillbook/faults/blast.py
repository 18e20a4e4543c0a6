"""What a fault hits, as its undo record says it too: whoever counts need not be the run that did it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from ..model import Json


@dataclass(frozen=True, slots=True)
class Blast:
    """What one fault hits. Two systems may have a component, or an instance, of the same name."""

    system: str
    component: str
    instances: tuple[str, ...]
    of_total: int
    """How many instances the component has."""

    @property
    def share(self) -> float:
        """The part of the component that is hit, from 0 to 1."""
        return len(self.instances) / self.of_total if self.of_total else 1.0

    @classmethod
    def from_json(cls, value: Json) -> Blast | None:
        """Read what ``dataclasses.asdict`` gave; None for what is no blast."""
        try:
            return _SHAPE.validate_python(value)
        except ValidationError:
            return None


_SHAPE = TypeAdapter(Blast)
