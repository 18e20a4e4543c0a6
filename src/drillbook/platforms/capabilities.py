"""What a platform may be able to do, as small protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from ..model import Instance

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Missing:
    """The answer of a platform that cannot do what was asked, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class InstanceState:
    """One running copy as its platform sees it."""

    name: str
    component: str
    state: str
    """running, paused, starting, stopping or exited."""
    exit_code: int | None = None
    """Set once exited; negative for the number of the signal that ended it."""
    started_at: str | None = None
    """RFC 3339, UTC."""
    pid: int | None = None

    @property
    def running(self) -> bool:
        """Whether it runs, neither paused nor on its way up or down."""
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class LogText:
    """The end of a log."""

    lines: tuple[str, ...]
    whole: bool
    """Whether the log's beginning is included."""


class Lists(Protocol):
    """Lists all copies of all components."""

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Return every copy, running or not. Raises CannotObserve when the platform does not answer."""
        ...


class ReadsLogs(Protocol):
    """Reads what an instance has logged."""

    def read_log(self, instance: Instance, *, limit_bytes: int) -> LogText:
        """Return the last lines within the limit. Raises CannotObserve when there is no log."""
        ...


class Platform(Protocol):
    """Gives capabilities when asked."""

    def can(self, capability: type[C]) -> C | Missing:
        """Return the capability, or Missing with the reason."""
        ...
