"""The rows: what each statement reads, what it accepts, and where the runbook sends its reader next.

Statements and headings stand in ``runbooks/config-manager/``; the numbers stand here, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drillbook.accepts import (
    components,
    databases,
    host,
    http,
    logs,
    met_if,
    metrics,
    project_files,
    prometheus,
    rule,
)
from drillbook.model import Criterion, Severity, Stage
from drillbook.platforms.compose.settings import ComposeProject
from drillbook.probes.blindness import start_unknown
from drillbook.probes.components import Components
from drillbook.probes.host import External, HostResources, Names, Ports
from drillbook.probes.http import Get, GetUntilChanged
from drillbook.probes.logs import Logs
from drillbook.probes.metrics import Metrics
from drillbook.probes.postgres import Postgres
from drillbook.probes.project_files import ProjectFiles
from drillbook.probes.prometheus import Targets
from drillbook.probes.redis import Redis

from .round_trip import VALUE, RoundTrip

if TYPE_CHECKING:
    from drillbook.model import Accepts, Facts, Finding, System
    from drillbook.probes.http import Answer
    from drillbook.probes.logs import LogReading

    from .round_trip import Steps

HEALTH_PATH = "/health"
COMPOSE = frozenset({"compose"})
_AS_ON_COMPOSE = frozenset({"process", "compose", "address"})
"""What the runbook asks of a Compose project through commands that can be asked without one as well."""
EXAMPLE_PATH = "/api/v1/configs/test/example?env=production"
START_MESSAGES = (
    "Starting LLM Config API server on",
    "Storage initialized successfully",
    "Cache layer connected",
    "Security middleware enabled",
    "Server is ready to accept connections",
)

_ABSENT = 404

_health = Get(HEALTH_PATH)
_metrics = Metrics(after=EXAMPLE_PATH)
_logs = Logs(seek=START_MESSAGES)
_postgres = Postgres()
_redis = Redis()
_components = Components()
_round_trip = RoundTrip()
_resources = HostResources()
_files = ProjectFiles(("ENCRYPTION_KEY",))

_CACHE_ADVICE = "config-manager.troubleshoot.slow-startup-health-cache"
_DATABASE_ADVICE = "config-manager.troubleshoot.slow-startup-health-database"
_POSTGRES_ADVICE = "config-manager.troubleshoot.postgres-not-ready"
_REDIS_ADVICE = "config-manager.troubleshoot.redis-not-ready"
_LOG_ADVICE = "config-manager.troubleshoot.crash-logs-compose"
_CONFIG_ADVICE = "config-manager.troubleshoot.missing-config-compose"
_PORT_ADVICE = "config-manager.troubleshoot.port-conflict"


def _check_fields() -> Accepts[Answer]:
    """Accept a health body in which every check has component, status, duration and an RFC 3339 time."""

    def check(answer: Answer, facts: Facts) -> Finding:
        checks = answer.get("checks")
        if not isinstance(checks, dict) or not checks:
            return met_if(False, f"checks == {http.shown(checks)}")  # noqa: FBT003 - the finding itself
        wrong = []
        for name, found in checks.items():
            row = found if isinstance(found, dict) else {}
            duration = row.get("duration_ms")
            if not isinstance(row.get("component"), str) or not isinstance(row.get("status"), str):
                wrong.append(f"{name} lacks component or status")
            if not http.is_number(duration) or float(str(duration)) < 0:
                wrong.append(f"{name}.duration_ms == {http.shown(duration)}")
            if not http.is_recent_enough(row.get("last_check"), answer.read_at, facts):
                wrong.append(f"{name}.last_check == {http.shown(row.get('last_check'))}")
        return met_if(not wrong, "; ".join(wrong) or f"{len(checks)} checks with all fields")

    return http.body("every check has component, status, duration_ms >= 0 and an RFC 3339 last_check", check)


def _created(steps: Steps) -> Finding:
    return met_if(steps.created.status in {200, 201}, f"POST {steps.created.summary()}")


def _read_back(steps: Steps) -> Finding:
    value = steps.read_back.get("value")
    observed = f"value == {http.shown(value)}; GET {steps.read_back.summary()}"
    return met_if(steps.read_back.status == http.OK and value == VALUE, observed)


def _deleted(steps: Steps) -> Finding:
    observed = f"DELETE {steps.deleted.summary()}, then GET {steps.after_delete.summary()}"
    return met_if(steps.deleted.status in {200, 204} and steps.after_delete.status == _ABSENT, observed)


def _responds(steps: Steps) -> Finding:
    """Accept a creation that was taken, and answers about the key after it, one of which may be that it is not there.

    What reading back and deleting must give is for others to judge; a service that refuses everything does not respond.
    """
    about_the_key = (steps.read_back, steps.deleted, steps.after_delete)
    good = _succeeded(steps.created) and all(_succeeded(one) or one.status == _ABSENT for one in about_the_key)
    return met_if(good, ", ".join(answer.summary() for answer in (steps.created, *about_the_key)))


def _succeeded(answer: Answer) -> bool:
    return answer.status is not None and 200 <= answer.status < 300  # noqa: PLR2004 - RFC 9110, 15.3


def _no_outside(system: System) -> str | None:
    return None if system.preflight.external_url else "no outside address is named (preflight.external_url)"


def _no_prometheus(system: System) -> str | None:
    """Monitoring is optional."""
    named = "prometheus" in system.components
    return None if named else f"no monitoring is named, as systems.{system.name}.components.prometheus"


def _no_directory(system: System) -> str | None:
    found = system.place.held_as(ComposeProject)
    return (
        None if found is not None and found.directory else "no project directory is named (directory under [compose])"
    )


def _not_this_host(system: System) -> str | None:
    return (
        None if system.platform != "kubernetes" else "it is about the nodes' own resources, which the API does not show"
    )


HEALTH = (
    Criterion("config-manager.health.endpoint-ok", _health, http.status(http.OK), _PORT_ADVICE),
    Criterion(
        "config-manager.health.status-healthy",
        _health,
        http.field("status", equals="healthy"),
        _CACHE_ADVICE,
    ),
    Criterion(
        "config-manager.health.storage-healthy",
        _health,
        http.fields({"checks.storage.component": "storage", "checks.storage.status": "healthy"}),
        _DATABASE_ADVICE,
    ),
    Criterion(
        "config-manager.health.cache-healthy",
        _health,
        http.fields({"checks.cache.component": "cache", "checks.cache.status": "healthy"}),
        _CACHE_ADVICE,
    ),
    Criterion("config-manager.health.check-fields", _health, _check_fields(), severity=Severity.WARNING),
    Criterion("config-manager.health.timestamp", _health, http.timestamp("timestamp", not_older_than_s=60)),
    Criterion("config-manager.health.uptime-seconds", _health, http.number("uptime_seconds")),
    Criterion("config-manager.health.quick", _health, http.status(http.OK), _PORT_ADVICE),
)

SUCCESS = (
    Criterion(
        "config-manager.verify.success-health",
        _health,
        http.field("status", equals="healthy", with_status=http.OK),
        _CACHE_ADVICE,
    ),
    Criterion(
        "config-manager.verify.success-dependencies-running",
        _components,
        components.running("postgres", "redis"),
        _POSTGRES_ADVICE,
    ),
    Criterion("config-manager.verify.success-no-error-logs", _logs, logs.no_errors_in_window(), _LOG_ADVICE),
    Criterion(
        "config-manager.verify.success-api-responds",
        _round_trip,
        rule("every request is answered and none refused (2xx, or 404 for a key that is not there)", _responds),
        _DATABASE_ADVICE,
        mutating=True,
    ),
    Criterion("config-manager.verify.success-metrics-accessible", _metrics, metrics.reachable(), _PORT_ADVICE),
    Criterion(
        "config-manager.verify.success-cache-connections",
        _redis,
        databases.application_clients(),
        _REDIS_ADVICE,
    ),
    Criterion(
        "config-manager.verify.success-database-connections",
        _postgres,
        databases.application_backends(),
        _POSTGRES_ADVICE,
    ),
    Criterion(
        "config-manager.verify.success-uptime-incrementing",
        GetUntilChanged(HEALTH_PATH, field="uptime_seconds"),
        http.increasing("uptime_seconds"),
        _LOG_ADVICE,
    ),
)

API = (
    Criterion(
        "config-manager.verify.api-get-example", Get(EXAMPLE_PATH), http.status(http.OK, _ABSENT), _DATABASE_ADVICE
    ),
    Criterion(
        "config-manager.verify.api-create",
        _round_trip,
        rule("POST answers 200 or 201", _created),
        _DATABASE_ADVICE,
        mutating=True,
    ),
    Criterion(
        "config-manager.verify.api-read-back",
        _round_trip,
        rule(f'GET answers 200 with value == "{VALUE}"', _read_back),
        _DATABASE_ADVICE,
        mutating=True,
    ),
    Criterion(
        "config-manager.verify.api-delete",
        _round_trip,
        rule("DELETE answers 200 or 204, and a GET after it 404", _deleted),
        _DATABASE_ADVICE,
        mutating=True,
    ),
)

METRICS = (
    Criterion("config-manager.metrics.endpoint", _metrics, metrics.reachable(), _PORT_ADVICE),
    Criterion("config-manager.metrics.quick", _metrics, metrics.reachable(), _PORT_ADVICE),
    Criterion(
        "config-manager.metrics.families",
        _metrics,
        metrics.families("config_operations_total", "http_requests_total"),
        _LOG_ADVICE,
    ),
    Criterion(
        "config-manager.metrics.prometheus-target",
        Targets("llm-config-manager"),
        prometheus.all_up(),
        _LOG_ADVICE,
        needs=_no_prometheus,
    ),
)

LOGS = (
    Criterion(
        "config-manager.logs.no-errors-compose",
        _logs,
        logs.no_errors_in_tail(),
        _LOG_ADVICE,
        severity=Severity.WARNING,
        platforms=_AS_ON_COMPOSE,
    ),
    Criterion(
        "config-manager.logs.quick-compose",
        _logs,
        logs.readable(),
        severity=Severity.WARNING,
        platforms=_AS_ON_COMPOSE,
    ),
)

_LOGGED_AT_START: tuple[Criterion[LogReading], ...] = tuple(
    Criterion(
        f"config-manager.startup.{name}",
        _logs,
        logs.started_with(START_MESSAGES, position),
        _LOG_ADVICE,
        severity=Severity.WARNING,
        needs=start_unknown,
    )
    for position, name in enumerate(
        (
            "log-server-starting",
            "log-storage-initialized",
            "log-cache-connected",
            "log-security-enabled",
            "log-ready-to-accept",
        )
    )
)

STARTED: tuple[Criterion[Any], ...] = (
    *_LOGGED_AT_START,
    Criterion(
        "config-manager.startup.compose-postgres-ready",
        _postgres,
        databases.accepting_connections(),
        _POSTGRES_ADVICE,
        platforms=_AS_ON_COMPOSE,
    ),
    Criterion(
        "config-manager.startup.compose-redis-pong",
        _redis,
        databases.pong(),
        _REDIS_ADVICE,
        platforms=_AS_ON_COMPOSE,
    ),
    Criterion(
        "config-manager.startup.compose-all-up",
        _components,
        components.all_running(),
        _LOG_ADVICE,
        platforms=_AS_ON_COMPOSE,
    ),
)

POOL = (
    Criterion(
        "config-manager.pool.postgres-connections",
        _postgres,
        databases.application_backends(),
        _POSTGRES_ADVICE,
        platforms=_AS_ON_COMPOSE,
    ),
    Criterion(
        "config-manager.pool.redis-clients",
        _redis,
        databases.application_clients(),
        _REDIS_ADVICE,
        platforms=_AS_ON_COMPOSE,
    ),
)

VERSION = (
    Criterion(
        "drillbook.deploy.expected-version",
        _health,
        http.version("version"),
        "config-manager.rollback.restore-compose",
    ),
)

PREFLIGHT = (
    Criterion(
        "config-manager.preflight.disk-free",
        _resources,
        host.disk_free(more_than_gb=10),
        stage=Stage.PREFLIGHT,
        needs=_not_this_host,
    ),
    Criterion(
        "config-manager.preflight.memory-available",
        _resources,
        host.memory_available(more_than_gb=2),
        stage=Stage.PREFLIGHT,
        needs=_not_this_host,
    ),
    Criterion(
        "config-manager.preflight.cpu-load",
        _resources,
        host.cpu_load(less_than_percent=80),
        severity=Severity.WARNING,
        stage=Stage.PREFLIGHT,
        needs=_not_this_host,
    ),
    Criterion(
        "config-manager.preflight.ports-available",
        Ports(),
        host.ports_free(),
        _PORT_ADVICE,
        stage=Stage.PREFLIGHT,
        platforms=frozenset({"process", "compose", "systemd"}),
    ),
    Criterion(
        "config-manager.preflight.dns-resolution",
        Names(),
        host.resolves(),
        stage=Stage.PREFLIGHT,
        needs=_not_this_host,
    ),
    Criterion(
        "config-manager.preflight.external-connectivity",
        External(),
        rule("any answer from the outside", lambda answer: met_if(answer.failure is None, answer.summary())),
        severity=Severity.WARNING,
        stage=Stage.PREFLIGHT,
        needs=_no_outside,
    ),
    Criterion(
        "config-manager.preflight.compose-file",
        _files,
        project_files.has_compose_file(),
        stage=Stage.PREFLIGHT,
        platforms=COMPOSE,
        needs=_no_directory,
    ),
    Criterion(
        "config-manager.preflight.compose-env-file",
        _files,
        project_files.has_env_file(),
        _CONFIG_ADVICE,
        stage=Stage.PREFLIGHT,
        platforms=COMPOSE,
        needs=_no_directory,
    ),
    Criterion(
        "config-manager.preflight.encryption-key-compose",
        _files,
        project_files.sets_key("ENCRYPTION_KEY"),
        _CONFIG_ADVICE,
        stage=Stage.PREFLIGHT,
        platforms=COMPOSE,
        needs=_no_directory,
    ),
)
