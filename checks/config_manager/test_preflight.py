"""Pre-Startup Checklist: judged before a deploy, on the machine that will run it."""

from __future__ import annotations

from drillbook.model import Verdict
from drillbook.plugin import cases, must_hold

from .criteria import PREFLIGHT


@cases("config-manager", PREFLIGHT)
def test_preflight(verdict: Verdict) -> None:
    """The machine has what the start-up needs."""
    must_hold(verdict)
