"""All of pytest: options, selection, observing before the first test, verdicts in pytest's terms, exit statuses.

A checkout loads this from its root ``conftest.py``; elsewhere ``drillbook gate`` does. It is deliberately no
``pytest11`` entry point, which would add ``--env`` to every repository where Drillbook happens to be installed.
"""

from __future__ import annotations

import sys

import pytest

from ..redaction import plain_output
from . import options
from .cases import cases, must_hold, verdict
from .gate import GATE, Gate
from .leaving import Leaving
from .scenarios import SCENARIOS, Scenarios, scenario, scenario_test
from .terminal import Terminal

__all__ = ["cases", "must_hold", "scenario", "scenario_test", "verdict"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; see ``pytest --help`` under "drillbook"."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read and check the environment before anything is collected or contacted."""
    for mark, meaning in (
        ("smoke", "judged after a deploy: read-only, seconds"),
        ("preflight", "judged before a deploy, on the machine that will run it"),
        ("mutating", "writes into the namespace that [mutations] sets aside, and removes it again"),
        ("load", "sends load and judges the objectives under it"),
        ("scenario", "injects a fault under traffic; asks for --disrupt NAME"),
        ("drill", "a scenario with a stopwatch and objectives: RTO, RPO"),
        ("criterion", "holds a statement of a runbook"),
    ):
        config.addinivalue_line("markers", f"{mark}: {meaning}")
    plain_output(sys.stdout, sys.stderr)
    gate = Gate(config, options.read(config))
    config.stash[GATE] = gate
    config.pluginmanager.register(gate, "drillbook-gate")
    config.pluginmanager.register(Leaving(gate), "drillbook-leaving")
    scenarios = Scenarios(config, gate)
    config.stash[SCENARIOS] = scenarios
    config.pluginmanager.register(scenarios, "drillbook-scenarios")
    config.pluginmanager.register(Terminal(config, gate), "drillbook-terminal")
