"""Post-Startup Verification > Health Check, and the version that every instance must run."""

from __future__ import annotations

from drillbook.model import Verdict
from drillbook.plugin import cases, must_hold

from .criteria import HEALTH, VERSION


@cases("config-manager", HEALTH)
def test_health(verdict: Verdict) -> None:
    """Every instance's health endpoint says what the runbook expects of it."""
    must_hold(verdict)


@cases("config-manager", VERSION)
def test_version(verdict: Verdict) -> None:
    """No instance still runs an older release."""
    must_hold(verdict)
