"""A long walk through the lives of faults: legal and illegal steps, and at any moment something may go wrong.

Each walk has dice of its own; a failure prints their seed and all that happened in that life, and

    DRILLBOOK_WALK_SEED=12345 pytest tests/faults/test_lifecycle_walk.py

walks the same way again.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
from collections import Counter
from itertools import pairwise
from typing import Any, cast

import pytest

from drillbook import polling
from drillbook.faults import Aborted, Injection, Limits, NotRecovered, State, lifecycle

from .walk import (
    DIAGRAM,
    LEGAL_STEPS,
    UNDOING,
    Clock,
    Crash,
    JournalCrash,
    WalkClaim,
    WalkFault,
    WalkJournal,
    WalkWatchdog,
    World,
)

SEED = "DRILLBOOK_WALK_SEED"
LIVES = 5000
MOST_STEPS = 8
"""That a driver tries in one life."""
STEPS = ("inject", "inject", "recover", "clean", "close", "with", "abort", "illegal")


class Life:
    """One injection, driven by the dice.

    Args:
        dice: decide all.
        met: counts what was seen, over all lives.
    """

    def __init__(self, dice: random.Random, met: Counter[str]) -> None:
        self.dice, self.met = dice, met
        self.world = world = World(dice)

        def permit() -> None:
            world.moment("permit")
            world.permitted = True

        self.injection = world.injection = Injection(
            WalkFault(world, bites=dice.random() < 0.9),
            claim=cast("Any", WalkClaim(world)),
            watchdog=WalkWatchdog(world),
            journal=cast("Any", WalkJournal(world)),
            limits=Limits(effect_s=0.2, proof_s=0.2),
            permit=permit,
        )

    def live(self) -> None:
        """Take some steps, then end as a run does where nothing more goes wrong: nothing may be left."""
        for _ in range(self.dice.randint(1, MOST_STEPS)):
            self.take(self.dice.choice(STEPS))
            self.must_hold()
        self.world.log.append("the end")
        self.world.trouble_share = 0.0
        with contextlib.suppress(Aborted):
            self.injection.close()
        self.must_hold()
        assert self.injection.state in {State.CLEANED, State.PREPARED}
        assert not self.world.harm_is_in
        states = self.world.states
        self.met.update(f"{before} > {after}" for before, after in pairwise(states))

    def take(self, step: str) -> None:
        """Take one step, and see that it ends as it may."""
        state = self.injection.state
        if state not in LEGAL_STEPS.get(step, {state}) or (step == "with" and state is not State.PREPARED):
            step = "illegal"
        self.world.log.append(f"{step} when {state}")
        if step == "illegal":
            self.met[f"illegal {self.world.take_an_illegal_step()} when {state}"] += 1
            return
        try:
            self.begin(step)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it is looked at
            self.world.log.append(f"  raised {error!r}")
            self.met[f"{step} raised {type(error).__name__}"] += 1
            self.may_be_raised(step, error)
        else:
            self.may_be_the_end_of(step)

    def begin(self, step: str) -> None:
        if step == "with":
            with self.injection:
                self.world.moment("body")
        elif step == "abort":
            self.world.abort()
        else:
            getattr(self.injection, step)()

    def may_be_the_end_of(self, step: str) -> None:
        """A step that raises nothing has done what it says."""
        ends = {
            "inject": {State.IN_EFFECT},
            "recover": {State.RECOVERED},
            "clean": {State.CLEANED},
            "close": {State.CLEANED, State.PREPARED},
            "with": {State.CLEANED},
        }
        assert self.injection.state in ends.get(step, set(State))
        if step == "inject":
            assert self.injection.evidence[State.IN_EFFECT] == "felt"

    def may_be_raised(self, step: str, error: BaseException) -> None:
        """Whatever was raised, the undo was reached, and no step raises what it does not promise."""
        world = self.world
        if step != "abort" and not world.interrupted_late:
            assert world.undo_was_asked_for or not world.harmed, "the undo was not reached"
        if isinstance(error, KeyboardInterrupt):
            return
        if step in {"recover", "clean"}:
            assert isinstance(error, NotRecovered | JournalCrash)
        if step == "close":
            assert isinstance(error, NotRecovered | Aborted | JournalCrash)
        if step == "inject":
            assert not isinstance(error, NotRecovered), "the trouble of undoing hides why it had to be undone"
            assert not (isinstance(error, Crash) and str(error).startswith(UNDOING))

    def must_hold(self) -> None:
        """What is true between any two steps."""
        world, found = self.world, self.injection
        assert world.violations == []
        assert found.state == world.states[-1], "a state that the journal was not told"
        assert found.active or not world.harm_is_in
        assert world.written or not world.harm_is_in, "harm without a recorded undo"
        if found.state is State.IN_EFFECT:
            assert found.evidence[State.IN_EFFECT]
        if found.state is State.RECOVERED:
            assert world.proven
        if found.state is State.CLEANED and world.harmed:
            assert world.proven, "cleaned without proof"
            assert not world.written


def walk(seed: str, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Live many lives; return what was met. Says how to come back to a life that went wrong."""
    met: Counter[str] = Counter()
    monkeypatch.setattr(polling, "time", Clock())
    for number in range(LIVES):
        life = Life(random.Random(f"{seed} {number}"), met)  # noqa: S311 - a game of chance that can be played again
        monkeypatch.setattr(lifecycle, "INTERRUPTS", life.world.interrupts)
        try:
            life.live()
        except BaseException as error:
            violations = "".join(f"\n  {words}" for words in life.world.violations)
            error.add_note(f"{SEED}={seed}, life {number}:{violations}\n" + "\n".join(life.world.log))
            raise
    return met


def test_whatever_goes_wrong_no_life_of_a_fault_breaks_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = os.environ.get(SEED) or str(secrets.randbelow(10**6))
    met = walk(seed, monkeypatch)
    crossed = {pair for pair in met if " > " in pair}
    assert crossed == {f"{before} > {after}" for before, there in DIAGRAM.items() for after in there}, f"{SEED}={seed}"
    assert sum(met[pair] for pair in crossed) > 3 * LIVES
    resting = ("prepared", "in_effect", "recovered", "broken", "cleaned")
    illegal = {f"illegal {step} when {at}" for step, legal in LEGAL_STEPS.items() for at in resting if at not in legal}
    assert illegal <= set(met), f"{SEED}={seed}"
    assert {f"inject raised {name}" for name in ("DidNotBite", "Aborted", "NotRecorded", "Crash")} <= set(met)


def test_the_same_seed_walks_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.test_lifecycle_walk.LIVES", 50)
    assert walk("7", monkeypatch) == walk("7", monkeypatch)
