"""Judges for a load: a figure against a bound, and first of all whether the load was what it should have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import met_if, rule, unknown

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..traffic.load import LoadResult

LEAST_ACHIEVED = 0.95
"""The share of the offered rate that must have been sent."""
MOST_MISSED = 0.01
"""The most arrivals that may have been dropped (or, for latencies, late)."""
_PERCENT = 100
_ERRORS_THAT_HIDE_P95 = 0.05
_AVAILABILITY_SAMPLES = 1000
"""Fewer requests cannot tell 99.9 % from 100 %."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a load's result: its value, and why it may mean nothing although the load was sent."""

    name: str
    unit: str
    of: Callable[[LoadResult], float | None]
    doubt: Callable[[LoadResult], str | None]
    evidence: Callable[[LoadResult], str]


def _latency_doubt(result: LoadResult) -> str | None:
    if result.offered and (result.late + result.dropped) / result.offered > MOST_MISSED:
        return f"{result.late} of {result.offered} requests were sent late, by our own doing"
    if (result.error_share or 0) >= _ERRORS_THAT_HIDE_P95:
        return f"{result.failed} of {result.sent} requests failed, so the 95th percentile says nothing about answers"
    return None


def _availability_doubt(result: LoadResult) -> str | None:
    if result.sent < _AVAILABILITY_SAMPLES:
        return f"{result.sent} requests cannot tell 99.9 % from 100 %; {_AVAILABILITY_SAMPLES} can"
    return None


def _cache_doubt(result: LoadResult) -> str | None:
    if result.cache.problem is not None:
        return result.cache.problem
    return None if result.cache.hit_share is not None else "nothing was looked up in the cache"


P95_LATENCY = Figure(
    "p95 latency",
    " ms",
    lambda result: result.p95_ms,
    _latency_doubt,
    lambda result: f"p50 {result.p50_ms:.1f}, p99 {result.p99_ms:.1f}, max {result.max_ms:.1f} ms",
)
ERROR_RATE = Figure(
    "error rate",
    " %",
    lambda result: _percent(result.error_share),
    lambda _result: None,
    lambda result: ", ".join(f"{count} {what}" for what, count in result.failures.items()) or "0 failed",
)
AVAILABILITY = Figure(
    "availability",
    " %",
    lambda result: _percent(result.available_share),
    _availability_doubt,
    lambda result: f"{result.failed} failed, {result.slow} took longer than 1 s",
)
CACHE_HIT_RATE = Figure(
    "cache hit rate",
    " %",
    lambda result: _percent(result.cache.hit_share),
    _cache_doubt,
    lambda result: f"{result.cache.hits:.0f} hits, {result.cache.misses:.0f} misses",
)


def below(figure: Figure, limit: float, *, says: str = "") -> Accepts[LoadResult]:
    """Accept a figure below a limit, in the figure's unit; ``says`` begins the expectation's text."""
    return _bound(figure, f"< {limit:g}", lambda value: value < limit, says)


def at_most(figure: Figure, limit: float, *, says: str = "") -> Accepts[LoadResult]:
    """Accept a figure at or below a limit, in the figure's unit; ``says`` as in ``below``."""
    return _bound(figure, f"<= {limit:g}", lambda value: value <= limit, says)


def above(figure: Figure, limit: float, *, says: str = "") -> Accepts[LoadResult]:
    """Accept a figure above a limit, in the figure's unit; ``says`` as in ``below``."""
    return _bound(figure, f"> {limit:g}", lambda value: value > limit, says)


def at_least(figure: Figure, limit: float, *, says: str = "") -> Accepts[LoadResult]:
    """Accept a figure at or above a limit, in the figure's unit; ``says`` as in ``below``."""
    return _bound(figure, f">= {limit:g}", lambda value: value >= limit, says)


def doubt(result: LoadResult) -> str | None:
    """Say why a load was not what it should have been, so that no figure of it counts; None when it was."""
    if not result.sent or not result.latencies:
        return f"zero samples: {result.sent} of {result.offered} requests were sent"
    if result.throttled:
        return f"{result.throttled} answers were 429, which our own load may have caused; lower [load] max_rps"
    if result.dropped / result.offered > MOST_MISSED:
        return f"{result.dropped} of {result.offered} arrivals were dropped: too few users"
    if result.achieved_rps < LEAST_ACHIEVED * result.offered_rps:
        return f"only {result.achieved_rps:.1f} of {result.offered_rps:g} rps were sent"
    return None


def _bound(figure: Figure, bound: str, holds: Callable[[float], bool], says: str) -> Accepts[LoadResult]:
    def check(result: LoadResult) -> Finding:
        why = doubt(result) or figure.doubt(result)
        if why is not None:
            return unknown(why)
        value = figure.of(result)
        if value is None:
            return unknown(f"no {figure.name}: zero samples")
        sent = f"{result.sent} requests at {result.achieved_rps:.1f} rps for {result.duration_s:g} s"
        return met_if(holds(value), f"{value:.4g}{figure.unit} ({figure.evidence(result)}); {sent}")

    return rule(f"{says}{figure.name} {bound}{figure.unit}", check)


def _percent(share: float | None) -> float | None:
    return None if share is None else share * _PERCENT
