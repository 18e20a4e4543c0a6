"""The rows that scenarios judge: statements of the runbook, and four rules of our own about every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drillbook.accepts import components, databases, http, scenario
from drillbook.model import Criterion, Severity, Stage
from drillbook.probes.components import Components
from drillbook.probes.http import Get
from drillbook.probes.postgres import Postgres
from drillbook.probes.recorded import Downtime, Ended, InFlight, Recorded, Sights, Steps, WriteLosses
from drillbook.probes.redis import Redis

if TYPE_CHECKING:
    from drillbook.model import Accepts

STOP_LIMIT_S = 10.0
"""The runbook stops the application with ten seconds of grace."""
SHUTDOWN_MESSAGES = (
    "Received shutdown signal",
    "Draining active connections",
    "Closing database connections",
    "Flushing cache",
    "Shutdown complete",
)

ENDED: Recorded[Ended] = Recorded("how the instance ended", Ended)
IN_FLIGHT: Recorded[InFlight] = Recorded("requests in flight", InFlight)
LOSSES: Recorded[WriteLosses] = Recorded("acknowledged writes", WriteLosses)
DOWNTIME: Recorded[Downtime] = Recorded("availability", Downtime)
STEPS: Recorded[Steps] = Recorded("steps", Steps)
HEALTH_SAID: Recorded[Sights] = Recorded("health during the fault", Sights)
LIES: Recorded[Sights] = Recorded("health and API during the start-up", Sights)
BACKENDS: Recorded[Sights] = Recorded("connections before PostgreSQL was stopped", Sights)

LIE = "healthy, but the API refuses"
TRUTH = "healthy, and the API answers"
NO_BACKENDS = "connections of the application: 0"

_COMPOSE = frozenset({"process", "compose"})
"""What the runbook says of Compose holds for the lab's processes as well."""
_KUBERNETES = frozenset({"kubernetes"})
_SYSTEMD = frozenset({"systemd"})

_DATABASE_ADVICE = "config-manager.troubleshoot.postgres-not-ready"
_LOG_ADVICE = "config-manager.troubleshoot.crash-logs-compose"

STEADY: tuple[Criterion[Any], ...] = (
    Criterion(
        "config-manager.verify.success-health",
        Get("/health"),
        http.field("status", equals="healthy", with_status=200),
        stage=Stage.CHAOS,
    ),
    Criterion("config-manager.startup.compose-all-up", Components(), components.all_running(), stage=Stage.CHAOS),
    Criterion(
        "config-manager.verify.success-database-connections",
        Postgres(),
        databases.application_backends(),
        stage=Stage.CHAOS,
    ),
    Criterion(
        "config-manager.verify.success-cache-connections", Redis(), databases.application_clients(), stage=Stage.CHAOS
    ),
)
"""What a healthy system shows before a fault and again after it."""


def _row(
    name: str,
    place: Recorded[Any],
    accepts: Accepts[Any],
    remedy: str | None = None,
    severity: Severity = Severity.CRITICAL,
    platforms: frozenset[str] | None = None,
) -> Criterion[Any]:
    return Criterion(name, place, accepts, remedy, severity=severity, stage=Stage.CHAOS, platforms=platforms)


NOTHING_LOST = _row(
    "drillbook.durability.acknowledged-writes", LOSSES, scenario.nothing_lost(), "config-manager.recovery.script"
)
RECOVERS = _row("drillbook.durability.recovers", DOWNTIME, scenario.recovered(), _LOG_ADVICE)

GRACEFUL_STOP = (
    _row("config-manager.shutdown.in-flight-complete", IN_FLIGHT, scenario.nothing_dropped(), _LOG_ADVICE),
    _row(
        "config-manager.shutdown.compose-stop",
        ENDED,
        scenario.ended_within(STOP_LIMIT_S),
        _LOG_ADVICE,
        platforms=_COMPOSE,
    ),
    _row("config-manager.shutdown.compose-exit-zero", ENDED, scenario.exited_with(0), _LOG_ADVICE, platforms=_COMPOSE),
    _row("config-manager.shutdown.systemd-stop", ENDED, scenario.ended_within(STOP_LIMIT_S), platforms=_SYSTEMD),
    _row("config-manager.shutdown.systemd-inactive", ENDED, scenario.exited_with(0), platforms=_SYSTEMD),
    *(
        _row(
            f"config-manager.shutdown.{name}",
            ENDED,
            scenario.said_in_order(SHUTDOWN_MESSAGES, position),
            _LOG_ADVICE,
            Severity.WARNING,
        )
        for position, name in enumerate(
            ("log-signal-received", "log-draining", "log-closing-database", "log-flushing-cache", "log-complete")
        )
    ),
    NOTHING_LOST,
    RECOVERS,
)

CRASH = (
    _row(
        "config-manager.emergency.systemd-sigkill",
        ENDED,
        scenario.exited_with(-9),
        _LOG_ADVICE,
        platforms=frozenset({"process", "systemd"}),
    ),
    _row("drillbook.durability.healthy-means-open", LIES, scenario.never_seen(LIE, until=TRUTH), _DATABASE_ADVICE),
    NOTHING_LOST,
    RECOVERS,
)

CACHE_LOSS = (
    _row(
        "config-manager.troubleshoot.slow-startup-health-cache",
        HEALTH_SAID,
        scenario.seen('checks.cache.status == "unhealthy"'),
        "config-manager.troubleshoot.redis-not-ready",
    ),
    _row(
        "drillbook.durability.cache-loss-survived",
        DOWNTIME,
        scenario.stays_available(bad_share=0.10),
        _LOG_ADVICE,  # what clients saw says nothing yet of who is to blame
    ),
    NOTHING_LOST,
)

FULL_RESTART = (
    _row(
        "config-manager.shutdown.order",
        STEPS,
        scenario.in_order("stop api", "stop redis", "stop postgres"),
        _LOG_ADVICE,
    ),
    _row(
        "config-manager.startup.order",
        STEPS,
        scenario.in_order("start postgres", "start redis", "start api"),
        _LOG_ADVICE,
    ),
    _row(
        "config-manager.shutdown.compose-connections-closed",
        BACKENDS,
        scenario.seen(NO_BACKENDS),
        _DATABASE_ADVICE,
        platforms=_COMPOSE,
    ),
    *(
        _row(f"config-manager.{name}", STEPS, scenario.step_within(step, limit_s), platforms=platforms)
        for platforms, name, step, limit_s in (
            (_COMPOSE, "startup.compose-dependencies-wait", "start postgres", 30),
            (_COMPOSE, "startup.compose-application-wait", "start api", 10),
            (_SYSTEMD, "startup.systemd-postgresql-start", "start postgres", 5),
            (_SYSTEMD, "startup.systemd-redis-start", "start redis", 3),
            (_SYSTEMD, "startup.systemd-application-start", "start api", 10),
            (_KUBERNETES, "startup.kubernetes-postgres-ready", "start postgres", 120),
            (_KUBERNETES, "startup.kubernetes-redis-ready", "start redis", 120),
            (_KUBERNETES, "startup.kubernetes-application-ready", "start api", 180),
        )
    ),
    *(
        _row(f"config-manager.shutdown.{name}", STEPS, scenario.in_order(*steps), platforms=platforms)
        for platforms, name, steps in (
            (_SYSTEMD, "systemd-dependencies-stop", ("stop redis", "stop postgres")),
            (_KUBERNETES, "kubernetes-redis-zero", ("stop api", "stop redis")),
            (_KUBERNETES, "kubernetes-postgres-zero", ("stop redis", "stop postgres")),
        )
    ),
    _row("config-manager.slo.rto", DOWNTIME, scenario.within_rto()),
    _row("config-manager.slo.rpo", LOSSES, scenario.within_rpo(), "config-manager.recovery.script"),
    NOTHING_LOST,
)
