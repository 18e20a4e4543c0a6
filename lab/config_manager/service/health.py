"""Whether the service and what it depends on are well, found out by asking them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .model import Cache, CacheUnavailableError, Storage, StorageUnavailableError, rfc3339

SHARED_FOR_S = 0.1
OK, UNAVAILABLE = 200, 503


@dataclass(frozen=True, slots=True)
class Check:
    """The result of asking one component; None fields are left out of the body."""

    component: str
    status: str
    last_check: str | None
    duration_ms: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """An answer of /health; None fields are left out of the body."""

    http_status: int
    status: str
    storage: Check
    cache: Check
    timestamp: str
    uptime_seconds: float | None
    version: str
    instance: str

    def body(self) -> dict[str, object]:
        """Return the answer's JSON object."""
        return _present(
            status=self.status,
            checks={check.component: _check_body(check) for check in (self.storage, self.cache)},
            timestamp=self.timestamp,
            uptime_seconds=self.uptime_seconds,
            version=self.version,
            instance=self.instance,
        )


Edit = Callable[[Report], Report]


class Health:
    """Asks storage and cache; askers within 100 ms share one answer."""

    def __init__(
        self, *, storage: Storage, cache: Cache, version: str, instance: str, edits: Sequence[Edit] = ()
    ) -> None:
        self._storage, self._cache = storage, cache
        self._version, self._instance, self._edits = version, instance, edits
        self._begun = time.monotonic()
        self._round: asyncio.Task[tuple[Check, Check]] | None = None
        self._round_at = 0.0

    async def report(self) -> Report:
        """Return what holds now."""
        storage, cache = await self._checks()
        status = "degraded" if cache.status != "healthy" else "healthy"
        status = "unhealthy" if storage.status != "healthy" else status
        report = Report(
            http_status=UNAVAILABLE if status == "unhealthy" else OK,
            status=status,
            storage=storage,
            cache=cache,
            timestamp=rfc3339(datetime.now(UTC)),
            uptime_seconds=round(time.monotonic() - self._begun, 3),
            version=self._version,
            instance=self._instance,
        )
        for edit in self._edits:
            report = edit(report)
        return report

    async def _checks(self) -> tuple[Check, Check]:
        now = time.monotonic()
        if self._round is None or (self._round.done() and now - self._round_at > SHARED_FOR_S):
            self._round_at = now
            self._round = asyncio.create_task(self._ask_both())
        return await asyncio.shield(self._round)

    async def _ask_both(self) -> tuple[Check, Check]:
        both = await asyncio.gather(_ask("storage", self._storage.ping), _ask("cache", self._cache.ping))
        return both[0], both[1]


async def _ask(component: str, ping: Callable[[], Awaitable[None]]) -> Check:
    asked_at, begun = datetime.now(UTC), time.monotonic()
    try:
        await ping()
        status = "healthy"
    except (StorageUnavailableError, CacheUnavailableError):
        status = "unhealthy"
    return Check(component, status, rfc3339(asked_at), round((time.monotonic() - begun) * 1000, 3))


def _check_body(check: Check) -> dict[str, object]:
    return _present(
        component=check.component,
        status=check.status,
        last_check=check.last_check,
        duration_ms=check.duration_ms,
    )


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
