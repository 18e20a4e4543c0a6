"""What happened, counted, and served on a port of its own."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

OPERATIONS = ("get", "set", "delete")
RESULTS = ("success", "not_found", "invalid", "unavailable", "error")
CONFIGS_ROUTE = "/api/v1/configs/{namespace}/{key}"
SEEN_AT_ZERO = {
    ("GET", "/health"): (200, 503),
    ("GET", "/live"): (200,),
    ("GET", "/ready"): (200, 503),
    ("GET", CONFIGS_ROUTE): (200, 400, 404, 500, 503),
    ("POST", CONFIGS_ROUTE): (201, 400, 500, 503),
    ("DELETE", CONFIGS_ROUTE): (204, 400, 404, 500, 503),
}


class OperationCounter(Protocol):
    """Counts configuration operations by their result."""

    def count(self, operation: str, result: str) -> None:
        """Add one."""


class Operations:
    """Counts configuration operations as config_operations_total."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "config_operations", "Configuration operations", ["operation", "result"], registry=registry
        )
        for operation in OPERATIONS:
            for result in RESULTS:
                self._counter.labels(operation, result)

    def count(self, operation: str, result: str) -> None:
        """Add one to the operation's result."""
        self._counter.labels(operation, result).inc()


class Metrics:
    """All families of the service, in a registry of their own."""

    def __init__(
        self,
        *,
        version: str,
        pool_max: int,
        in_use: Callable[[], int],
        operations: Callable[[CollectorRegistry], OperationCounter] = Operations,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self.operations = operations(self.registry)
        self.cache_hits = Counter("config_cache_hits", "Entries served from the cache", registry=self.registry)
        self.cache_misses = Counter("config_cache_misses", "Entries missing in the cache", registry=self.registry)
        self._requests = Counter(
            "http_requests", "HTTP requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._durations = Histogram(
            "http_request_duration_seconds", "Time to answer", ["method", "route"], registry=self.registry
        )
        self._gauges(version, pool_max, in_use)
        for (method, route), statuses in SEEN_AT_ZERO.items():
            self._durations.labels(method, route)
            for status in statuses:
                self._requests.labels(method, route, str(status))

    def request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(method, route).observe(duration_s)

    def serve(self, host: str, port: int) -> None:
        """Serve the families from a thread that ends with the process; raises OSError if the port is taken."""
        start_http_server(port, host, self.registry)

    def _gauges(self, version: str, pool_max: int, in_use: Callable[[], int]) -> None:
        active = Gauge("db_connections_active", "Database connections at work", registry=self.registry)
        active.set_function(in_use)
        Gauge("db_connections_max", "Limit of the database pool", registry=self.registry).set(pool_max)
        build = Gauge("llm_config_build_info", "The running version", ["version"], registry=self.registry)
        build.labels(version).set(1)
