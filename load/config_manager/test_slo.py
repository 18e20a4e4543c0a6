"""Key Metrics Reference: the objectives, judged under load."""

from __future__ import annotations

from drillbook.model import Verdict
from drillbook.plugin import cases, must_hold

from .criteria import SLO


@cases("config-manager", SLO)
def test_objectives(verdict: Verdict) -> None:
    """The configs API keeps the runbook's objectives while it is used."""
    must_hold(verdict)
