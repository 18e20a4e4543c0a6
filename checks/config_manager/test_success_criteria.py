"""Success Criteria: the eight conditions of a successful start-up."""

from __future__ import annotations

from drillbook.model import Verdict
from drillbook.plugin import cases, must_hold

from .criteria import SUCCESS


@cases("config-manager", SUCCESS)
def test_success_criteria(verdict: Verdict) -> None:
    """Each of the eight success criteria holds."""
    must_hold(verdict)
