"""The service from its first log line to its exit code."""

import asyncio
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from .coherence import Coherence
from .logs import SHUTDOWN_LINES, STARTUP_LINES, log
from .metrics import Metrics
from .model import Cache, CacheUnavailableError, Storage, StorageUnavailableError
from .notify import notify
from .readiness import Readiness
from .server import Listener, bind
from .settings import Settings

RETRY_S = 0.1
EXIT_STARTUP_FAILED = 1


class StartupError(Exception):
    """The service cannot start; the text says why."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of."""

    settings: Settings
    app: ASGIApp
    storage: Storage
    cache: Cache
    coherence: Coherence
    readiness: Readiness
    metrics: Metrics
    companions: Sequence[Callable[[], Awaitable[None]]] = ()
    accepts_early: bool = False
    """Whether connections are taken before there is a storage to serve them from: a defect."""


class Service:
    """Runs its parts until a signal comes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._listener = Listener(parts.app)
        self._told_to_stop = asyncio.Event()
        self._companions: list[asyncio.Future[None]] = []
        self._watching: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Start, serve and stop; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop.set)
        starting = asyncio.create_task(self._start())
        told = asyncio.create_task(self._told_to_stop.wait())
        await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        elif error := starting.exception():
            expected = isinstance(error, StartupError)
            log.error("Startup failed: %s", error, exc_info=None if expected else error)
            return EXIT_STARTUP_FAILED
        await told
        return await self._stop()

    async def _start(self) -> None:
        parts, settings = self._parts, self._parts.settings
        log.info(STARTUP_LINES[0].format(host=settings.host, port=settings.port))
        for companion in parts.companions:
            self._companions.append(asyncio.ensure_future(companion()))
        bound = self._bind()
        if parts.accepts_early:
            await self._accept(bound)
        deadline = time.monotonic() + settings.startup_timeout_s
        await _insist(parts.storage.open, "storage", deadline)
        log.info(STARTUP_LINES[1])
        await _insist(parts.cache.open, "cache", deadline)
        log.info(STARTUP_LINES[2])
        await _insist(parts.coherence.tick, "storage", deadline)
        self._watching = asyncio.create_task(parts.coherence.watch())
        log.info(STARTUP_LINES[3])
        parts.readiness.opened = True
        if not parts.accepts_early:
            await self._accept(bound)
        log.info(STARTUP_LINES[4])
        notify("READY=1", "STATUS=Server ready")

    def _bind(self) -> socket.socket:
        """Take both ports; the metrics are served from now on, the API when there is something to serve."""
        settings = self._parts.settings
        with _telling(settings.metrics_host, settings.metrics_port):
            self._parts.metrics.serve(settings.metrics_host, settings.metrics_port)
        with _telling(settings.host, settings.port):
            return bind(settings.host, settings.port)

    async def _accept(self, bound: socket.socket) -> None:
        """Begin to accept connections."""
        with _telling(self._parts.settings.host, self._parts.settings.port):
            await self._listener.open(bound)

    async def _stop(self) -> int:
        """Shut down in the runbook's order; returns the exit code."""
        await self._announce_stop()
        log.info(SHUTDOWN_LINES[1])
        cut = await self._listener.drain(self._parts.settings.drain_timeout_s)
        if cut:
            log.warning("Cut off %d requests at the end of the drain timeout", cut, extra={"fields": {"cut": cut}})
        self._parts.coherence.end()
        if self._watching:
            await asyncio.wait({self._watching}, timeout=1)
        log.info(SHUTDOWN_LINES[2])
        await self._parts.storage.close()
        log.info(SHUTDOWN_LINES[3])
        await self._parts.cache.close()
        log.info(SHUTDOWN_LINES[4])
        return 0

    async def _announce_stop(self) -> None:
        log.info(SHUTDOWN_LINES[0])
        notify("STOPPING=1", "STATUS=Shutting down")
        self._parts.readiness.stopping = True
        await asyncio.sleep(self._parts.settings.readiness_delay_s)


@contextmanager
def _telling(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StartupError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


async def _insist(attempt: Callable[[], Awaitable[None]], what: str, deadline: float) -> None:
    """Repeat the attempt until it succeeds; raises StartupError after the deadline."""
    warned = False
    while True:
        try:
            return await attempt()
        except (StorageUnavailableError, CacheUnavailableError) as error:
            if time.monotonic() >= deadline:
                raise StartupError(f"expected the {what} to answer, found: {error}") from error
            if not warned:
                log.warning("Waiting for the %s", what, extra={"fields": {"reason": str(error)}})
            warned = True
        await asyncio.sleep(RETRY_S)
