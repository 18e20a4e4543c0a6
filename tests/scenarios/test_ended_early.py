"""Runs that are ended while harm is in: undoing comes first, whatever comes how often."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from drillbook.journal import read
from drillbook.polling import wait_until

from .stories import CRASH, DRILL, kinds, leftovers, start, states, summary_of


@pytest.fixture
def environment(lab_environment: Path) -> Path:
    return lab_environment


def rows(reports: Path) -> list[dict[str, Any]]:
    """All records of the only run so far, each with its kind."""
    runs = [path.parent for path in reports.glob("*/journal.jsonl") if not path.parent.is_symlink()]
    return [{"kind": row.kind, **row.data} for run in runs for row in read(run)]


def await_state(reports: Path, *wanted: str) -> None:
    """Wait until a fault has come to one of these states."""
    wait_until(
        lambda: any(row["kind"] == "fault" and row["state"] in wanted for row in rows(reports)),
        what=f"a fault that is {' or '.join(wanted)}",
        timeout_s=60,
        every_s=0.01,
    )


@pytest.mark.parametrize("story", [CRASH, DRILL])
@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGINT,),
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGINT, signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM, signal.SIGHUP, signal.SIGINT),
    ],
    ids=lambda signals: "-".join(one.name for one in signals),
)
def test_signals_that_come_while_it_undoes_interrupt_nothing(
    signals: tuple[signal.Signals, ...], story: str, environment: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    run = start(environment, reports, story)
    await_state(reports, "in_effect")
    run.send_signal(signals[0])
    await_state(reports, "broken", "recovering")
    for one in signals[1:]:
        run.send_signal(one)
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 2, output
    assert {state for state, _ in states(environment).values()} == {"running"}
    assert not leftovers()
    told = rows(reports)
    undone = [index for index, row in enumerate(told) if row["kind"] == "fault" and row["state"] == "cleaned"]
    (cleaned_up,) = [index for index, row in enumerate(told) if row["kind"] == "traffic-cleanup"]
    assert undone
    assert max(undone) < cleaned_up, "keys are no reason to wait with the undo"
    assert told[cleaned_up]["left"] == []
    assert ("came while the run was ending" in output) == (len(signals) > 1), output


def test_a_signal_during_an_ordinary_undo_waits_for_it(environment: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    run = start(environment, reports, CRASH)
    await_state(reports, "recovering")
    run.send_signal(signal.SIGINT)
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 2, output
    found = [row["state"] for row in rows(reports) if row["kind"] == "fault"]
    assert found[-3:] == ["recovering", "recovered", "cleaned"]
    assert {state for state, _ in states(environment).values()} == {"running"}


def test_a_watchdog_that_is_killed_after_the_harm_is_said_and_not_green(environment: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    run = start(environment, reports, CRASH)
    await_state(reports, "in_effect")
    os.kill(next(row["by"] for row in rows(reports) if row["kind"] == "undo"), signal.SIGKILL)
    output = run.communicate(timeout=90)[0]
    assert run.returncode == 1, output
    assert "nobody would have undone this run's faults" in output
    assert "ended with -9" in summary_of(reports)["unguarded"]
    assert {state for state, _ in states(environment).values()} == {"running"}
    assert not leftovers()
    assert "left-behind" not in kinds(reports)
