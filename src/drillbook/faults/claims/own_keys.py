"""The keys that a run's clients may write, remembered before the first: whoever comes next removes what is left.

They lie beside the undo records, here and on the targets, and are no harm: a run that finds some goes on. Which keys
there may be follows from the writer's rate and from how long it can have lived; its ledger says it exactly.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from ...model import CannotObserve
from ..undo import BadUndo

if TYPE_CHECKING:
    from pathlib import Path

    from ...model import Json

SUFFIX = ".keys"
PREFIX = "drillbook-"
_DYING_S = 10.0
"""A writer may go on for so long after its run's last sign of life."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """What one run may have written, and the request that deletes one key of it; no addresses, no secrets."""

    id: str
    run: str
    """The directory of the run's journal."""
    system: str
    namespace: str
    ledger: str
    """The ledger's file, on the machine of the run."""
    prefix: str
    """The writer's keys are this, a hyphen and a number from 0 on."""
    per_s: float
    extra: tuple[str, ...]
    """Keys that others than the writer have written for the run."""
    path: str
    """What DELETE is sent to, with ``{key}`` in it."""
    done: tuple[int, ...]
    """Statuses that mean: deleted."""
    absent: tuple[int, ...]
    """Statuses that mean: there is no such key."""
    began_s: float = 0.0
    """Seconds since 1970 by the clock of where this lies."""
    count: int | None = None
    """How many keys the writer may have come to; None while it may live."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key there may be."""
        return (*self.extra, *(f"{self.prefix}-{number}" for number in range(self.count or 0)))

    @property
    def surely_ours(self) -> bool:
        """Whether nothing else can be deleted by them: each begins as ours do, and the path names the namespace."""
        begun = all(key.startswith(PREFIX) for key in (self.prefix, *self.extra))
        return begun and "{key}" in self.path and self.namespace in self.path

    def ended(self, last_sign_s: float) -> OwnKeys:
        """Return the same with its count, for a run that is gone.

        Args:
            last_sign_s: when it was known to live, at the latest; seconds since 1970 by the same clock.
        """
        if self.count is not None:
            return self
        return replace(self, count=math.ceil(self.per_s * max(0.0, last_sign_s + _DYING_S - self.began_s)))

    def noted(self, now_s: float, before: OwnKeys | None) -> OwnKeys:
        """Return the same as a place keeps it: begun when that place first heard of it.

        Args:
            now_s: seconds since 1970 by the place's clock.
            before: what it keeps of them already, if anything.
        """
        return replace(self, began_s=now_s if before is None else before.began_s)

    def to_json(self) -> Json:
        """Return one object."""
        found: Json = _SHAPE.dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, value: Json) -> OwnKeys:
        """Read what ``to_json`` wrote. Raises BadUndo, also for keys that no run of ours would write."""
        try:
            found = _SHAPE.validate_python(value)
        except ValidationError:
            raise BadUndo("not the test keys of a run of this version of Drillbook") from None
        if not found.surely_ours:
            raise BadUndo("test keys that no run of ours would write")
        return found


_SHAPE = TypeAdapter(OwnKeys)


def read_keys(path: Path) -> OwnKeys:
    """Return what a file remembers. Raises CannotObserve: what cannot be read is not nothing."""
    try:
        return OwnKeys.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, BadUndo) as error:
        why = f"cannot read which test keys a run has left: {path}: {error}"
        raise CannotObserve(why, hint="look at it; when no test key is left, remove it") from None
