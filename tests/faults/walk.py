"""Fakes of all that an injection touches, at which something goes wrong as often as the dice say.

They may raise what their protocols name and what nobody expects, lose their answer after they have acted, lie, and be
there when Ctrl-C, an abort or the watchdog's own undo comes. Each knows what may never happen to it: such things are
noted as violations, since what a fake raises is what the code under test is there to withstand.
"""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drillbook.faults import Blast, IllegalUse, Injection, Interrupts, NotRecovered, State
from drillbook.faults.claims.records import Record
from drillbook.faults.undo import BadUndo, NotUndone, Undo, WatchdogDied
from drillbook.journal.events import Event, FaultMoved
from drillbook.model import CannotObserve
from drillbook.platforms import PlatformRefused

DIAGRAM = {
    "prepared": {"recorded", "broken"},
    "recorded": {"injected", "broken"},
    "injected": {"in_effect", "broken"},
    "in_effect": {"recovering", "broken"},
    "recovering": {"recovered", "broken"},
    "recovered": {"cleaned", "broken"},
    "broken": {"cleaned", "broken"},
    "cleaned": set[str](),
}
"""The lifecycle's drawing once more: a table that is changed there must not change what is expected here."""
LEGAL_STEPS = {"inject": {"prepared"}, "recover": {"in_effect"}, "clean": {"recovered", "broken"}}
"""In which states a driver may take a step."""


class Crash(Exception):
    """What nobody expects; the text says where."""


class JournalCrash(Crash):
    """What tells has crashed; the same everywhere."""


def _blind(where: str) -> Exception:
    return CannotObserve(where, hint="none")


def _denied(where: str) -> Exception:
    return PlatformRefused(where, hint="none")


def _disk(where: str) -> Exception:
    return OSError(28, where)


TROUBLES: dict[str, tuple[Callable[[str], Exception], ...]] = {
    "permit": (_denied, Crash),
    "put": (_disk, _denied, _blind, Crash),
    "arm": (WatchdogDied, Crash),
    "inject": (_denied, _blind, Crash),
    "in_effect": (_blind, _denied, Crash),
    "body": (Crash,),
    "undo": (NotUndone, WatchdogDied, Crash),
    "recovered": (_blind, _denied, BadUndo, Crash),
    "disarm": (NotUndone, WatchdogDied, Crash),
    "remove": (_disk, _denied, _blind, BadUndo, Crash),
    "tell": (JournalCrash,),
}
UNDOING = ("undo", "recovered", "disarm", "remove")
"""Whose troubles must never take the place of what made an injection fail."""


class Clock:
    """Time passes only where somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += max(seconds, 0.001)


class World:
    """What is true of one harm, whatever the code under test believes."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.trouble_share = dice.choice((0.0, 0.02, 0.1, 0.3))
        """How often something goes wrong, in this life."""
        self.interrupts = LateInterrupts(self)
        self.injection: Injection | None = None
        self.violations: list[str] = []
        self.log: list[str] = []
        """All that happened, for who reads a failure."""
        self.states = ["prepared"]
        """As the journal was told."""
        self.fenced: str | None = None
        self.permitted = self.written = self.armed = False
        self.harm_is_in = False
        self.harmed = False
        """Whether the harm was ever done, or begun."""
        self.undo_was_asked_for = False
        """Since the harm."""
        self.proven = False
        """Whether the fault itself has seen that it is over."""
        self.interrupted_late = False
        """Whether a signal came right before it would have been held."""
        self.elsewhere = False
        """Whether this is another thread than the driver's: no signal comes there."""

    def must(self, condition: bool, words: str) -> None:
        """Note a violation unless something holds."""
        if not condition:
            self.violations.append(words)

    def moment(self, where: str) -> None:
        """Let something happen, or nothing."""
        self.log.append(f"    {where}")
        if self.dice.random() >= self.trouble_share:
            return
        what = self.dice.choice(("trouble", "trouble", "signal", "abort", "fence", "illegal step"))
        self.log.append(f"      {what}")
        if what == "trouble":
            raise self.dice.choice(TROUBLES[where.partition(",")[0]])(where)
        if what == "signal":
            self.interrupt()
        elif what == "abort":
            self.abort()
        elif what == "fence":
            self.fenced, self.harm_is_in = self.fenced or "no heartbeat", False
        else:
            self.take_an_illegal_step()

    def interrupt(self) -> None:
        """Let a signal come, to the driver's thread."""
        if not self.elsewhere:
            self.interrupts.arrive()

    def abort(self) -> None:
        """Abort from another thread."""
        if self.injection is None or self.elsewhere:
            return
        active, self.elsewhere = self.injection.active, True
        self.undo_was_asked_for = self.undo_was_asked_for and not active
        try:
            self.injection.abort("enough")
        except (NotRecovered, JournalCrash):  # that thread's to tell
            pass
        except Exception as error:  # noqa: BLE001 - it is noted
            self.violations.append(f"an abort raised {error!r}")
        finally:
            self.elsewhere = False
            self.must(self.undo_was_asked_for or not active, "an abort did not undo")

    def take_an_illegal_step(self) -> str:
        """Try a step that is not legal now: it must raise and change nothing. Return its name."""
        found = self.injection
        assert found is not None
        step = self.dice.choice([name for name, legal in LEGAL_STEPS.items() if found.state not in legal])
        before = self.all_that_could_change(found)
        with contextlib.suppress(IllegalUse):
            getattr(found, step)()
            self.violations.append(f"{step} when {found.state} raised nothing")
        self.must(self.all_that_could_change(found) == before, f"{step} when {found.state} changed something")
        return step

    def all_that_could_change(self, found: Injection) -> list[object]:
        truth = (self.written, self.armed, self.harm_is_in, self.harmed, self.undo_was_asked_for, self.fenced)
        return [found.state, dict(found.evidence), found.active, found.aborted, truth, len(self.log), len(self.states)]


class LateInterrupts(Interrupts):
    """A signal may also come right before it would have been held."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        if not self._world.elsewhere and self._world.dice.random() < self._world.trouble_share / 4:
            self._world.log.append("      signal, late")
            self._world.interrupted_late = True
            self.arrive()
        with super().held():
            yield

    def arrive(self) -> None:
        """Be the handler that Python calls."""
        self._take(signal.SIGINT, None)


@dataclass
class WalkFault:
    """A harm to nothing."""

    world: World
    bites: bool
    name: str = "the harm"
    undo: Undo = Undo("walk", {})  # noqa: RUF009 - frozen, and its data is never written to
    blast: Blast = Blast("config-manager", "api", ("api-1",), 2)  # noqa: RUF009 - frozen

    def inject(self) -> None:
        world, injection = self.world, self.world.injection
        assert injection is not None
        world.must(world.permitted, "harm without a permit")
        world.must(world.written, "harm without a recorded undo")
        world.must(world.armed, "harm that nobody guards")
        world.must(injection.aborted is None, "harm after an abort")
        world.must(injection.state is State.RECORDED, f"harm when {injection.state}")
        world.harmed = True
        world.moment("inject, before")
        world.harm_is_in, world.undo_was_asked_for, world.proven = self.bites, False, False
        world.moment("inject, after")

    def in_effect(self) -> str | None:
        self.world.moment("in_effect")
        return self.world.dice.choice(("felt", "felt", "", None)) if self.world.harm_is_in else None

    def recovered(self) -> str | None:
        self.world.moment("recovered")
        if self.world.harm_is_in or self.world.dice.random() < self.world.trouble_share:
            return self.world.dice.choice(("", None))
        self.world.proven = True
        return "as it was"


@dataclass
class WalkClaim:
    """Where records are written down."""

    world: World
    environment: str = "walk"
    epoch: int = 1

    def put(self, record: Record) -> None:
        del record
        self.world.moment("put, before")
        self.world.written = True
        self.world.moment("put, after")

    def remove(self, record_id: str) -> None:
        del record_id
        _removal(self.world, "remove")


@dataclass
class WalkWatchdog:
    """Who undoes."""

    world: World

    @property
    def fenced(self) -> str | None:
        return self.world.fenced

    def arm(self, record: Record) -> None:
        del record
        self.world.must(self.world.written, "a record was armed that is not written")
        self.world.moment("arm, before")
        self.world.armed = True
        self.world.moment("arm, after")

    def undo(self, record_id: str, *, timeout_s: float) -> str:
        world = self.world
        assert world.injection is not None
        world.must(record_id == world.injection.id and timeout_s > 0, "the undo of something else")
        world.undo_was_asked_for = True
        world.moment("undo, before")
        if world.dice.random() >= world.trouble_share / 2:  # else it lies
            world.harm_is_in = False
        world.moment("undo, after")
        return "undone"

    def disarm(self, record_id: str) -> None:
        del record_id
        _removal(self.world, "disarm")
        self.world.armed = False


def _removal(world: World, where: str) -> None:
    world.must(not world.harm_is_in, "a record was removed while the harm is in")
    world.must(world.proven or not world.harmed, "a record was removed without proof")
    world.moment(f"{where}, before")
    world.written = False
    world.moment(f"{where}, after")


@dataclass
class WalkJournal:
    """Who is told."""

    world: World
    directory: Path = Path("/nowhere")

    def write(self, event: Event) -> None:
        world = self.world
        assert isinstance(event, FaultMoved), event
        state = event.state
        world.log.append(f"    = {state} {event.evidence}")
        if state != "aborted":
            world.must(state in DIAGRAM[world.states[-1]], f"from {world.states[-1]} to {state}")
            world.states.append(state)
        world.moment("tell")
