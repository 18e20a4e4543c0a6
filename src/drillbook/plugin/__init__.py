"""All of pytest: options, selection, observing before the first test, verdicts in pytest's terms, exit statuses.

A checkout loads this from its root ``conftest.py``; elsewhere ``drillbook gate`` does. It is deliberately no
``pytest11`` entry point, which would add ``--env`` to every repository where Drillbook happens to be installed; the one
that there is, ``two_words``, adds nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from .. import stdout
from ..redaction import plain_output
from . import options
from .cases import cases, must_hold, verdict
from .exits import NOTHING_JUDGED
from .gate import GATE, Gate
from .leaving import Leaving
from .own_failures import OwnFailures, check_files, only_shows
from .scenarios import SCENARIOS, Scenarios, scenario, scenario_test
from .terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["cases", "must_hold", "scenario", "scenario_test", "verdict"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; see ``pytest --help`` under "drillbook"."""
    options.add(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | pytest.ExitCode | None, int | None]:
    """Do not let a run be green that judged nothing because of a setting, or whose words nobody could keep."""
    status = int((yield) or 0)
    if hasattr(config, "workerinput"):
        return status
    if status == 0 and config.getoption("env") is not None and (option := only_shows(config)):
        print(f"nothing was judged: {option} comes from PYTEST_ADDOPTS or addopts; exit {NOTHING_JUDGED}")  # noqa: T201 - the terminal's report is over
        status = NOTHING_JUDGED
    return stdout.settled(status)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read and check the environment before anything is collected or contacted."""
    for mark, meaning in (
        ("smoke", "judged after a deploy: read-only, seconds"),
        ("preflight", "judged before a deploy, on the machine that will run it"),
        ("mutating", "writes into the namespace that a system's mutations set aside, and removes it again"),
        ("load", "sends load and judges the objectives under it"),
        ("scenario", "injects a fault under traffic; asks for --disrupt NAME"),
        ("drill", "a scenario with a stopwatch and objectives: RTO, RPO"),
        ("criterion", "holds a statement of a runbook"),
    ):
        config.addinivalue_line("markers", f"{mark}: {meaning}")
    # a reporter that could not write is told once, by ``OwnFailures``
    config.addinivalue_line("filterwarnings", "ignore::pluggy.PluggyTeardownRaisedWarning")
    plain_output(sys.stdout, sys.stderr)
    if not hasattr(config, "workerinput"):
        stdout.guard()
        if config.getoption("env") is not None:
            check_files(config)
    gate = Gate(config, options.read(config))
    config.stash[GATE] = gate
    config.pluginmanager.register(gate, "drillbook-gate")
    config.pluginmanager.register(OwnFailures(gate), "drillbook-own-failures")
    config.pluginmanager.register(Leaving(gate), "drillbook-leaving")
    scenarios = Scenarios(config, gate)
    config.stash[SCENARIOS] = scenarios
    config.pluginmanager.register(scenarios, "drillbook-scenarios")
    config.pluginmanager.register(Terminal(config, gate), "drillbook-terminal")
