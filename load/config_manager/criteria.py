"""The rows: Config Manager's objectives (Key Metrics Reference), each judged by one load.

The runbook gives every metric three classes in one line, and each class is a statement. They are read so that a row
is MET when nothing is wrong at its level:

- target: MET when the figure is on target.
- warning: MET when the figure is neither at warning level nor at critical level. The bands touch, so this row agrees
  with the target's, also on the bound itself (100 ms is not on target, and it is at warning level).
- critical: MET when the figure is not at critical level. The bounds of the warning band belong to it, so exactly 200 ms
  are not critical.

Availability is the share of requests that were answered well and within a second; the classes are those of OD-01. The
cache hit rate counts all that was looked up meanwhile, by whomever. The runbook names neither windows nor queries
(OD-07): the window is the profile's, and every verdict states it.

A row is UNKNOWN, never MET, when less than 95 % of the rate was sent, more than 1 % of the arrivals was dropped (or,
for latencies, late), nothing was sent, a 429 came back, or a counter went backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillbook.accepts.load import (
    AVAILABILITY,
    CACHE_HIT_RATE,
    ERROR_RATE,
    P95_LATENCY,
    above,
    at_least,
    at_most,
    below,
)
from drillbook.model import Criterion, Severity, Stage
from drillbook.probes.metrics import Metrics

from .profile import ConfigsLoad

if TYPE_CHECKING:
    from collections.abc import Callable

    from drillbook.model import Accepts, System
    from drillbook.traffic.load import LoadResult

_load = ConfigsLoad()

_LATENCY_ADVICE = None  # the runbook has none
_ERROR_ADVICE = "config-manager.troubleshoot.crash-logs-compose"
_CACHE_ADVICE = "config-manager.troubleshoot.slow-startup-health-cache"

_NOT_WARNING = "at neither warning nor critical level: "
_NOT_CRITICAL = "not at critical level: "


def _not_allowed(system: System) -> str | None:
    return None if system.load_max_rps else "load is not allowed here ([load] max_rps)"


def _no_counters(system: System) -> str | None:
    return _not_allowed(system) or Metrics().blind(system)


def _row(
    name: str,
    accepts: Accepts[LoadResult],
    remedy: str | None,
    severity: Severity = Severity.WARNING,
    needs: Callable[[System], str | None] = _not_allowed,
) -> Criterion[LoadResult]:
    return Criterion(
        f"config-manager.slo.{name}",
        _load,
        accepts,
        remedy,
        severity=severity,
        stage=Stage.LOAD,
        mutating=True,
        needs=needs,
    )


SLO = (
    _row("availability-target", at_least(AVAILABILITY, 99.9), _ERROR_ADVICE),
    _row("availability-warning", at_least(AVAILABILITY, 99.9, says=_NOT_WARNING), _ERROR_ADVICE),
    _row("availability-critical", at_least(AVAILABILITY, 99, says=_NOT_CRITICAL), _ERROR_ADVICE, Severity.CRITICAL),
    _row("p95-latency-target", below(P95_LATENCY, 100), _LATENCY_ADVICE),
    _row("p95-latency-warning", below(P95_LATENCY, 100, says=_NOT_WARNING), _LATENCY_ADVICE),
    _row("p95-latency-critical", at_most(P95_LATENCY, 200, says=_NOT_CRITICAL), _LATENCY_ADVICE, Severity.CRITICAL),
    _row("error-rate-target", below(ERROR_RATE, 1), _ERROR_ADVICE),
    _row("error-rate-warning", below(ERROR_RATE, 1, says=_NOT_WARNING), _ERROR_ADVICE),
    _row("error-rate-critical", at_most(ERROR_RATE, 5, says=_NOT_CRITICAL), _ERROR_ADVICE, Severity.CRITICAL),
    _row("cache-hit-rate-target", above(CACHE_HIT_RATE, 80), _CACHE_ADVICE, needs=_no_counters),
    _row("cache-hit-rate-warning", above(CACHE_HIT_RATE, 80, says=_NOT_WARNING), _CACHE_ADVICE, needs=_no_counters),
    _row(
        "cache-hit-rate-critical",
        at_least(CACHE_HIT_RATE, 70, says=_NOT_CRITICAL),
        _CACHE_ADVICE,
        Severity.CRITICAL,
        needs=_no_counters,
    ),
)
