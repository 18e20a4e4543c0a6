"""One falsifiable sentence of a runbook, and what judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from .observation import Json
    from .system import Facts, System, Target
    from .verdict import Outcome

V = TypeVar("V")


class Severity(StrEnum):
    """What a broken criterion means for a deploy."""

    CRITICAL = "critical"
    WARNING = "warning"


class Stage(StrEnum):
    """When a criterion is judged; the value is the pytest mark that selects it."""

    SMOKE = "smoke"
    PREFLIGHT = "preflight"
    LOAD = "load"
    CHAOS = "chaos"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one reading says about one criterion."""

    outcome: Outcome
    observed: str


class Probe(Protocol[V]):
    """Reads facts once; a frozen value, equal to another probe that reads the same.

    Implementations turn what a user would suffer into a value and raise CannotObserve for a broken eye.
    """

    @property
    def key(self) -> str:
        """Names the reading within a run: two probes with one key share one observation."""
        ...

    @property
    def timeout_s(self) -> float:
        """The longest the reading may take before it counts as a broken eye."""
        ...

    @property
    def together(self) -> bool:
        """Whether its readings travel together to one host, so that all may be asked for at once."""
        ...

    def blind(self, system: System) -> str | None:
        """Why it can never look at this system, by what the environment file says alone; None where it can.

        Contacts nothing. A criterion of such a probe is not judged; an eye that should see and is broken is UNKNOWN.
        """
        ...

    def targets(self, system: System) -> tuple[Target, ...]:
        """All that must be read; an empty answer makes every criterion of this probe UNKNOWN."""
        ...

    def source(self, target: Target) -> str:
        """Where the reading comes from, in words a person can repeat (``GET http://...``)."""
        ...

    def observe(self, target: Target) -> V:
        """Read. Raises CannotObserve when nothing can be said."""
        ...

    def encode(self, reading: V) -> Json:
        """Turn the reading into JSON for the journal."""
        ...

    def decode(self, value: Json) -> V:
        """Turn journalled JSON back into the reading. Raises ValueError when it is not one."""
        ...


@dataclass(frozen=True, slots=True)
class Accepts(Generic[V]):
    """Judges a reading. ``check`` reads no clock and no environment: its arguments are all it may know."""

    expected: Callable[[Facts], str]
    check: Callable[[V, Facts], Finding]


@dataclass(frozen=True, slots=True)
class Criterion(Generic[V]):
    """A typed row: catalogue id, what to read, how to judge, and what the runbook advises next."""

    id: str
    probe: Probe[V]
    accepts: Accepts[V]
    remedy: str | None = None
    """The catalogue id of the runbook's advice; its heading is shown as the next step."""
    severity: Severity = Severity.CRITICAL
    stage: Stage = Stage.SMOKE
    platforms: frozenset[str] | None = None
    """The platforms whose own mechanism the statement means; None for wherever its probe can look."""
    mutating: bool = False
    needs: Callable[[System], str | None] = lambda _system: None
    """The reason why an environment does not want this judged (an optional fact it does not name), or None."""

    def is_about(self, platform: str) -> bool:
        """Say whether the statement holds on a platform."""
        return self.platforms is None or platform in self.platforms
