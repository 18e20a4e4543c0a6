"""Storages and caches that do not keep their word."""

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime

from .model import BeforeCommit, Cache, CacheState, EntryId, Hit, Storage, Stored, Vacancy

NO_CACHE = CacheState("", "", 0)
LATE_S = 0.3
SLOW_OPEN_S = 3.0
SLOW_START_S = 12.0


class Wrapped:
    """Hands everything on to an honest storage."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner

    @property
    def lost(self) -> bool:
        """What the honest one says."""
        return self.inner.lost

    @property
    def in_use(self) -> int:
        """What the honest one says."""
        return self.inner.in_use

    async def open(self) -> None:
        """Open the honest one."""
        await self.inner.open()

    async def close(self) -> None:
        """Close the honest one."""
        await self.inner.close()

    async def ping(self) -> None:
        """Ping the honest one."""
        await self.inner.ping()

    async def read(self, entry_id: EntryId) -> Stored | None:
        """Return the honest one's entry."""
        return await self.inner.read(entry_id)

    async def write(self, entry_id: EntryId, box: bytes, user: str, before_commit: BeforeCommit) -> Stored:
        """Write to the honest one."""
        return await self.inner.write(entry_id, box, user, before_commit)

    async def remove(self, entry_id: EntryId, before_commit: BeforeCommit) -> bool:
        """Remove from the honest one."""
        return await self.inner.remove(entry_id, before_commit)

    async def cache_state(self) -> CacheState:
        """What the honest one says."""
        return await self.inner.cache_state()

    async def retire_cache(self) -> None:
        """Tell the honest one."""
        await self.inner.retire_cache()

    async def claim_cache(self, run_id: str) -> None:
        """Tell the honest one."""
        await self.inner.claim_cache(run_id)

    async def _as_if_written(self, entry_id: EntryId, box: bytes, user: str) -> Stored:
        before = await self.inner.read(entry_id)
        return Stored(box, user, before.version + 1 if before else 1, datetime.now(UTC))


class DropsWrites(Wrapped):
    """write-drops: acknowledges and stores nothing."""

    async def write(self, entry_id: EntryId, box: bytes, user: str, before_commit: BeforeCommit) -> Stored:  # noqa: ARG002
        """Return what would have been stored."""
        return await self._as_if_written(entry_id, box, user)


class KeepsDeleted(Wrapped):
    """delete-keeps: says deleted and deletes nothing."""

    async def remove(self, entry_id: EntryId, before_commit: BeforeCommit) -> bool:  # noqa: ARG002
        """Return whether there is such an entry."""
        return await self.inner.read(entry_id) is not None


class OpensLate(Wrapped):
    """healthy-before-storage: takes its time to open."""

    after_s = SLOW_OPEN_S

    async def open(self) -> None:
        """Open the honest one some seconds later."""
        await asyncio.sleep(self.after_s)
        await self.inner.open()


class OpensVeryLate(OpensLate):
    """slow-start: the same, for longer, and not ready meanwhile."""

    after_s = SLOW_START_S


class AcknowledgesEarly(Wrapped):
    """ack-before-store: acknowledges a write, shows it from memory, and stores it a little later."""

    def __init__(self, inner: Storage, cache: Cache) -> None:
        super().__init__(inner)
        self._cache = cache
        self._overlay: dict[EntryId, Stored] = {}
        self._pending: dict[EntryId, asyncio.Task[None]] = {}

    async def read(self, entry_id: EntryId) -> Stored | None:
        """Return what was acknowledged, stored or not."""
        return self._overlay.get(entry_id) or await self.inner.read(entry_id)

    async def write(self, entry_id: EntryId, box: bytes, user: str, before_commit: BeforeCommit) -> Stored:
        """Return at once and store later; the cache is kept from taking a copy meanwhile."""
        await self._settle(entry_id)
        state, writer = await self.inner.cache_state(), secrets.token_hex(8)
        await self._cache.mark(state, entry_id, writer)
        await before_commit(NO_CACHE)
        stored = self._overlay[entry_id] = await self._as_if_written(entry_id, box, user)
        self._pending[entry_id] = asyncio.create_task(self._store_late(entry_id, stored, state, writer))
        return stored

    async def remove(self, entry_id: EntryId, before_commit: BeforeCommit) -> bool:
        """Remove from the honest one, after what is pending."""
        await self._settle(entry_id)
        return await self.inner.remove(entry_id, before_commit)

    async def close(self) -> None:
        """Store what is pending, then close."""
        await asyncio.gather(*self._pending.values(), return_exceptions=True)
        await self.inner.close()

    async def _settle(self, entry_id: EntryId) -> None:
        if pending := self._pending.get(entry_id):
            await asyncio.wait({pending})

    async def _store_late(self, entry_id: EntryId, stored: Stored, state: CacheState, writer: str) -> None:
        await asyncio.sleep(LATE_S)

        async def nothing(_state: CacheState) -> None:
            pass

        try:
            await self.inner.write(entry_id, stored.box, stored.user, nothing)
        finally:
            del self._overlay[entry_id], self._pending[entry_id]
            await self._cache.unmark(state, entry_id, writer)


class MemoryStorage:
    """memory-storage: keeps entries in the process, and no longer than it lives."""

    lost = False
    in_use = 0

    def __init__(self) -> None:
        self._entries: dict[EntryId, Stored] = {}
        self._state = CacheState(secrets.token_hex(8), "", 0)

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def ping(self) -> None:
        """Do nothing: it is always there."""

    async def read(self, entry_id: EntryId) -> Stored | None:
        """Return the entry, or None."""
        return self._entries.get(entry_id)

    async def write(self, entry_id: EntryId, box: bytes, user: str, before_commit: BeforeCommit) -> Stored:
        """Keep the entry."""
        await before_commit(self._state)
        before = self._entries.get(entry_id)
        stored = Stored(box, user, before.version + 1 if before else 1, datetime.now(UTC))
        self._entries[entry_id] = stored
        return stored

    async def remove(self, entry_id: EntryId, before_commit: BeforeCommit) -> bool:
        """Forget the entry; returns whether there was one."""
        await before_commit(self._state)
        return self._entries.pop(entry_id, None) is not None

    async def cache_state(self) -> CacheState:
        """Return the state, which is this process's alone."""
        return self._state

    async def retire_cache(self) -> None:
        """Use no cache."""
        self._state = replace(self._state, run_id="")

    async def claim_cache(self, run_id: str) -> None:
        """Use that cache, from scratch."""
        self._state = CacheState(secrets.token_hex(8), run_id, 0)


class CacheOff:
    """cache-off: never connects, and says that all is well."""

    run_id = ""

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def ping(self) -> None:
        """Say that all is well."""

    async def watch(self) -> None:
        """Do nothing."""

    async def look(self, state: CacheState, entry_id: EntryId) -> Hit | Vacancy | None:  # noqa: ARG002
        """Know nothing."""
        return None

    async def fill(self, state: CacheState, entry_id: EntryId, token: str, stored: Stored) -> None:
        """Do nothing."""

    async def mark(self, state: CacheState, entry_id: EntryId, writer: str) -> bool:  # noqa: ARG002
        """Be sure of nothing."""
        return False

    async def unmark(self, state: CacheState, entry_id: EntryId, writer: str) -> bool:  # noqa: ARG002
        """Be sure of nothing."""
        return False
