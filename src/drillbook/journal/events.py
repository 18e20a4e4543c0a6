"""What a journal can say: one frozen dataclass a kind of record, each with its version.

A record stands by itself: whoever reads it needs neither the runbooks nor the environment of that day. Whoever changes
what a kind says raises its ``version`` and teaches ``formats`` the one before; a new field with a default is no change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..model import Facts, Observation, Outcome, Severity, Verdict


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a run has done or seen."""

    kind: ClassVar[str]
    """What a record of it is called."""
    version: ClassVar[int] = 1
    """The format in which it is written today."""
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}
    """What reads events accepts no field that they do not declare, nor do their facts and verdicts."""


# -- a run


@dataclass(frozen=True, slots=True)
class RunBegan(Event):
    """The first record: what is judged, by which facts, and who asked."""

    kind = "run"

    environment: str
    platform: str
    systems: tuple[str, ...]
    facts: Mapping[str, Facts]
    """By system."""
    drillbook: str
    """The version that wrote the journal."""
    user: str | None = None
    host: str | None = None
    commit: str | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """The run was settled; where it is settled once more, the last one holds."""

    kind = "end"

    exit_status: int


# -- judging


@dataclass(frozen=True, slots=True)
class Observed(Event):
    """A reading was taken."""

    kind = "observation"
    version = 2

    round: int
    """0 for what a scenario recorded."""
    seen: Mapping[str, Any]
    """``Observation.record()``."""

    def __post_init__(self) -> None:
        _ = self.observation

    @property
    def observation(self) -> Observation:
        """The observation itself. What is none is no event either: ValueError."""
        try:
            return Observation(**self.seen)
        except TypeError as strange:
            raise ValueError(str(strange)) from None


@dataclass(frozen=True, slots=True)
class RoundJudged(Event):
    """A round was observed and judged as a whole."""

    kind = "round"
    version = 2

    number: int
    good: bool
    open: tuple[tuple[str | None, str], ...]
    """System and id of what is not MET and not excused; the first format did not say the system."""
    judged: tuple[tuple[str, str, str, Verdict], ...] = ()
    """System, id, probe and verdict where readings had to be masked: only who read them could judge them."""


@dataclass(frozen=True, slots=True)
class RoundsUnsettled(Event):
    """The good rounds that were asked for never came in a row."""

    kind = "unsettled"

    good_in_a_row: int
    wanted: int


@dataclass(frozen=True, slots=True)
class StatementJudged(Event):
    """A test has judged a statement of a system."""

    kind = "verdict"
    version = 2

    system: str
    id: str
    outcome: Outcome
    expected: str
    observed: str
    source: str
    duration_ms: float
    test: str
    severity: Severity
    round: int
    """The round of the readings; 0 for what a scenario recorded."""
    readings: tuple[tuple[str, str], ...]
    """Probe and target of each."""
    hint: str | None = None
    """For UNKNOWN: what to do so that it can be seen."""
    excuse: str | None = None
    """Why it does not stop the gate, where it does not."""
    statement: str | None = None
    """What the runbook says, in our own words. The first format did not say it, nor the headings."""
    heading: str | None = None
    """Where the runbook says it: ``Runbook > Section``."""
    remedy: str | None = None
    """The id of the runbook's advice."""
    advice: str | None = None
    """The heading of the runbook's advice."""
    by_a_test: bool = True
    """Whether a test judged it; else it is UNKNOWN because it ought to have been judged, and was not."""

    @property
    def verdict(self) -> Verdict:
        """The verdict itself."""
        return Verdict(
            self.id, self.outcome, self.expected, self.observed, self.source, self.duration_ms, hint=self.hint
        )


@dataclass(frozen=True, slots=True)
class StatementsSelected(Event):
    """What the tests that were selected speak of, before the first of them ran: system and id of each statement."""

    kind = "selected"

    statements: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StatementNotJudged(Event):
    """A statement was selected and cannot be judged here."""

    kind = "not-judged"
    version = 2

    system: str | None
    """The first format did not say it."""
    id: str
    reason: str
    statement: str | None = None
    heading: str | None = None


@dataclass(frozen=True, slots=True)
class WaiverExpired(Event):
    """The environment file waives something whose day is over."""

    kind = "expired-waiver"
    version = 2

    system: str | None
    """The first format did not say it."""
    id: str
    owner: str
    expires: dt.date
    reason: str


# -- scenarios


@dataclass(frozen=True, slots=True)
class ScenarioRefused(Event):
    """A selected scenario or load may not, or cannot, run here."""

    kind = "refused"

    test: str
    reason: str


@dataclass(frozen=True, slots=True)
class SteadyStateSeen(Event):
    """A scenario has looked whether its system is steady."""

    kind = "steady"
    version = 2

    system: str | None
    """The first format did not say it."""
    scenario: str
    when: str
    """``before`` or ``after``."""
    verdicts: Mapping[str, Outcome]
    """By id."""


@dataclass(frozen=True, slots=True)
class StepVerified(Event):
    """A step of a procedure was done and verified."""

    kind = "step"

    scenario: str
    name: str
    began_s: float
    ended_s: float
    evidence: str


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """This machine's wall clock was set while a scenario ran."""

    kind = "clock-step"

    scenario: str
    step_s: float


@dataclass(frozen=True, slots=True)
class TrafficMeasured(Event):
    """What the clients beside a fault have met."""

    kind = "traffic"

    total: int
    good: int
    bad: Mapping[str, int]
    """By what was wrong."""
    slips: int
    worst_slip_ms: float
    offered_rps: float
    achieved_rps: float
    unknown_because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnKeysDeleted(Event):
    """A run has deleted what its own clients wrote."""

    kind = "traffic-cleanup"

    deleted: int
    left: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OthersKeysDeleted(Event):
    """A run has deleted what the clients of one that is gone had left."""

    kind = "left-keys"

    system: str
    namespace: str
    run: str
    deleted: int
    left: int
    why: str


@dataclass(frozen=True, slots=True)
class DrillMeasured(Event):
    """What a drill's stopwatch says."""

    kind = "drill"

    test: str
    line: str


# -- faults


@dataclass(frozen=True, slots=True)
class FaultMoved(Event):
    """A fault has come to a state of its life."""

    kind = "fault"

    id: str
    name: str
    state: str
    evidence: str
    instances: tuple[str, ...]
    of_total: int
    system: str | None = None
    """Whose instances they are; None in what was written before it was said."""


@dataclass(frozen=True, slots=True)
class UndoTold(Event):
    """An undo was armed, done, or could not be done."""

    kind = "undo"

    id: str
    fault: str
    outcome: str
    """``armed``, ``undone`` or ``failed``."""
    by: int
    """The process that says it."""
    cause: str | None = None
    evidence: str | None = None
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class WatchdogTold(Event):
    """What became of a watchdog."""

    kind = "watchdog"

    state: str
    """``died``, ``succeeded``, ``fenced`` or ``ended``."""
    cause: str | None = None
    pid: int | None = None
    """The successor."""
    left: tuple[str, ...] | None = None
    """What it could not undo."""
    by: int | None = None
    """The process that says it."""


@dataclass(frozen=True, slots=True)
class FaultLeftBehind(Event):
    """A fault of this run may still be in."""

    kind = "left-behind"

    environment: str | None = None


@dataclass(frozen=True, slots=True)
class RunUnguarded(Event):
    """For a time nobody would have undone this run's faults."""

    kind = "unguarded"

    reason: str


EVENTS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        *(RunBegan, RunEnded, Observed, RoundJudged, RoundsUnsettled),
        *(StatementsSelected, StatementJudged, StatementNotJudged, WaiverExpired),
        *(ScenarioRefused, SteadyStateSeen, StepVerified, ClockStepped),
        *(TrafficMeasured, OwnKeysDeleted, OthersKeysDeleted, DrillMeasured),
        *(FaultMoved, UndoTold, WatchdogTold, FaultLeftBehind, RunUnguarded),
    )
}
"""Every kind of record."""
