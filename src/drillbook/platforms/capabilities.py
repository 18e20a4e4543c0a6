"""What a platform may be able to do, as small protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..model import CannotObserve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model import Component, Instance, Way

C = TypeVar("C")
EXECUTE_S = 10.0


class PlatformRefused(Exception):
    """An action failed. Whether it was done in part is for the list of instances to say.

    Args:
        reason: what was asked and what came back.
        hint: what the reader can do about it.
    """

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class TargetGone(CannotObserve):
    """What was asked about has ended for good, and all that was done to it with it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The answer of a platform that cannot do what was asked, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class InstanceState:
    """One running replica as its platform sees it."""

    name: str
    component: str
    state: str
    """running, unhealthy, paused, starting, stopping, exited, idle or unknown.

    unhealthy: it runs, and its own health check fails.
    idle: it is up, and the load balancer that the environment names keeps it from work.
    unknown: it is up, and that balancer does not say whether it gets any.
    """
    exit_code: int | None = None
    """Set once exited; negative for the number of the signal that ended it."""
    started_at: str | None = None
    """RFC 3339, UTC."""
    pid: int | None = None
    uid: str | None = None
    """What tells it from its successor of the same name, where the process id does not."""
    because: str | None = None
    """Why its state is unknown, where nobody can say which process it is."""

    def is_gone(self, now: InstanceState | None) -> bool:
        """Say whether this very replica has ended, given what its name stands for now."""
        return now is None or now.state == "exited" or (now.uid, now.pid) != (self.uid, self.pid)

    @property
    def running(self) -> bool:
        """Whether it runs, neither paused nor on its way up or down."""
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a stop went."""

    exit_code: int | None
    """Negative for the number of the signal that ended it; None where the platform did not tell."""
    killed: bool
    """Whether the grace was over first."""
    took_s: float
    said: tuple[str, ...] | None = None
    """Its last log lines, where the platform takes its log away with it; None where they stay, or were not readable."""
    failure: str | None = None
    """What the platform calls it, where it counts as failed whatever its status."""


@dataclass(frozen=True, slots=True)
class LogText:
    """The end of a log."""

    lines: tuple[str, ...]
    whole: bool
    """Whether its beginning is included, or all since the moment that was asked for."""
    written_s: tuple[float, ...] = ()
    """When the platform says that each line was written, in seconds since the epoch; empty where it keeps no times."""
    last_write_s: float | None = None
    """When the log was last written to, by the platform's clock; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Executed:
    """How a command went."""

    exit_code: int
    output: str
    """What it wrote, both streams together."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an instance, with all its processes, uses of its machine now."""

    memory_bytes: int
    cpu_s: float | None = None
    """CPU time since its start; None where the platform tells the share alone."""
    cpu_share: float | None = None
    """How many CPUs it kept busy over the last seconds; None where the platform tells the time alone."""


def named(states: Sequence[InstanceState], name: str) -> tuple[InstanceState, ...]:
    """Return the instance of this name, or all instances of this component. Raises PlatformRefused for none."""
    found = tuple(state for state in states if name in (state.name, state.component))
    if not found:
        names = ", ".join(dict.fromkeys(word for state in states for word in (state.name, state.component)))
        raise PlatformRefused(f"there is no instance or component {name!r}", hint=f"there are {names or 'none'}")
    return found


class Lists(Protocol):
    """Lists all replicas of all components."""

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Return every replica, running or not. Raises CannotObserve when the platform does not answer."""
        ...


class ReadsLogs(Protocol):
    """Reads what an instance has logged."""

    def read_log(self, instance: Instance, *, limit_bytes: int, since_s: float | None = None) -> LogText:
        """Return the last lines within the limit.

        Args:
            instance: whose log.
            limit_bytes: how much of it at most.
            since_s: only what was logged at or after this moment, in seconds since the epoch.

        Raises:
            CannotObserve: there is no log, or nothing in it says when it was written.
        """
        ...

    def search_log(self, instance: Instance, texts: tuple[str, ...], *, since_s: float) -> LogText:
        """Return the lines since a moment that hold one of the texts, however far back they are.

        ``whole`` says whether everything since then was searched: else a text that is not there may be.

        Raises:
            CannotObserve: there is no log, or it cannot be searched.
        """
        ...


class Starts(Protocol):
    """Starts an instance that has exited."""

    def start(self, name: str) -> None:
        """Start it and return at once: the list says when it is ready. Raises PlatformRefused."""
        ...


class Returns(Protocol):
    """Knows which instances come back by themselves once they have ended."""

    def returns_within_s(self, name: str) -> float | None:
        """Return how soon its supervisor has started it again; None where it stays down until it is started.

        Raises PlatformRefused when nothing brings it back.
        """
        ...


class Stops(Protocol):
    """Stops an instance in good order."""

    @property
    def shows_stopping(self) -> bool:
        """Whether the list tells an instance that has been told to stop from one that runs."""
        ...

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Ask it to stop, kill it when the grace is over, return when it is gone. Raises PlatformRefused."""
        ...


class Balances(Protocol):
    """Keeps an instance from work, as the load balancer before it does; its stop begins so, its start gives back."""

    def take_out(self, name: str, *, limit_s: float) -> None:
        """Give it no more work and wait until it has none left, at most so long. Raises PlatformRefused."""
        ...

    def put_back(self, name: str, *, gone: bool) -> None:
        """Let it have work again.

        Args:
            name: which.
            gone: whether it has just ended; then the balancer may notice first.

        Raises:
            PlatformRefused: the balancer does not answer.
        """
        ...


class Kills(Protocol):
    """Kills an instance (SIGKILL)."""

    def kill(self, name: str) -> None:
        """Kill it and return when it is proven dead.

        Raises:
            PlatformRefused: it was not killed, or does not die.
            CannotObserve: it was killed, and nobody can say whether it died.
        """
        ...


class Pauses(Protocol):
    """Freezes an instance and lets it go on."""

    def pause(self, name: str) -> None:
        """Freeze it with all its children. Raises PlatformRefused."""
        ...

    def resume(self, name: str) -> None:
        """Let it go on. Raises PlatformRefused."""
        ...


class Restarts(Protocol):
    """Restarts what runs, in the platform's own way."""

    def restart(self, name: str) -> None:
        """Restart an instance, or every replica of a component, within the platform's own grace.

        Return when it is under way: the list says when all are ready. Raises PlatformRefused, CannotObserve.
        """
        ...


class Executes(Protocol):
    """Runs a command beside an instance, in its own surroundings."""

    def execute(self, name: str, command: tuple[str, ...], *, limit_s: float = EXECUTE_S) -> Executed:
        """Run it to its end. Raises PlatformRefused when it cannot be run, or takes longer than the limit."""
        ...


class ReportsUsage(Protocol):
    """Tells what an instance uses."""

    def usage(self, name: str) -> Usage:
        """Return what it uses now. Raises CannotObserve when it does not run, or nobody keeps count."""
        ...


class BearsMarks(Protocol):
    """Reads from the target itself as which environments it may be disrupted."""

    @property
    def marker(self) -> str:
        """Where the mark is, in words."""
        ...

    def marks(self) -> frozenset[str]:
        """Return the names that everything there bears. Raises CannotObserve."""
        ...


class Declares(Protocol):
    """Knows what the system's definition has, whether any of it was ever made or not."""

    def declared(self) -> tuple[str, ...]:
        """Return the components that the definition has. Raises CannotObserve."""
        ...


class Discovers(Protocol):
    """Knows the running replicas of a component, which come and go."""

    def discover(self, component: Component) -> tuple[Instance, ...]:
        """Return the replicas that are meant to serve, where its ``ports`` are reached. Raises CannotObserve."""
        ...


class Reaches(Protocol):
    """Leads to components that have no address on this machine."""

    def reach(self, component: str, host: str) -> Way | None:
        """Return the way to a component, None where its address serves as it is. Raises CannotObserve."""
        ...


class Scales(Protocol):
    """Changes how many replicas of a component run."""

    def replicas(self, component: str) -> int:
        """Return how many replicas are asked for. Raises CannotObserve; TargetGone when there is no such component."""
        ...

    def scale(self, component: str, replicas: int) -> int:
        """Ask for so many; return how many were asked for before. Raises PlatformRefused, CannotObserve."""
        ...


class RollsOut(Protocol):
    """Replaces every replica of a component by new ones."""

    def roll_out(self, component: str, template: dict[str, Any]) -> None:
        """Change what the replicas are made from and return at once. Raises PlatformRefused."""
        ...


class RollsBack(Protocol):
    """Takes the last roll-out of a component back."""

    def roll_back(self, component: str) -> None:
        """Put back what the replicas were made from before it, and return at once. Raises PlatformRefused."""
        ...


class Platform(Protocol):
    """Gives capabilities when asked."""

    def place(self, of: str | None = None) -> str:
        """Return where a component is, in words: the same for all that share a place. Contacts nothing.

        Args:
            of: the component; None for what the system names no place of its own for.
        """
        ...

    def components(self) -> tuple[str, ...]:
        """Return the components that the environment names a place of their own for; contacts nothing."""
        ...

    def can(self, capability: type[C], of: str | None = None) -> C | Missing:
        """Return the capability, or Missing with the reason.

        Args:
            capability: its protocol.
            of: the component that is to be touched: its rights and its place are meant; None for the system's own.
        """
        ...


class RunsOnHost(Protocol):
    """Runs a read-only script on the host that the system runs on, where that is not the runner."""

    def on_host(self, script: str) -> str:
        """Run a POSIX shell script and return its output. Raises CannotObserve."""
        ...
