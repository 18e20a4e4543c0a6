"""What the runner and its watchdog say to each other: one JSON object a line, over the watchdog's stdin and stdout."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from ...model import Json

T = TypeVar("T")
Do = Literal["arm", "undo", "disarm", "beat", "finish"]


@dataclass(frozen=True, slots=True)
class Config:
    """The first line to the watchdog."""

    environment: str
    systems: list[str]
    """Those whose place is held."""
    lock_fd: int
    """Inherited: both hold the environment until both are gone."""
    epoch: int
    journal: str
    """The run's directory."""
    runner: int
    """The process that is watched."""
    beat_limit_s: float
    """The longest silence between two heartbeats."""
    lease_s: float
    """The longest time that this run may hold harm, heartbeats or not."""
    budget_s: float
    """For one undo with all its tries."""
    targets: list[dict[str, Json]]
    """Where the claim lies as well: the way to each, as data."""
    token: str
    """The claim's token there; empty without targets."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line to the watchdog; each but a beat is answered under its number."""

    number: int
    do: Do
    record: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A line from the watchdog. Number 0 is not an answer: ``ready``, or ``fenced`` with its reason."""

    number: int
    ok: bool
    text: str = ""


def line(message: Config | Command | Reply) -> bytes:
    """Return a message as one line."""
    return json.dumps(asdict(message)).encode() + b"\n"


def config(text: bytes) -> Config:
    """Read a first line. Raises ValueError."""
    return _read(Config, text)


def command(text: bytes) -> Command:
    """Read a command. Raises ValueError."""
    return _read(Command, text)


def reply(text: bytes) -> Reply:
    """Read a reply. Raises ValueError."""
    return _read(Reply, text)


def _read(kind: type[T], text: bytes) -> T:
    try:
        return kind(**json.loads(text))
    except TypeError as error:
        raise ValueError(str(error)) from None
