"""Kubernetes Startup, and what its roll-outs and logs must show; judged by the API's fields."""

from __future__ import annotations

from drillbook.model import Verdict
from drillbook.plugin import cases, must_hold

from .criteria_kubernetes import PREFLIGHT, STARTED


@cases("config-manager", STARTED)
def test_start_up(verdict: Verdict) -> None:
    """The cluster, the namespace and every workload are as the start-up leaves them."""
    must_hold(verdict)


@cases("config-manager", PREFLIGHT)
def test_preflight(verdict: Verdict) -> None:
    """The namespace holds what the service's pods need to start."""
    must_hold(verdict)
