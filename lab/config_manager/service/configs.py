"""Reading and changing configuration entries."""

from dataclasses import dataclass
from datetime import datetime

from .coherence import Coherence
from .crypto import Sealer
from .metrics import Metrics
from .model import Cache, EntryId, Hit, Storage, Stored, Vacancy


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as its users see it."""

    entry_id: EntryId
    value: str
    user: str
    version: int
    updated_at: datetime


class Configs:
    """Entries, read through the cache and acknowledged when they are durable."""

    def __init__(
        self, *, storage: Storage, cache: Cache, coherence: Coherence, sealer: Sealer, metrics: Metrics
    ) -> None:
        self._storage, self._cache, self._coherence = storage, cache, coherence
        self._sealer, self._metrics = sealer, metrics

    async def get(self, entry_id: EntryId) -> Entry | None:
        """Return the entry, or None; raises StorageUnavailableError."""
        state = self._coherence.current()
        found = await self._cache.look(state, entry_id) if state else None
        if isinstance(found, Hit) and self._coherence.current() == state:
            self._metrics.cache_hits.inc()
            return self._entry(entry_id, found.stored)
        if found:
            self._metrics.cache_misses.inc()
        stored = await self._storage.read(entry_id)
        if stored and state and isinstance(found, Vacancy):
            await self._cache.fill(state, entry_id, found.token, stored)
        return self._entry(entry_id, stored) if stored else None

    async def set(self, entry_id: EntryId, value: str, user: str) -> Entry:
        """Create or replace the entry; returns it once it is durable; raises StorageUnavailableError."""
        change = self._coherence.change(entry_id)
        box = self._sealer.seal(entry_id, value)
        stored = await self._storage.write(entry_id, box, user, change.before_commit)
        await change.after_commit()
        return self._entry(entry_id, stored)

    async def delete(self, entry_id: EntryId) -> bool:
        """Delete the entry; returns whether there was one; raises StorageUnavailableError."""
        change = self._coherence.change(entry_id)
        removed = await self._storage.remove(entry_id, change.before_commit)
        await change.after_commit()
        return removed

    def _entry(self, entry_id: EntryId, stored: Stored) -> Entry:
        value = self._sealer.unseal(entry_id, stored.box)
        return Entry(entry_id, value, stored.user, stored.version, stored.updated_at)
