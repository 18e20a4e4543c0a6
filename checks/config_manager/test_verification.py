"""Post-Startup Verification: API, metrics, logs, connection pools; and the start-up's own expectations."""

from __future__ import annotations

from drillbook.model import Verdict
from drillbook.plugin import cases, must_hold

from .criteria import API, LOGS, METRICS, POOL, STARTED


@cases("config-manager", API)
def test_api(verdict: Verdict) -> None:
    """The configs API answers, stores, returns and removes."""
    must_hold(verdict)


@cases("config-manager", METRICS)
def test_metrics(verdict: Verdict) -> None:
    """The metrics page is there with the families that the runbook names."""
    must_hold(verdict)


@cases("config-manager", LOGS)
def test_logs(verdict: Verdict) -> None:
    """A normal start leaves no errors in the log."""
    must_hold(verdict)


@cases("config-manager", STARTED)
def test_start_up(verdict: Verdict) -> None:
    """The start-up ended as the runbook says it ends."""
    must_hold(verdict)


@cases("config-manager", POOL)
def test_connection_pools(verdict: Verdict) -> None:
    """The application holds connections of its own to PostgreSQL and Redis."""
    must_hold(verdict)
