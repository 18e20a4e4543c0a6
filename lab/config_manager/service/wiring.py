"""Puts the service together, with its defects, if any."""

import asyncio
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from . import misbehaving_storage as unreliable
from . import misbehaving_surface as untrue
from .api import Api
from .cache import RedisCache
from .coherence import Coherence
from .configs import Configs
from .crypto import Sealer
from .database import Database
from .defects import Defect
from .edge import Edge
from .health import Edit, Health
from .lifecycle import Parts, Service
from .logs import log
from .metrics import Metrics, OperationCounter, Operations
from .misbehaving_ending import service_class
from .model import Cache, Storage
from .readiness import Readiness
from .settings import Settings
from .storage import PostgresStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

OLD_VERSION = "0.0.1"


def run(settings: Settings) -> int:
    """Run the service that these settings describe until it is told to stop; returns its exit code."""

    async def serve() -> int:
        return await build(settings).run()

    return asyncio.run(serve())


def build(settings: Settings) -> Service:
    """Return the service that these settings describe; call it within a running event loop."""
    defects = settings.defects
    version = OLD_VERSION if Defect.OLD_VERSION in defects else settings.version
    for silence in untrue.silences(defects):
        log.addFilter(silence)
    cache = _cache(settings)
    storage = _storage(settings, cache)
    coherence = Coherence(storage, cache)
    metrics = _metrics(settings, storage, version)
    sealer = Sealer(settings.encryption_key.get_secret_value())
    configs = Configs(storage=storage, cache=cache, coherence=coherence, sealer=sealer, metrics=metrics)
    readiness, edits = _readiness(defects, storage)
    edits += [edit for defect, edit in untrue.EDITS.items() if defect in defects]
    health = Health(storage=storage, cache=cache, version=version, instance=settings.instance, edits=edits)
    api = Api(configs=configs, health=health, readiness=readiness, operations=metrics.operations)
    app = Edge(_app(api, defects), count=metrics.request, stopping=lambda: readiness.stopping)
    companions = [untrue.log_errors] if Defect.ERROR_LOGS in defects else []
    early = bool(defects & {Defect.HEALTHY_BEFORE_STORAGE, Defect.SLOW_START})
    parts = Parts(settings, app, storage, cache, coherence, readiness, metrics, companions, accepts_early=early)
    return service_class(defects)(parts)


def _cache(settings: Settings) -> Cache:
    if Defect.CACHE_OFF in settings.defects:
        return unreliable.CacheOff()
    url = settings.cache_url.get_secret_value()
    return RedisCache(url, ttl_s=settings.cache_ttl_s, instance=settings.instance)


def _storage(settings: Settings, cache: Cache) -> Storage:
    defects = settings.defects
    if Defect.MEMORY_STORAGE in defects:
        storage: Storage = unreliable.MemoryStorage()
    else:
        url = settings.database_url.get_secret_value()
        storage = PostgresStorage(Database(url, settings.pool_max))
    if Defect.ACK_BEFORE_STORE in defects:
        storage = unreliable.AcknowledgesEarly(storage, cache)
    for defect, wrapper in (
        (Defect.WRITE_DROPS, unreliable.DropsWrites),
        (Defect.DELETE_KEEPS, unreliable.KeepsDeleted),
        (Defect.HEALTHY_BEFORE_STORAGE, unreliable.OpensLate),
        (Defect.SLOW_START, unreliable.OpensVeryLate),
    ):
        if defect in defects:
            storage = wrapper(storage)
    return storage


def _metrics(settings: Settings, storage: Storage, version: str) -> Metrics:
    defects = settings.defects
    counter: Callable[[CollectorRegistry], OperationCounter] = Operations
    if Defect.EMPTY_METRIC_FAMILY in defects:
        counter = untrue.EmptyOperations
    if Defect.MISSING_METRIC_FAMILY in defects:
        counter = untrue.UncountedOperations
    metrics = untrue.UnservedMetrics if Defect.NO_METRICS in defects else Metrics
    return metrics(version=version, pool_max=settings.pool_max, in_use=lambda: storage.in_use, operations=counter)


def _readiness(defects: frozenset[Defect], storage: Storage) -> tuple[Readiness, list[Edit]]:
    if Defect.HEALTHY_BEFORE_STORAGE not in defects:
        return Readiness(storage), []
    early = untrue.EarlyReadiness(storage)
    return early, [early.edit]


def _app(api: Api, defects: frozenset[Defect]) -> ASGIApp:
    app: ASGIApp = api.router()
    if Defect.API_500 in defects:
        app = untrue.FailingApi(app)
    if Defect.SLOW_UNDER_LOAD in defects:
        app = untrue.SlowUnderLoad(app)
    if Defect.ERRORS_UNDER_LOAD in defects:
        app = untrue.FailsUnderLoad(app)
    return app
