"""Observing: once each, concurrently, never held up by one that does not answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from drillbook import pace
from drillbook.accepts import rule
from drillbook.journal import Journal, read
from drillbook.journal.events import Observed
from drillbook.model import CannotObserve, Criterion, Facts, Finding, Outcome, Place, Secret, System, Target, judge
from drillbook.observations import Want, observe
from drillbook.probes.base import ReadingProbe
from drillbook.redaction import Redactor

SYSTEM = System("s", Place("process"))


@dataclass(frozen=True, slots=True)
class Number:
    value: int
    note: str = ""


@dataclass(frozen=True)
class Counting(ReadingProbe[Number]):
    """Counts how often it was asked."""

    name: str
    asked: list[int] = field(default_factory=list, compare=False, repr=False)
    reading: ClassVar[type[Number]] = Number

    def targets(self, system: System) -> tuple[Target, ...]:
        return (Target(system, "a"), Target(system, "b"))

    def source(self, target: Target) -> str:
        return f"count {target.name}"

    def observe(self, target: Target) -> Number:
        self.asked.append(1)
        if self.name == "crash":
            raise RuntimeError("boom hunter22")
        if self.name == "blind":
            raise CannotObserve("login hunter22 refused", hint="log in")
        return Number(len(self.asked), "saw hunter22")


@dataclass(frozen=True)
class Slowed(Counting):
    """Waits for a turn by our own ``max_rps`` longer than its own limit."""

    timeout_s: ClassVar[float] = 0.2

    def observe(self, target: Target) -> Number:
        for _ in range(3):
            pace.await_turn("slowed", 4)
        return Number(1)


@dataclass(frozen=True)
class Stuck(Counting):
    """Never answers."""

    timeout_s: ClassVar[float] = 0.2
    release: ClassVar[threading.Event] = threading.Event()

    def observe(self, target: Target) -> Number:
        self.release.wait(20)
        return Number(0)


@dataclass(frozen=True)
class Meeting(Counting):
    """Answers when all have come: readings of one host travel together."""

    together: ClassVar[bool] = True
    all_here: ClassVar[threading.Barrier] = threading.Barrier(100)

    def targets(self, system: System) -> tuple[Target, ...]:
        return (Target(system, "host"),)

    def observe(self, target: Target) -> Number:
        self.all_here.wait(20)
        return Number(1)


def wants(probe: Counting) -> list[Want]:
    return [Want(probe, target) for target in probe.targets(SYSTEM)]


def test_each_reading_is_taken_once_however_often_it_is_wanted() -> None:
    probe = Counting("x")
    assert len(observe(wants(probe) * 3, Redactor())) == 2
    assert len(probe.asked) == 2


@pytest.mark.parametrize(("name", "said"), [("crash", "the probe broke"), ("blind", "login *** refused")])
def test_a_broken_eye_is_an_error_without_secrets(name: str, said: str) -> None:
    seen = observe(wants(Counting(name)), Redactor([Secret("hunter22", "env:X")]))
    for observation in seen.values():
        assert observation.value is None
        assert said in str(observation.error)
        assert "hunter22" not in str(observation)


def test_readings_are_redacted() -> None:
    seen = observe(wants(Counting("x")), Redactor([Secret("hunter22", "env:X")]))
    assert all("hunter22" not in str(observation) for observation in seen.values())


def test_what_travels_together_waits_for_nobodys_turn() -> None:
    seen = observe([want for number in range(100) for want in wants(Meeting(str(number)))], Redactor())
    assert [one.error for one in seen.values()] == [None] * 100


def test_a_probe_that_does_not_answer_becomes_an_error_and_holds_up_nobody() -> None:
    try:
        seen = observe([*wants(Stuck("stuck")), *wants(Counting("x"))], Redactor())
    finally:
        Stuck.release.set()
    errors = {key[1]: one.error for key, one in seen.items() if "Stuck" in key[0]}
    assert errors == {"s/a": "no answer within 0.2 s", "s/b": "no answer within 0.2 s"}
    assert sum(one.error is None for one in seen.values()) == 2


def test_the_wait_for_our_own_rate_does_not_make_a_reading_late() -> None:
    seen = observe(wants(Slowed("x")), Redactor())
    assert [one.error for one in seen.values()] == [None, None]


def test_the_deadline_bounds_the_whole() -> None:
    Stuck.release.clear()
    try:
        seen = observe(wants(Stuck("late")), Redactor(), deadline_s=0.05)
    finally:
        Stuck.release.set()
    assert all("the deadline of the run" in str(one.error) for one in seen.values())


def test_a_reading_survives_the_journal(tmp_path: Path) -> None:
    probe = Counting("x")
    journal = Journal(tmp_path, Redactor())
    for one in observe(wants(probe), Redactor()).values():
        journal.write(Observed(1, one.record()))
    saved = [record.data["seen"]["value"] for record in read(tmp_path)]
    assert sorted(probe.decode(value).value for value in saved) == [1, 2]


def test_a_crash_in_a_judge_is_unknown() -> None:
    def broken(_reading: Number) -> Finding:
        raise ZeroDivisionError

    criterion = Criterion("a.b.c", Counting("x"), rule("x", broken))
    seen = observe(wants(Counting("x")), Redactor())
    assert judge(criterion, list(seen.values()), Facts("process", None, 1.0)).outcome is Outcome.UNKNOWN
