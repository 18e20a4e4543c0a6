"""One scenario: steady state before, faults through the guard, steady state after, and verdicts on what was seen.

A scenario that saw too little traffic, whose fault did not bite, or whose system was not steady to begin with proves
nothing, and fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .. import clock, timeline
from ..absence import declared_and_seen, seen_all_the_same, witnesses
from ..applicable import absent_among, absent_of, declared, not_about
from ..faults import INTERRUPTS, AbortWatch, Fault, FaultSession, Injection, StopInstance, over
from ..journal.events import ClockStepped, SteadyStateSeen, StepVerified
from ..model import CannotObserve, Criterion, Observation, Outcome, System, Verdict, judge
from ..observations import Want, observe, target_id, value_of
from ..platforms import InstanceState, Lists, Missing, Stopped, discovered, platform_of
from ..polling import TimedOut, wait_until
from ..probes.recorded import Downtime, Recorded, Step, Steps, WriteLosses
from .ends import NotSteady, Refused
from .traffic import Traffic

if TYPE_CHECKING:
    from pathlib import Path

    from ..environment import Environment
    from ..journal import Journal
    from .traffic import TrafficPlan

V = TypeVar("V")

PrepareFaults = Callable[[System], Sequence[Fault]]
"""Looks at a system and returns the faults of a scenario, in the order of injection; changes nothing."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a scenario declares: its system, its faults, its traffic, what steady means, and the rows that it judges."""

    system: str
    faults: PrepareFaults
    traffic: TrafficPlan
    steady: tuple[Criterion[Any], ...]
    holds: tuple[Criterion[Any], ...]
    recovers_within_s: float = 60.0
    objective: str = "*"
    """The name of the objective that it is judged by, in the environment's ``objectives``."""
    disturbs: tuple[str, ...] = ()
    """The components beside the service without which there is nothing to do: where one is absent, it is left out."""
    outage_expected: bool = False
    """Whether clients must fail while the faults are in; the environment's abort condition is then not watched."""


class Scenario:
    """One run of a script. The pytest fixture makes it; a test reads as the story of the fault.

    Args:
        script: what to do.
        name: the test's name; names its readings and its directory.
        environment: where.
        sessions: the places that its faults touch, held for them, by component; the main one's is where clients write.
        journal: the run's record.
        say: shows a line of progress.
    """

    def __init__(
        self,
        script: Script,
        name: str,
        *,
        environment: Environment,
        sessions: Mapping[str, FaultSession],
        journal: Journal,
        say: Callable[[str], None],
    ) -> None:
        self.script = script
        self.name = name
        self.system = environment.systems[script.system]
        self.clients = script.traffic.within(self.system.max_rps).bad_after(self.system.bad_after_ms)
        self.environment = environment
        self._sessions = sessions
        self._journal = journal
        self._say = say
        self.faults = tuple(self._prepared(fault) for fault in script.faults(self.system))
        self._recorded: dict[str, Observation] = {}
        self._readings: list[object] = []
        self._traffic: Traffic | None = None
        self._watches: dict[str, AbortWatch] = {}
        self._steps: list[Step] = []
        self._began = time.monotonic()

    @property
    def rows(self) -> tuple[Criterion[Any], ...]:
        """What is judged here: those rows of the script that speak of this platform."""
        return held_on(self.script, self.system)

    @property
    def directory(self) -> Path:
        """Where this scenario's samples and ledger go."""
        return self._journal.directory / self.name

    @contextmanager
    def under_traffic(self) -> Iterator[Traffic]:
        """See that the system is steady, run clients beside the body, and see that it is steady again afterwards.

        Whatever the body raises, every fault is undone first; the clients end after that.
        """
        namespace = self.system.scratch_namespace
        if namespace is None:
            raise Refused("its clients write, and mutations does not allow that here")
        self._await_steady("before", timeout_s=5.0)
        traffic = Traffic(
            self.system,
            namespace,
            self.clients,
            directory=self.directory,
            journal=self._journal,
            claim=self._for_clients.claim,
            say=self._say,
        )
        with traffic:
            self._traffic = traffic
            try:
                yield traffic
            except BaseException as ending:
                self._undo_everything(ending)
                raise
            else:
                self._undo_everything(None)
            self._await_steady("after", timeout_s=self.script.recovers_within_s)

    def end(self, ending: BaseException | None) -> None:
        """Undo what is still in and end the clients, wherever the story was left; nothing happens when it was told."""
        try:
            self._undo_everything(ending)
        finally:
            if self._traffic is not None:
                self._traffic.give_up()
            self._note_clock_step()

    def inject(self, fault: Injection) -> float:
        """Inject a fault and prove its effect; return when the harm began, on the run's time line."""
        for session in self._sessions.values():
            session.check()
        self._say(f"{self.name}: {fault.fault.name}")
        at = timeline.now()
        self._watch(fault)  # the harm itself may take its time, and clients suffer meanwhile
        fault.inject()
        return at

    def recover(self, fault: Injection) -> None:
        """Undo a fault and prove it. Raises Aborted when it was ended early."""
        self._say(f"{self.name}: undoing {fault.fault.name}")
        self._unwatch(fault)
        if fault.aborted is None:
            fault.recover()
        fault.close()

    def step(self, name: str, do: Callable[[], object], verify: Callable[[], str | None], *, timeout_s: float) -> None:
        """Do one step of a procedure, verify it, and note how long both took together.

        Args:
            name: what the step is called in the journal and by the rows that judge it.
            do: does it.
            verify: returns the evidence, or None while it does not hold yet.
            timeout_s: how long the verification may take.

        Raises:
            NotSteady: it was not verified in time.
        """
        began = time.monotonic()
        do()
        try:
            evidence = wait_until(verify, what=f"step {name}", timeout_s=timeout_s, progress=self._say)
        except TimedOut as error:
            raise NotSteady(str(error)) from None
        step = Step(name, began - self._began, time.monotonic() - self._began, evidence)
        self._steps.append(step)
        self._journal.write(StepVerified(scenario=self.name, **asdict(step)))
        self._say(f"{self.name}: {name} verified after {step.took_s:.1f} s: {evidence}")

    def stop_step(self, name: str, fault: Injection) -> float:
        """Inject a stop as a step; its effect is the verification. Return when it began, on the run's time line."""
        at = timeline.now()
        self.step(name, lambda: self.inject(fault), fault.fault.in_effect, timeout_s=30)
        return at

    def start_step(self, name: str, fault: Injection, *, timeout_s: float) -> None:
        """Undo a stop as a step; the component running again is the verification."""
        self.step(name, lambda: self.recover(fault), fault.fault.recovered, timeout_s=timeout_s)

    def stopped(self, fault: Injection) -> Stopped:
        """Return how the one instance that a stop hit has ended."""
        assert isinstance(fault.fault, StopInstance)
        (only,) = fault.fault.stopped.values()
        return only

    def state_of(self, instance: str) -> InstanceState | None:
        """Return an instance's state by its platform, None when it is listed no more. Raises CannotObserve."""
        lists = platform_of(self.system).can(Lists)  # type: ignore[type-abstract] # a protocol is asked for by its type
        if isinstance(lists, Missing):
            raise CannotObserve(lists.reason, hint="run where the platform can be listed")
        return next((state for state in lists.list_instances() if state.name == instance), None)

    def steps(self) -> Steps:
        """Return the steps that were done."""
        return Steps(tuple(self._steps))

    def record(self, place: Recorded[V], reading: V) -> None:
        """Put a reading into its place; it is journalled, redacted, and judged by ``verdicts``."""
        if isinstance(reading, Downtime | WriteLosses):
            reading = replace(reading, objective=self.script.objective)
        self._readings.append(reading)
        target = place.targets(self.system)[0]
        self._recorded[place.key] = Observation(
            place.key,
            f"{target_id(target)} {self.name}",
            place.source(target),
            clock.now(),
            0.0,
            **value_of(place, reading, self.environment.redactor),
        )

    def verdicts(self) -> list[tuple[Criterion[Any], Verdict, list[Observation]]]:
        """Judge every row that the script holds; what nobody recorded is UNKNOWN."""
        facts = self.environment.facts[self.script.system]
        found = []
        for row in self.rows:
            seen = [self._recorded[row.probe.key]] if row.probe.key in self._recorded else []
            found.append((row, judge(row, seen, facts, self.environment.redactor.shown), seen))
        return found

    def drill_line(self) -> str | None:
        """Return what a drill measured, in one line; None when it recorded neither downtime nor losses."""
        down = next((one for one in self._readings if isinstance(one, Downtime)), None)
        lost = next((one for one in self._readings if isinstance(one, WriteLosses)), None)
        if down is None or lost is None:
            return None
        facts = self.environment.facts[self.script.system]
        rto_s = facts.rto_s(self.script.objective)
        objective = f"objective {rto_s:g}" if rto_s is not None else "no objective"
        rto = f"{down.rto_s:.2f} s ± {down.resolution_s:.2f}" if down.rto_s is not None else "not recovered"
        return f"RTO {rto} ({objective}), {lost.lost} of {lost.acknowledged:,} acknowledged writes lost"

    def _prepared(self, fault: Fault) -> Injection:
        return self._sessions[fault.blast.component].prepare(fault)

    @property
    def _for_clients(self) -> FaultSession:
        """The place that remembers what clients write: the main component's, where that is held."""
        return self._sessions.get(self.system.main) or next(iter(self._sessions.values()))

    def _watch(self, fault: Injection) -> None:
        """Undo the fault within a second when clients suffer more than the environment allows."""
        limits = self.environment.disruption.abort_when
        traffic = self._traffic
        if limits is None or traffic is None or self.script.outage_expected:
            return
        condition = over(
            f"the share of bad requests over {limits.over_s:g} s",
            lambda: traffic.bad_share(over_s=limits.over_s),
            limits.bad_share,
        )
        watch = AbortWatch(fault, condition)
        watch.start()
        self._watches[fault.id] = watch

    def _unwatch(self, fault: Injection) -> None:
        watch = self._watches.pop(fault.id, None)
        if watch is not None:
            watch.stop()

    def _note_clock_step(self) -> None:
        """Say that the wall clock was set: figures do not come from it, times shown and other people's logs do."""
        step_s = timeline.wall_step_s()
        if step_s:
            self._say(f"{self.name}: this machine's clock was set by {step_s:+.1f} s; durations do not come from it")
            self._journal.write(ClockStepped(self.name, round(step_s, 3)))

    def _undo_everything(self, ending: BaseException | None) -> None:
        """Close every injection, whatever one of them raises; signals wait until all were tried.

        Args:
            ending: what ended the story, where something did; one that ends the run is not replaced by our troubles.
        """
        with INTERRUPTS.held():
            tried = [self._close(fault) for fault in reversed(self.faults)]
        troubles = [trouble for trouble in tried if trouble is not None]
        if ending is not None and not isinstance(ending, Exception):
            for trouble in troubles:
                ending.add_note(str(trouble))
        elif troubles:
            raise BaseExceptionGroup("faults that could not be undone in good order", troubles)

    def _close(self, fault: Injection) -> BaseException | None:
        try:
            self._unwatch(fault)
            if fault.active:
                fault.close()
        except BaseException as trouble:  # noqa: BLE001 - the others are tried first
            return trouble
        return None

    def _await_steady(self, when: str, *, timeout_s: float) -> None:
        """Wait until every row of the steady state is MET, and journal it. Raises NotSteady."""
        last: list[Verdict] = []

        def steady() -> bool:
            last[:] = self._look()
            return all(verdict.outcome is Outcome.MET for verdict in last)

        try:
            wait_until(steady, what=f"steady state {when}", timeout_s=timeout_s, every_s=0.2, progress=self._say)
        except TimedOut:
            broken = [f"{one.id}: {one.observed}" for one in last if one.outcome is not Outcome.MET]
            raise NotSteady(f"no steady state {when} the fault within {timeout_s:g} s: {'; '.join(broken)}") from None
        finally:
            self._journal.write(
                SteadyStateSeen(self.system.name, self.name, when, {one.id: one.outcome for one in last})
            )

    def _look(self) -> list[Verdict]:
        rows = tuple(row for row in self.script.steady if not absent_of(row, self.system))
        if not rows:
            raise NotSteady("the script says nothing about a steady state: nothing would be compared")
        shared = self._traffic is not None and self.system.max_rps is not None
        system = discovered(self.system.at_most(self.clients.others_per_s) if shared else self.system)
        wants = [Want(row.probe, target) for row in rows for target in row.probe.targets(system)]
        wants += [Want(probe, target) for probe in witnesses(system) for target in probe.targets(system)]
        seen = observe(wants, self.environment.redactor)
        for component, where in seen_all_the_same(system, seen).items():
            raise NotSteady(declared_and_seen(component, where))
        facts, shown = self.environment.facts[self.script.system], self.environment.redactor.shown
        return [
            judge(row, [seen[Want(row.probe, target).key] for target in row.probe.targets(system)], facts, shown)
            for row in rows
        ]


def held_on(script: Script, system: System) -> tuple[Criterion[Any], ...]:
    """Return the rows of a script that speak of a system as its environment has it."""
    return tuple(row for row in script.holds if not_about(row, system.platform) is None and not absent_of(row, system))


def prepare(script: Script, environment: Environment) -> Sequence[Fault]:
    """Return a script's faults on this environment, changing nothing. Raises Refused with the reason why not."""
    from ..platforms import PlatformRefused  # noqa: PLC0415 - beside its only use

    system = environment.systems[script.system]
    script.traffic.within(system.max_rps)
    try:
        faults = script.faults(system)
    except PlatformRefused as refused:
        raise Refused(f"{refused.reason}; {refused.hint}") from None
    except CannotObserve as broken:
        raise Refused(f"{broken.reason}; {broken.hint}") from None
    for fault in faults:
        if absent := absent_among([fault.blast.component], system):
            raise Refused(f"{fault.name}: {declared(absent)}")
    return faults
