"""Scenarios in pytest: declared by a decorator, refused before anything is touched, judged when their story is told."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from ..drill.ends import Refused
from ..journal.events import (
    DrillMeasured,
    FaultLeftBehind,
    Observed,
    OthersKeysDeleted,
    RunUnguarded,
    ScenarioRefused,
)
from ..model import Outcome
from .selection import script_of, sends_load, system_of
from .verdicts import NotMet, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from ..drill.scenario import Scenario, Script
    from ..environment import Environment
    from ..faults import FaultSession, Injection, Interrupts, Spot
    from ..journal.events import Event
    from .gate import Gate

SCENARIOS = pytest.StashKey["Scenarios"]()
_OTHERS_S = 10.0
"""For deleting the test keys of one run before."""
_STORY = pytest.StashKey["Scenario"]()


def scenario_test(script: Script) -> Callable[..., Any]:
    """Declare a test as a scenario that follows this script; it takes the ``scenario`` fixture."""
    return pytest.mark.scenario(script)


class Scenarios:
    """Opens a place for faults when the first scenario there needs it, and judges what each one recorded."""

    def __init__(self, config: pytest.Config, gate: Gate) -> None:
        self._config = config
        self._gate = gate
        self._sessions: dict[tuple[str, ...], FaultSession] = {}
        """One for each place that was needed so far, by the names of the systems there."""
        self._injections: list[Injection] = []
        """Those of all sessions: the blast radius is the run's."""
        self._interrupts: Interrupts | None = None
        self._plan_status: int | None = None
        gate.ask_for_load = self._hold_for_load

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """With --plan, show what would be done and run nothing."""
        if not self._gate.options.plan or self._config.option.collectonly:
            if any(script_of(item) for item in session.items) and self._gate.worker is None:
                from ..faults import INTERRUPTS  # noqa: PLC0415 - only scenarios pay for it

                self._interrupts = INTERRUPTS
                self._interrupts.install()
            return None
        from .plan import show  # noqa: PLC0415 - only with --plan

        self._plan_status = show(self._gate, session.items)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Refuse what needs load where none may be sent: none was."""
        reason = self._gate.load_refused.get(system_of(item) or "") if sends_load(item) else None
        if reason is not None:
            self._note_refused(item, reason)
            raise Refused(reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Judge a scenario as soon as its story is told; wherever it was left, it ends with everything undone."""
        story = item.stash.get(_STORY, None)
        try:
            yield
        except BaseException as ending:
            if story is not None:
                story.end(ending)
                self.note_if_refused(item, ending)
            raise
        if story is not None:
            story.end(None)
            self._judge(item, story)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let go of every place before the summary is written; what is left behind fails the run."""
        if self._plan_status is not None:
            session.exitstatus = self._plan_status
        if not self._sessions:
            return
        if self._interrupts is not None:
            self._interrupts.close()
        while self._sessions:
            self._let_go(self._sessions.popitem()[1])
        if self._interrupts is not None and (more := self._interrupts.noted[1:]):
            self._say(f"{', '.join(more)} came while the run was ending: undoing went on")

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Give the signals back."""
        if self._interrupts is not None:
            self._interrupts.restore()

    def _let_go(self, held: FaultSession) -> None:
        """Let the watchdog finish; say what is left behind, and what nobody guarded."""
        clean = held.close()
        name = self._gate.options.environment
        if not clean:
            self._tell(FaultLeftBehind(name))
            self._say(f"a fault may be left behind: run drillbook recover --env {name}")
        if held.unguarded:
            self._tell(RunUnguarded(held.unguarded))
            self._say(f"for a time nobody would have undone this run's faults: {held.unguarded}")

    def _tell(self, event: Event) -> None:
        if self._gate.journal is not None:
            self._gate.journal.write(event)

    def _say(self, text: str) -> None:
        """Show a line; a terminal that is gone, or a full disk behind it, stops nothing."""
        with contextlib.suppress(OSError, ValueError):
            self._gate.say(text)

    def tell(self, item: pytest.Item) -> Scenario:
        """Return the scenario of a test, the environment held for it. Raises Refused."""
        from ..drill.scenario import Scenario  # noqa: PLC0415 - only scenarios pay for it

        gate = self._gate
        script = script_of(item)
        assert script is not None
        assert gate.environment is not None
        assert gate.journal is not None
        try:
            sessions = self._open_for(script)
        except Refused as refused:
            self._note_refused(item, str(refused))
            raise
        story = Scenario(
            script,
            item.name,
            environment=gate.environment,
            sessions=sessions,
            journal=gate.journal,
            say=self._say,
        )
        item.stash[_STORY] = story
        return story

    def note_if_refused(self, item: pytest.Item, ending: BaseException) -> None:
        """Note a refusal in the middle of a story (another run has harm in by now): it is no failure of the system."""
        from ..faults import NotPermitted  # noqa: PLC0415 - only scenarios pay for it

        if isinstance(ending, NotPermitted):
            self._note_refused(item, str(ending))

    def _note_refused(self, item: pytest.Item, reason: str) -> None:
        self._tell(ScenarioRefused(item.nodeid, reason))
        item.user_properties.append(("verdict", "refused"))

    def _hold_for_load(self, systems: Iterable[str]) -> dict[str, str]:
        """Hold the places of systems for load, as for faults; return why one may not be had, by system."""
        self._gate.find_instances()
        reasons = {system: self._load_refused(system) for system in systems}
        return {system: reason for system, reason in reasons.items() if reason is not None}

    def _load_refused(self, name: str) -> str | None:
        from ..faults import permit_load, spot_of  # noqa: PLC0415 - only load and scenarios pay for it

        environment, options = self._gate.environment, self._gate.options
        assert environment is not None
        try:
            session = self._open(environment, spot_of(environment.systems[name]))
        except Refused as refused:
            return str(refused)
        refusal = permit_load(environment, options.disrupt, environment.systems[name], claim=session.claim)
        return None if refusal is None else refusal.reason

    def _open_for(self, script: Script) -> dict[str, FaultSession]:
        """Return the places that a script's faults touch, held for them, by component. Raises Refused.

        Nothing is held where one of its faults is not allowed, beyond what other scenarios of the run hold already.
        """
        from ..drill.scenario import prepare  # noqa: PLC0415 - only scenarios pay for it
        from ..faults import not_asked_for, permit_each, spot_of  # noqa: PLC0415 - as above

        self._gate.find_instances()
        environment, options = self._gate.environment, self._gate.options
        assert environment is not None
        system = environment.systems[script.system]
        if system.scratch_namespace is None:
            raise Refused("its clients write, and mutations does not allow that here")
        refusal = not_asked_for(environment, options.disrupt)
        if refusal is not None:
            raise Refused(refusal.reason)
        faults = prepare(script, environment)
        touched = dict.fromkeys(fault.blast.component for fault in faults) or {system.main: None}
        sessions = {component: self._open(environment, spot_of(system, component)) for component in touched}
        refusals = permit_each(
            environment,
            options.disrupt,
            [fault.blast for fault in faults],
            active=next(iter(sessions.values())).blasts_in,
            claim_of=lambda blast: sessions[blast.component].claim,
        )
        for fault, refused in zip(faults, refusals, strict=True):
            if refused is not None:
                raise Refused(f"{fault.name}: {refused.reason}")
        return sessions

    def _open(self, environment: Environment, spot: Spot) -> FaultSession:
        """Open a place for faults, once. Raises Refused."""
        from ..faults import FaultSession, Refusal  # noqa: PLC0415 - only scenarios pay for it

        for names, session in self._sessions.items():
            if spot.name in names:
                return session
            if session.watchdog.fenced:  # who was told to stop at one place does no harm at another
                raise Refused(f"this run was ended early at another place: {session.watchdog.fenced}")
        assert self._gate.journal is not None
        opened = FaultSession.open(
            environment,
            self._gate.options.disrupt,
            spot,
            journal=self._gate.journal,
            injections=self._injections,
        )
        if isinstance(opened, Refusal):
            raise Refused(opened.reason)
        self._sessions[opened.claim.systems] = opened
        self._clean_up_after_others(environment, opened)
        return opened

    def _clean_up_after_others(self, environment: Environment, session: FaultSession) -> None:
        """Delete the test keys of runs that are gone; what cannot be deleted is said, and stops nothing."""
        from ..drill.clean import clean_up_after  # noqa: PLC0415 - only load and scenarios pay for it
        from ..model import CannotObserve  # noqa: PLC0415 - as above
        from ..platforms import PlatformRefused  # noqa: PLC0415 - as above

        try:
            rows = clean_up_after(session.claim, environment.systems.values(), budget_s=_OTHERS_S, say=self._say)
        except (CannotObserve, PlatformRefused) as error:
            self._say(f"test keys of runs before may be left: {error.reason}; {error.hint}")
            return
        for row in rows:
            self._tell(OthersKeysDeleted(**asdict(row)))
            self._say(row.words())

    def _judge(self, item: pytest.Item, story: Scenario) -> None:
        """Journal a verdict for every row; raise for the worst of those that nothing excuses."""
        assert self._gate.journal is not None
        open_ones = []
        for row, verdict, readings in story.verdicts():
            for one in readings:
                self._gate.journal.write(Observed(0, one.record()))
            excuse = self._gate.settle(row, verdict, item, story.script.system, readings, 0)
            if verdict.outcome is not Outcome.MET and excuse is None:
                open_ones.append(verdict)
        if item.get_closest_marker("drill") and (line := story.drill_line()):
            self._tell(DrillMeasured(item.nodeid, line))
        if not open_ones:
            return
        worst = min(open_ones, key=lambda one: one.outcome is not Outcome.NOT_MET)
        item.user_properties.append(("verdict", worst.outcome.value))
        told = "; ".join(f"{one.id}: expected {one.expected}; observed {one.observed}" for one in open_ones)
        raise NotMet(told) if worst.outcome is Outcome.NOT_MET else Unknown(told)


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """The scenario that the test declares, in an environment that is held for it and allows its faults."""
    return request.config.stash[SCENARIOS].tell(request.node)


__all__ = ["Scenarios", "scenario", "scenario_test"]
