"""How one process of this machine is found, and what brings it back; plain data, so that an undo can carry it."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ..capabilities import PlatformRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...model import Json

STOP_SIGNALS = ("TERM", "INT", "QUIT")
LONGEST_RETURN_S = 50.0
"""An undo is given up after 60 s: what is awaited for longer could not be told from what never comes."""
_MOST_PORTS = 65535


@dataclass(frozen=True, slots=True)
class Found:
    """How one instance is found and brought back. All that is named must fit.

    Raises:
        ValueError: nothing finds it, two things would, or a path is not absolute.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # read from records: what is not known is not passed over

    component: str
    pid_file: Path | None = None
    """The file whose first line is its process id. One that is older than the process of that number is stale."""
    port: int | None = None
    """The TCP port that it listens on, on whichever of this machine's addresses."""
    command: tuple[str, ...] | None = None
    """The first words of its command line, as they are: no pattern, so that nothing else fits by accident."""
    user: str | None = None
    """Whose process it is."""
    stop_signal: str = "TERM"
    """What asks it to stop in good order; PostgreSQL's is INT, nginx's QUIT."""
    start: tuple[str, ...] | None = None
    """The command that starts it again, its program by an absolute path."""
    returns_within_s: float | None = None
    """Or else: how soon its supervisor has started it again by itself."""
    log: Path | None = None
    """Where what ``start`` starts writes its output; None for nowhere."""
    pinned: tuple[str, ...] = ()
    """Processes that are it as well, each told from its successor: those that an undo must let go on."""

    def __post_init__(self) -> None:
        """Refuse what says too little or too much."""
        for holds, expected in self._rules():
            if not holds:
                raise ValueError(f"expected {expected}")

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """Yield what must hold, and how to say it."""
        finders = (self.pid_file, self.port, self.command)
        yield bool(self.component), "the component that it is a replica of"
        yield any(one is not None for one in finders), "what finds it: pid_file, port or command"
        yield self.pid_file is None or self.port is None, "one of pid_file and port, not both"
        yield self.port is None or 0 < self.port <= _MOST_PORTS, "port to be between 1 and 65535"
        yield self.command is None or bool(self.command and all(self.command)), "command to be words, not empty"
        yield all(one is None or one.is_absolute() for one in (self.pid_file, self.log)), "absolute paths"
        yield self.stop_signal in STOP_SIGNALS, f"stop_signal to be one of {', '.join(STOP_SIGNALS)}"
        starts = self.start is None or bool(self.start and Path(self.start[0]).is_absolute())
        yield starts, "start to be a command whose program is an absolute path"
        one_way = self.start is None or self.returns_within_s is None
        yield one_way, "one of start and returns_within_s, not both: it would be started twice"
        soon = self.returns_within_s is None or 0 < self.returns_within_s <= LONGEST_RETURN_S
        yield soon, f"returns_within_s to be between 0 and {LONGEST_RETURN_S:g}"

    @property
    def stops_by(self) -> signal.Signals:
        """The signal that asks it to stop."""
        return signal.Signals[f"SIG{self.stop_signal}"]

    def words(self) -> str:
        """Say what finds it."""
        command = None if self.command is None else " ".join(self.command)
        named = {"pid file": self.pid_file, "port": self.port, "command": command, "user": self.user}
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)

    def digest(self) -> str:
        """Return a short text that is another for what is found or started in another way."""
        told = json.dumps(replace(self, pinned=()).to_data(), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def to_data(self) -> dict[str, Json]:
        """Return it as JSON, without what is not set."""
        return {
            name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value not in (None, ())
        }


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The place of a system whose components are processes of this machine."""

    instances: Mapping[str, Found] = field(default_factory=dict)
    """By name, how each is found; those of the service itself are called as its component's instances."""
    control: Path | None = None
    """Or else the control socket of the lab's keeper, which holds them."""
    marker: Path | None = None
    """The file whose lines name the environments that they may be disrupted as."""

    def pinned(self, instances: tuple[str, ...] = ()) -> dict[str, Json]:
        """Return the way to the keeper, or how the processes are found on this host.

        Args:
            instances: those of which these very processes are meant, whatever their names come to stand for.

        Raises:
            PlatformRefused: the environment names none.
            CannotObserve: nobody can say which process one of them is.
        """
        if self.control is not None:
            return {"control": str(self.control.absolute())}
        if not self.instances:
            raise PlatformRefused("the environment names no process", hint="name them under process.instances")
        found = self
        if instances:
            from .processes import pinned  # noqa: PLC0415 - psutil is loaded where processes are found

            found = pinned(self, instances)
        return {"host": socket.gethostname(), "processes": found.to_data()}

    def to_data(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {name: found.to_data() for name, found in self.instances.items()}

    @classmethod
    def from_data(cls, data: Json) -> ProcessSettings:
        """Read what ``to_data`` wrote. Raises ValueError."""
        try:
            return cls(_BY_NAME.validate_json(json.dumps(data), strict=True))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ValueError(f"expected instances by name, and of each what finds it; {wrong}") from None


_BY_NAME = TypeAdapter(Annotated[dict[str, Found], Field(min_length=1)])
