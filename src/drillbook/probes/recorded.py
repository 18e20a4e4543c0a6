"""What a scenario has seen while it ran: readings that no probe could take on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ..dialects import Entry
from ..model import CannotObserve, Target
from .base import ReadingProbe

if TYPE_CHECKING:
    from ..model import System

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Said:
    """What an instance has logged of the texts that were looked for since a moment."""

    entries: tuple[Entry, ...]
    """For each text the first entry that says it."""
    of: int
    """Among so many entries."""
    whole: bool = True
    """Whether all since the moment was searched: else a text that is not there may be."""
    undated: bool = False
    """Whether the log was written to since, and no entry is dated so: its clock is late."""
    ahead_s: float = 0.0
    """By how much the newest entry is dated in the future."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one instance ended when it was told to."""

    instance: str
    exit_code: int | None
    killed: bool
    """Whether the grace had to be ended by SIGKILL."""
    took_s: float
    said: Said | None
    """What it has logged since it was told; None when its log could not be read."""
    failure: str | None = None
    """What the platform calls it, where it counts as failed whatever its status."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """What became of the requests that were in flight."""

    started: int
    completed: tuple[int, ...]
    """The statuses of those that were answered."""
    dropped: tuple[str, ...]
    """Why the others were not."""


@dataclass(frozen=True, slots=True)
class WriteLosses:
    """What became of the acknowledged writes."""

    acknowledged: int
    before_fault: int
    lost: int
    lost_keys: tuple[str, ...]
    unread: int
    unread_reasons: tuple[str, ...]
    unknown_writes: int
    """Writes without an answer: they may have happened, and count neither as acknowledged nor as lost."""
    rpo_s: float | None
    """From the oldest lost acknowledged write to the fault; None when something acknowledged could not be read."""
    objective: str = "*"
    """The name of the objective that it is judged by."""


@dataclass(frozen=True, slots=True)
class Downtime:
    """The service as its client saw it, from open-loop samples."""

    samples: int
    good_before_fault: int
    bad: int
    slips: int
    rto_s: float | None
    """From the fault to sustained good service; None when that was not reached."""
    resolution_s: float
    why_not: str
    """Why it is not known or not reached; empty otherwise."""
    known: bool
    at_most: bool = False
    """Where it is not known: whether the truth is no worse than these figures."""
    bad_by: str = ""
    """What the bad samples were, in words with figures; empty without one."""
    objective: str = "*"
    """The name of the objective that it is judged by."""

    @property
    def bad_samples(self) -> str:
        """How many samples were bad, and how."""
        return f"{self.bad} of {self.samples} samples bad" + (f": {self.bad_by}" if self.bad_by else "")

    @property
    def says_nothing(self) -> bool:
        """Whether neither these figures nor anything worse can be relied on."""
        return not self.known and not self.at_most


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a procedure, done and verified."""

    name: str
    began_s: float
    """Since the procedure began."""
    ended_s: float
    """Since the procedure began: done and verified."""
    evidence: str

    @property
    def took_s(self) -> float:
        """How long doing and verifying it took."""
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True)
class Steps:
    """A procedure's steps in the order in which they were done."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Sights:
    """What an instance said of itself while the fault was in effect: one text a look."""

    seen: tuple[str, ...]


@dataclass(frozen=True)
class Recorded(ReadingProbe[V], Generic[V]):
    """A place for one reading of a scenario; ``shape`` is the reading's type."""

    name: str
    shape: type[Any]
    timeout_s: ClassVar[float] = 1.0

    @property
    def reading(self) -> type[Any]:  # type: ignore[override] # chosen by each place, not by the class
        """The reading's type."""
        return self.shape

    @property
    def key(self) -> str:
        """The place's name."""
        return f"recorded {self.name}"

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the scenario as one target."""
        return (Target(system, "scenario"),)

    def source(self, target: Target) -> str:
        """Return what was recorded, and of which system."""
        return f"{self.name} of {target.system.name}, recorded by the scenario"

    def observe(self, target: Target) -> V:
        """Refuse: only the scenario itself can record this."""
        raise CannotObserve(
            f"{target.system.name}: nobody recorded {self.name}", hint="run the scenario that records it"
        )
