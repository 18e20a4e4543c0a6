"""What only a systemd host can answer: its units, its journal, its files."""

from __future__ import annotations

from drillbook.model import Verdict
from drillbook.plugin import cases, must_hold

from .criteria_systemd import FILES, LOGS, PREFLIGHT, STARTED


@cases("config-manager", STARTED)
def test_units(verdict: Verdict) -> None:
    """The units are loaded, enabled and running as the runbook shows them."""
    must_hold(verdict)


@cases("config-manager", LOGS)
def test_journal(verdict: Verdict) -> None:
    """The journal can be read and holds no errors after a normal start."""
    must_hold(verdict)


@cases("config-manager", FILES)
def test_files(verdict: Verdict) -> None:
    """Secrets are closed, and the service's user has what it needs."""
    must_hold(verdict)


@cases("config-manager", PREFLIGHT)
def test_preflight(verdict: Verdict) -> None:
    """The host has the two files and the key before the service is started."""
    must_hold(verdict)
