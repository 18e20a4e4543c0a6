"""Keeps instances that share a cache from serving what was overwritten.

The storage names the generation of copies that is in force (its epoch) and the Redis process that holds it.
Each instance learns it every TICK_S and may use the cache for LEASE_S after it asked. A writer drops the copy
in Redis before and after its commit. If it cannot be sure of that, it takes the whole generation out of force
in the storage and acknowledges when every lease on it has run out. So a cache that is lost, cut off for one
instance alone, or back with an old snapshot costs time and never shows an old value.
"""

import asyncio
import contextlib
import secrets
import time

from .model import Cache, CacheState, EntryId, Storage, StorageUnavailableError
from .storage import LEASE_S, SETTLE_S

TICK_S = 0.15


class Coherence:
    """What this instance knows about the shared cache, and for how long it may rely on it."""

    def __init__(self, storage: Storage, cache: Cache) -> None:
        self._storage, self._cache = storage, cache
        self._state: CacheState | None = None
        self._until = 0.0
        self._ending = asyncio.Event()

    def current(self) -> CacheState | None:
        """Return the generation that may be read now, or None when the cache must not be used."""
        state = self._state
        if state is None or time.monotonic() >= self._until or self._storage.lost:
            return None
        return state if state.run_id and state.run_id == self._cache.run_id else None

    async def watch(self) -> None:
        """Tick until `end` is called."""
        while not self._ending.is_set():
            with contextlib.suppress(StorageUnavailableError):  # the storage has logged it; the lease runs out
                await self.tick()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TICK_S)

    def end(self) -> None:
        """Let `watch` return after the tick that is under way."""
        self._ending.set()

    async def tick(self) -> None:
        """Look at cache and storage once and make them agree; raises StorageUnavailableError."""
        await self._cache.watch()
        state = await self._learn()
        if not self._cache.run_id:
            await self._storage.retire_cache()
        elif state.run_id != self._cache.run_id:
            await self._storage.claim_cache(self._cache.run_id)
            await self._learn()

    async def retire(self) -> None:
        """Take the generation out of force; raises StorageUnavailableError."""
        self._state = None
        await self._storage.retire_cache()

    def change(self, entry_id: EntryId) -> "Change":
        """Return the guard for one write or delete of the entry."""
        return Change(self, self._cache, entry_id)

    async def _learn(self) -> CacheState:
        asked_at = time.monotonic()
        state = await self._storage.cache_state()
        self._state, self._until = state, asked_at + LEASE_S
        return state


class Change:
    """Accompanies one change of an entry so that no copy of the old value outlives its acknowledgement."""

    def __init__(self, coherence: Coherence, cache: Cache, entry_id: EntryId) -> None:
        self._coherence, self._cache, self._entry_id = coherence, cache, entry_id
        self._writer = secrets.token_hex(8)
        self._state: CacheState | None = None
        self._settled_at = 0.0
        self._marked = False

    async def before_commit(self, state: CacheState) -> None:
        """Drop the copy and hold off readers who would fill it with the old value."""
        self._state, self._settled_at = state, time.monotonic() + state.settle_s
        if state.run_id:
            self._marked = await self._cache.mark(state, self._entry_id, self._writer)

    async def after_commit(self) -> None:
        """Return when nobody can be served the old value; raises StorageUnavailableError."""
        state = self._state
        if state and state.run_id and not await self._dropped(state):
            await self._coherence.retire()
            self._settled_at = time.monotonic() + SETTLE_S
        await asyncio.sleep(max(0.0, self._settled_at - time.monotonic()))

    async def _dropped(self, state: CacheState) -> bool:
        return self._marked and await self._cache.unmark(state, self._entry_id, self._writer)
