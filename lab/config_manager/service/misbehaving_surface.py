"""Health reports, metrics, logs and answers that do not tell the truth, or not in time."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from .api import Json
from .defects import Defect
from .health import Check, Edit, Report
from .logs import SHUTDOWN_LINES, STARTUP_LINES, log
from .metrics import Metrics
from .model import rfc3339
from .readiness import Readiness

ERROR_EVERY_S = 3.0
BUSY_RATE = 20
ONE_FAILS_IN = 10
EXTRA_DELAY_S = (0.15, 0.3)


def lying_health(report: Report) -> Report:
    """Everything is healthy, always."""
    return replace(report, http_status=200, status="healthy", storage=_well(report.storage), cache=_well(report.cache))


def frozen_uptime(report: Report) -> Report:
    """The uptime is what it was."""
    return replace(report, uptime_seconds=42.0)


def no_uptime(report: Report) -> Report:
    """There is no uptime."""
    return replace(report, uptime_seconds=None)


def degraded_status(report: Report) -> Report:
    """Degraded, for no reason."""
    return replace(report, status="degraded")


def storage_check_unhealthy(report: Report) -> Report:
    """The storage check contradicts the status."""
    return replace(report, storage=replace(report.storage, status="unhealthy"))


def cache_check_unhealthy(report: Report) -> Report:
    """The cache check contradicts the status."""
    return replace(report, cache=replace(report.cache, status="unhealthy"))


def health_503(report: Report) -> Report:
    """The right body with the wrong status."""
    return replace(report, http_status=503)


def no_check_fields(report: Report) -> Report:
    """Checks without time and duration."""
    return replace(
        report,
        storage=replace(report.storage, last_check=None, duration_ms=None),
        cache=replace(report.cache, last_check=None, duration_ms=None),
    )


def future_timestamp(report: Report) -> Report:
    """The clock is one hour ahead."""
    return replace(report, timestamp=rfc3339(datetime.now(UTC) + timedelta(hours=1)))


EDITS: dict[Defect, Edit] = {
    Defect.LYING_HEALTH: lying_health,
    Defect.FROZEN_UPTIME: frozen_uptime,
    Defect.NO_UPTIME: no_uptime,
    Defect.DEGRADED_STATUS: degraded_status,
    Defect.STORAGE_CHECK_UNHEALTHY: storage_check_unhealthy,
    Defect.CACHE_CHECK_UNHEALTHY: cache_check_unhealthy,
    Defect.HEALTH_503: health_503,
    Defect.NO_CHECK_FIELDS: no_check_fields,
    Defect.FUTURE_TIMESTAMP: future_timestamp,
}


class EarlyReadiness(Readiness):
    """healthy-before-storage: ready from the first moment on."""

    @property
    def ready(self) -> bool:
        """Ready unless stopping or lost."""
        return super().ready or not (self.opened or self.stopping)

    def edit(self, report: Report) -> Report:
        """Everything is healthy while the storage opens."""
        return report if self.opened else lying_health(report)


class UncountedOperations:
    """missing-metric-family: there is no config_operations_total."""

    def __init__(self, registry: CollectorRegistry) -> None:
        pass

    def count(self, operation: str, result: str) -> None:
        """Count nothing."""


class EmptyOperations:
    """empty-metric-family: config_operations_total has no samples."""

    def __init__(self, registry: CollectorRegistry) -> None:
        Counter("config_operations", "Configuration operations", ["operation", "result"], registry=registry)

    def count(self, operation: str, result: str) -> None:
        """Count nothing."""


class UnservedMetrics(Metrics):
    """no-metrics: counts and keeps it to itself."""

    def serve(self, host: str, port: int) -> None:
        """Open nothing."""


class Silence(logging.Filter):
    """Keeps log lines from being written, or puts a harmless one in their place."""

    def __init__(self, lines: Iterable[str], instead: str = "") -> None:
        super().__init__()
        self._beginnings = tuple(line.partition("{")[0] for line in lines)
        self._instead = instead

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is to be written."""
        if not record.getMessage().startswith(self._beginnings):
            return True
        record.msg, record.args = self._instead, ()
        return bool(self._instead)


def silences(defects: frozenset[Defect]) -> list[Silence]:
    """Return the filters that these defects ask for."""
    startup = Silence(STARTUP_LINES, instead="Working")
    shutdown = Silence(SHUTDOWN_LINES)
    chosen = {Defect.SILENT_STARTUP: startup, Defect.SILENT_SHUTDOWN: shutdown}
    return [silence for defect, silence in chosen.items() if defect in defects]


async def log_errors() -> None:
    """error-logs: complain at start and every few seconds."""
    while True:
        log.error("Planted error")
        await asyncio.sleep(ERROR_EVERY_S)


class FailingApi:
    """api-500: every call of the configs API fails."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 500, or hand on what is not for the configs API."""
        fails = scope["path"].startswith("/api/")
        await (Json({"error": "planted failure"}, 500) if fails else self._app)(scope, receive, send)


class _UnderLoad:
    """Hands requests on, and knows when many have arrived within the last second."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._arrivals: deque[float] = deque()

    def _is_busy(self) -> bool:
        """Count one more arrival."""
        now = time.monotonic()
        self._arrivals.append(now)
        while self._arrivals[0] < now - 1:
            self._arrivals.popleft()
        return len(self._arrivals) > BUSY_RATE


class SlowUnderLoad(_UnderLoad):
    """slow-under-load: delays requests."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, sooner or later."""
        if self._is_busy():
            await asyncio.sleep(random.uniform(*EXTRA_DELAY_S))  # noqa: S311 - a delay, not a secret
        await self._app(scope, receive, send)


class FailsUnderLoad(_UnderLoad):
    """errors-under-load: some reads fail."""

    _reads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or answer 500."""
        self._reads += scope["method"] == "GET"
        fails = self._is_busy() and scope["method"] == "GET" and self._reads % ONE_FAILS_IN == 0
        await (Json({"error": "planted failure"}, 500) if fails else self._app)(scope, receive, send)


def _well(check: Check) -> Check:
    return replace(check, status="healthy")
