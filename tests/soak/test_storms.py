"""A short form of each storm: a drill that is hit at a moment of its journal comes right, and leaves no key of ours."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook import labs

from .__main__ import storms, with_objectives
from .storms import Drill, Hit, Moment, come_after, down, keys_left, kill_both, kill_runner, play, signals

pytestmark = pytest.mark.few  # the gate after each drill reads whether the service was ever short of time

UNDOING = Moment("stop postgres", "recovering")
IN_HARM = Moment("stop redis", "in_effect")
ALL_IN = Moment("stop postgres", "in_effect")
TWICE = signals(signal.SIGINT, signal.SIGINT)
THRICE = signals(signal.SIGINT, signal.SIGTERM, signal.SIGINT, every_s=0.1)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lab of these tests alone: the gate after each reads its logs."""
    lab = labs.bring_up("config-manager")
    try:
        yield with_objectives(lab.environment, tmp_path_factory.mktemp("environment"))
    finally:
        lab.close()


@pytest.mark.parametrize(
    ("name", "moment", "hit"),
    [
        ("runner", IN_HARM, None),
        ("runner", UNDOING, None),
        ("watchdog", IN_HARM, None),
        ("watchdog", ALL_IN, None),
        ("both", ALL_IN, None),
        ("signals", IN_HARM, TWICE),
        ("signals", UNDOING, THRICE),
        ("disk-full", ALL_IN, None),
        ("disk-full", UNDOING, None),
    ],
    ids=lambda given: str(given) if isinstance(given, str | Moment) else "",
)
def test_a_drill_that_is_hit_comes_right(
    name: str, moment: Moment, hit: Hit | None, environment: Path, tmp_path: Path
) -> None:
    storm = storms(random.Random(1))[name]  # noqa: S311 - nothing is drawn here
    found = play(storm, environment, moment, hit or storm.hits[0], tmp_path)
    assert not found.broken, "\n".join(found.broken)
    if name == "disk-full":
        assert "evidence" in found.output
        assert "MET" in found.output


def left_by(hit: Hit, environment: Path, reports: Path) -> int:
    """Hit a drill while harm is in; return how many keys are left when nobody of it lives any more."""
    drill = Drill.start(environment, reports)
    try:
        drill.wait_for(Moment("stop api", "in_effect"))
        hit(drill)
    finally:
        drill.process.kill()
        drill.process.communicate(timeout=30)
    drill.wait_for_watchdogs()
    return keys_left(environment)


def test_whoever_recovers_deletes_the_keys_and_says_how_many(environment: Path, tmp_path: Path) -> None:
    left = left_by(kill_both, environment, tmp_path / "reports")
    assert left > 20
    assert f"cleaned  {left} test keys of " in come_after(environment)
    assert (keys_left(environment), down(environment)) == (0, [])
    assert "no run that is gone has left test keys" in come_after(environment, "clean")


def test_keys_are_found_without_the_ledger_of_the_run_that_wrote_them(environment: Path, tmp_path: Path) -> None:
    left = left_by(kill_both, environment, tmp_path / "reports")
    shutil.rmtree(tmp_path / "reports")
    assert f"cleaned  {left} test keys of " in come_after(environment)
    assert keys_left(environment) == 0


def test_the_next_run_deletes_the_keys_of_the_one_before(environment: Path, tmp_path: Path) -> None:
    left = left_by(kill_runner, environment, tmp_path / "first")
    assert left > 20
    second = Drill.start(environment, tmp_path / "second")
    output = second.process.communicate(timeout=150)[0]
    assert second.process.returncode == 0, output
    assert f"{left} test keys of " in output
    assert keys_left(environment) == 0


def test_the_next_run_finds_keys_without_a_ledger_and_does_not_count_its_own_life(
    environment: Path, tmp_path: Path
) -> None:
    left = left_by(kill_runner, environment, tmp_path / "first")
    shutil.rmtree(tmp_path / "first")
    second = Drill.start(environment, tmp_path / "second")
    output = second.process.communicate(timeout=150)[0]
    assert second.process.returncode == 0, output
    assert f"{left} test keys of " in output
    assert keys_left(environment) == 0
