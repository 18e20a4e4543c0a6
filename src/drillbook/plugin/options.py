"""Command-line options, and their values with units."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..model import Severity
from ..rounds import Patience

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h)?$")
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    environment: str | None
    expect_version: str | None
    fail_on: Severity
    patience: Patience
    reports: Path
    disrupt: str | None
    plan: bool
    require: tuple[str, ...] = ()
    """Ids of statements that must be judged, or ``all``."""


def duration(text: str) -> float:
    """Parse ``120s``, ``2m``, ``500ms`` or plain seconds. Raises argparse's error otherwise."""
    found = _DURATION.match(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a duration like 120s, 2m or 500ms, found {text!r}")
    return float(found[1]) * _UNITS[found[2]]


def add(parser: pytest.Parser) -> None:
    """Add Drillbook's options to pytest."""
    group = parser.getgroup("drillbook", "Drillbook: judge a live environment by its runbooks")
    group.addoption(
        "--env",
        metavar="NAME|FILE",
        help="the environment: a name from environments/, or a path to a TOML file",
    )
    group.addoption(
        "--expect-version",
        metavar="VERSION",
        help="what every instance must run; overrides the environment file",
    )
    group.addoption(
        "--within",
        type=duration,
        default=0.0,
        metavar="DURATION",
        help="give a fresh deploy this long (120s, 2m) to become good: each round observes everything anew",
    )
    group.addoption(
        "--good-rounds",
        type=int,
        default=1,
        metavar="N",
        help="with --within: ask for N good rounds in a row",
    )
    group.addoption(
        "--deadline",
        type=duration,
        metavar="DURATION",
        help="bound the whole gate; what is unseen by then is UNKNOWN",
    )
    group.addoption(
        "--fail-on",
        choices=[str(severity) for severity in Severity],
        default=str(Severity.WARNING),
        help="the lowest severity that fails the gate (default: warning, that is everything)",
    )
    group.addoption(
        "--disrupt", metavar="NAME", help="name the environment again to let scenarios, drills and load disrupt it"
    )
    group.addoption(
        "--plan", action="store_true", help="show what the selected scenarios would do here; change nothing"
    )
    group.addoption(
        "--require",
        action="append",
        default=[],
        metavar="ID|all",
        help="what must be judged: where it is not, it is UNKNOWN; all: everything that is selected (repeatable)",
    )
    group.addoption("--reports", metavar="DIR", default="reports", help="where runs leave their journal (reports/)")


def read(config: pytest.Config) -> Options:
    """Return the options of this run. Raises UsageError for ones that contradict each other."""
    if config.getoption("good_rounds") > 1 and not config.getoption("within"):
        raise pytest.UsageError("--good-rounds asks for more than one round: say with --within how long they may take")
    return Options(
        environment=config.getoption("env"),
        expect_version=config.getoption("expect_version"),
        fail_on=Severity(config.getoption("fail_on")),
        patience=Patience(
            within_s=config.getoption("within"),
            good_rounds=max(1, config.getoption("good_rounds")),
            deadline_s=config.getoption("deadline"),
        ),
        disrupt=config.getoption("disrupt"),
        plan=config.getoption("plan"),
        require=tuple(dict.fromkeys(config.getoption("require"))),
        reports=(config.invocation_params.dir / config.getoption("reports")).resolve(),
    )
