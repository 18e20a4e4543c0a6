"""The ways in which this service can be told to misbehave, so that a verification proves that it notices."""

from enum import Enum


class Defect(Enum):
    """A defect by name; LLM_CONFIG_DEFECT takes a comma separated list of them."""

    LYING_HEALTH = "lying-health"
    FROZEN_UPTIME = "frozen-uptime"
    NO_UPTIME = "no-uptime"
    MISSING_METRIC_FAMILY = "missing-metric-family"
    EMPTY_METRIC_FAMILY = "empty-metric-family"
    ERROR_LOGS = "error-logs"
    CACHE_OFF = "cache-off"
    MEMORY_STORAGE = "memory-storage"
    API_500 = "api-500"
    DELETE_KEEPS = "delete-keeps"
    WRITE_DROPS = "write-drops"
    DEGRADED_STATUS = "degraded-status"
    STORAGE_CHECK_UNHEALTHY = "storage-check-unhealthy"
    CACHE_CHECK_UNHEALTHY = "cache-check-unhealthy"
    HEALTH_503 = "health-503"
    NO_CHECK_FIELDS = "no-check-fields"
    FUTURE_TIMESTAMP = "future-timestamp"
    SILENT_STARTUP = "silent-startup"
    NO_METRICS = "no-metrics"
    OLD_VERSION = "old-version"
    DROPS_IN_FLIGHT = "drops-in-flight"
    ACK_BEFORE_STORE = "ack-before-store"
    NEVER_DRAINS = "never-drains"
    EXIT_NONZERO = "exit-nonzero"
    SILENT_SHUTDOWN = "silent-shutdown"
    SLOW_UNDER_LOAD = "slow-under-load"
    ERRORS_UNDER_LOAD = "errors-under-load"
    HEALTHY_BEFORE_STORAGE = "healthy-before-storage"
    SLOW_START = "slow-start"

    @property
    def summary(self) -> str:
        """One line on what it does."""
        return SUMMARIES[self]


SUMMARIES = {
    Defect.LYING_HEALTH: "health says healthy with 200, whatever is down",
    Defect.FROZEN_UPTIME: "uptime_seconds never moves",
    Defect.NO_UPTIME: "health has no uptime_seconds",
    Defect.MISSING_METRIC_FAMILY: "config_operations_total is absent from the metrics",
    Defect.EMPTY_METRIC_FAMILY: "config_operations_total has HELP and TYPE, and never a sample",
    Defect.ERROR_LOGS: "an ERROR line in the log at start and every few seconds",
    Defect.CACHE_OFF: "the cache is never connected, and health says that it is healthy",
    Defect.MEMORY_STORAGE: "entries are kept in the process alone, and health says that storage is healthy",
    Defect.API_500: "every call of the configs API answers 500",
    Defect.DELETE_KEEPS: "DELETE answers 204 and the entry stays",
    Defect.WRITE_DROPS: "POST answers 201 and nothing is stored",
    Defect.DEGRADED_STATUS: 'the top-level status is "degraded" though every check is healthy',
    Defect.STORAGE_CHECK_UNHEALTHY: "the storage check says unhealthy, the top-level status healthy",
    Defect.CACHE_CHECK_UNHEALTHY: "the cache check says unhealthy, the top-level status healthy",
    Defect.HEALTH_503: "health answers the right body with status 503",
    Defect.NO_CHECK_FIELDS: "the checks have no last_check and no duration_ms",
    Defect.FUTURE_TIMESTAMP: "health's timestamp is one hour ahead",
    Defect.SILENT_STARTUP: "none of the five start-up lines is logged",
    Defect.NO_METRICS: "the metrics port is never opened",
    Defect.OLD_VERSION: 'the version is reported as "0.0.1"',
    Defect.DROPS_IN_FLIGHT: "SIGTERM ends the process at once with 0 and cuts the requests in flight",
    Defect.ACK_BEFORE_STORE: "a write is acknowledged some 300 ms before it is stored",
    Defect.NEVER_DRAINS: "SIGTERM is noticed and the process never ends by itself",
    Defect.EXIT_NONZERO: "a graceful shutdown ends with exit code 3",
    Defect.SILENT_SHUTDOWN: "none of the five shutdown lines is logged",
    Defect.SLOW_UNDER_LOAD: "requests take 150 to 300 ms more when over 20 arrived within the last second",
    Defect.ERRORS_UNDER_LOAD: "one read in ten answers 500 when over 20 arrived within the last second",
    Defect.HEALTHY_BEFORE_STORAGE: "healthy and ready some 3 s before the storage is open",
    Defect.SLOW_START: "the start-up takes 12 s longer",
}
