"""A log whose instance's start nobody can say is judged by its window."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from drillbook import clock
from drillbook.accepts import logs
from drillbook.model import Facts, Instance, Outcome, Target
from drillbook.probes.logs import Logs
from tests import systems

FACTS = Facts("process", None, clock_skew_s=2.0)


def read(file: Path, *lines: tuple[float, str]) -> tuple[Outcome, str]:
    """Write lines of so many seconds ago, and judge the last five minutes of a process that nobody finds."""
    now = clock.parse(clock.now())
    file.write_text("".join(f"{(now - dt.timedelta(seconds=ago_s)).isoformat()} {text}\n" for ago_s, text in lines))
    system = systems.system("process", Instance("api-1", log=file))
    seen = Logs(seek=("Server starting",)).observe(Target(system, "api-1", system.instances[0]))
    started = logs.started_with(("Server starting",), 0).check(seen, FACTS)
    assert started.outcome is Outcome.UNKNOWN, started.observed
    assert "when the instance started: the environment names no process" in started.observed
    found = logs.no_errors_in_window().check(seen, FACTS)
    return found.outcome, found.observed


OLD = (400.0, "INFO Server starting")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([OLD, (5, "INFO serving")], Outcome.MET),
        ([OLD, (5, "ERROR storage lost")], Outcome.NOT_MET),
        ([(400, "ERROR storage lost"), (5, "INFO serving")], Outcome.MET),
        ([(200, "INFO Server starting"), (5, "INFO serving")], Outcome.UNKNOWN),
    ],
    ids=["quiet", "an-error", "an-error-before", "just-rotated"],
)
def test_it_is_judged_by_the_window_that_it_covers(
    lines: list[tuple[float, str]], expected: Outcome, tmp_path: Path
) -> None:
    outcome, observed = read(tmp_path / "api-1.log", *lines)
    assert outcome is expected, observed
