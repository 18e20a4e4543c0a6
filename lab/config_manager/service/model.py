"""The nouns that storage, cache and API share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class StorageUnavailableError(Exception):
    """The storage could not answer: what was asked may or may not have happened."""


class CacheUnavailableError(Exception):
    """The cache could not answer."""


@dataclass(frozen=True, slots=True)
class EntryId:
    """Where an entry lives."""

    namespace: str
    key: str
    env: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it is kept: its value is encrypted."""

    box: bytes
    user: str
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CacheState:
    """What the storage says about the cache that all instances share.

    Attributes:
        epoch: Names the cached generation of entries; a generation that was left is never entered again.
        run_id: The Redis process that holds it, or "" while no cache is to be used.
        settle_s: How long a writer has to wait until nobody can still read the generation before this one.
    """

    epoch: str
    run_id: str
    settle_s: float


BeforeCommit = Callable[[CacheState], Awaitable[None]]


class Storage(Protocol):
    """The one place that knows the truth about entries."""

    @property
    def lost(self) -> bool:
        """Whether the storage was open and cannot be reached now."""

    @property
    def in_use(self) -> int:
        """How many connections are working at this moment."""

    async def open(self) -> None:
        """Connect once and prepare the tables; raises StorageUnavailableError."""

    async def close(self) -> None:
        """Close every connection."""

    async def ping(self) -> None:
        """Prove that the storage answers; raises StorageUnavailableError."""

    async def read(self, entry_id: EntryId) -> Stored | None:
        """Return the entry, or None when there is none."""

    async def write(self, entry_id: EntryId, box: bytes, user: str, before_commit: BeforeCommit) -> Stored:
        """Create or replace an entry; returns what was committed."""

    async def remove(self, entry_id: EntryId, before_commit: BeforeCommit) -> bool:
        """Delete an entry; returns whether there was one."""

    async def cache_state(self) -> CacheState:
        """Return what holds for the shared cache now."""

    async def retire_cache(self) -> None:
        """Take the cached generation out of use for every instance, for a while."""

    async def claim_cache(self, run_id: str) -> None:
        """Begin a new cached generation in that Redis process, unless the cache was retired just now."""


@dataclass(frozen=True, slots=True)
class Hit:
    """The cache holds the entry."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Vacancy:
    """The cache holds nothing; the token allows to fill it until a writer comes in between ("": never)."""

    token: str


class Cache(Protocol):
    """Copies of encrypted entries. All but ping and open answer even when the cache is lost."""

    @property
    def run_id(self) -> str:
        """The Redis process in use, or "" while there is none."""

    async def open(self) -> None:
        """Connect once; raises CacheUnavailableError."""

    async def close(self) -> None:
        """Close every connection."""

    async def ping(self) -> None:
        """Prove that the cache answers; raises CacheUnavailableError."""

    async def watch(self) -> None:
        """Find out whether the cache takes reads and writes, so that run_id tells the truth."""

    async def look(self, state: CacheState, entry_id: EntryId) -> Hit | Vacancy | None:
        """Return the copy, a vacancy, or None when the cache could not be asked."""

    async def fill(self, state: CacheState, entry_id: EntryId, token: str, stored: Stored) -> None:
        """Put a copy in, if the vacancy's token still stands."""

    async def mark(self, state: CacheState, entry_id: EntryId, writer: str) -> bool:
        """Drop the copy and keep others from filling it; returns whether that is certain."""

    async def unmark(self, state: CacheState, entry_id: EntryId, writer: str) -> bool:
        """Drop whatever stands there and allow filling again; returns whether that is certain."""


def rfc3339(moment: datetime) -> str:
    """Return the moment in UTC with milliseconds, such as 2025-11-21T10:30:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
