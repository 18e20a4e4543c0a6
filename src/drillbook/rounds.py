"""Observing and judging as a whole: rounds, each anew, until one is good or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .journal.events import Observed, RoundJudged, RoundsUnsettled
from .model import Criterion, Observation, Outcome, Probe, Shared, Verdict, id_of, judge
from .observations import Key, Want, observe
from .platforms import discovered

if TYPE_CHECKING:
    from .environment import Environment
    from .journal import Journal


@dataclass(frozen=True)
class Case:
    """A criterion as it applies to one system."""

    system: str
    criterion: Criterion[Any]

    def __str__(self) -> str:
        return self.criterion.id

    def __repr__(self) -> str:
        """The same in every process: Allure knows a test again by it. A judge's own would show addresses."""
        return f"{self.system}: {self.criterion.id} by {self.criterion.probe.key}"


Judged = tuple[str, str, str]
"""A system, a criterion's id and its probe's key."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on, and how many good rounds in a row are asked for; seconds throughout."""

    within_s: float = 0.0
    good_rounds: int = 1
    deadline_s: float | None = None
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw."""

    number: int
    seen: Mapping[Key, Observation]
    judged: Mapping[Judged, Verdict] = field(default_factory=dict)
    """Verdicts about readings that had to be masked: only the process that read them could judge them."""


def wants(
    cases: Sequence[Case], environment: Environment, besides: Mapping[str, Sequence[Probe[Any]]] | None = None
) -> list[Want]:
    """Return every reading that is needed now, with what the platforms run now; several criteria share one.

    Args:
        cases: what is judged.
        environment: where.
        besides: probes of a system that no case judges.
    """
    probes = [(case.system, case.criterion.probe) for case in cases]
    probes += [(name, probe) for name, others in (besides or {}).items() for probe in others]
    names = {name for name, _ in probes}
    systems = {name: discovered(replace(environment.systems[name], shared=Shared())) for name in names}
    return [Want(probe, target) for name, probe in probes for target in probe.targets(systems[name])]


def readings_of(case: Case, seen: Mapping[Key, Observation]) -> list[Observation]:
    """Return what a round saw for a case: by what was seen, as the platform may run other instances by now."""
    key, system = case.criterion.probe.key, f"{case.system}/"
    return [one for (probe, target), one in seen.items() if probe == key and target.startswith(system)]


def verdict_of(case: Case, seen: Mapping[Key, Observation], environment: Environment) -> Verdict:
    """Judge one case by a round's observations, in the process that took them."""
    facts, shown = environment.facts[case.system], environment.redactor.shown
    return judge(case.criterion, readings_of(case, seen), facts, shown)


def verdict_in(case: Case, found: Round, environment: Environment) -> Verdict:
    """Judge one case by a round, whoever observed it."""
    return found.judged.get(_judged_key(case)) or verdict_of(case, found.seen, environment)


def _judged_key(case: Case) -> Judged:
    return case.system, case.criterion.id, case.criterion.probe.key


def _of_masked(verdicts: Sequence[tuple[Case, Verdict]], seen: Mapping[Key, Observation]) -> dict[Judged, Verdict]:
    """Return the verdicts that nobody else can come to."""
    return {
        _judged_key(case): verdict for case, verdict in verdicts if any(one.masked for one in readings_of(case, seen))
    }


def until_good(
    cases: Sequence[Case],
    environment: Environment,
    journal: Journal,
    patience: Patience,
    *,
    excused: Callable[[Case, Verdict], bool],
    progress: Callable[[str], None],
    besides: Mapping[str, Sequence[Probe[Any]]] | None = None,
) -> Round:
    """Observe everything, judge, and repeat until enough consistent rounds in a row are good or time is up.

    Every round observes anew, and only the last one counts.

    Args:
        cases: what to judge.
        environment: where.
        journal: gets every observation and one ``round`` record a round.
        patience: how long and how many.
        excused: says which verdicts other than MET do not stop the gate.
        progress: called with one line after each round that was not good enough.
        besides: as for ``wants``.

    Returns:
        The last round.
    """
    began = time.monotonic()
    good_in_a_row = 0
    number = 0
    while True:
        number += 1
        needed = wants(cases, environment, besides)
        left_s = None if patience.deadline_s is None else patience.deadline_s - (time.monotonic() - began)
        seen = observe(
            needed,
            environment.redactor,
            deadline_s=left_s,
            done=lambda one, number=number: journal.write(Observed(number, one.record())),  # type: ignore[misc] # binds the number
        )
        verdicts = [(case, verdict_of(case, seen, environment)) for case in cases]
        open_ones = [one for one in verdicts if one[1].outcome is not Outcome.MET and not excused(*one)]
        good_in_a_row = 0 if open_ones else good_in_a_row + 1
        judged = _of_masked(verdicts, seen)
        journal.write(
            RoundJudged(
                number=number,
                good=not open_ones,
                open=tuple((case.system, verdict.id) for case, verdict in open_ones),
                judged=tuple((*key, verdict) for key, verdict in judged.items()),
            )
        )
        elapsed_s = time.monotonic() - began
        out_of_time = elapsed_s + patience.pause_s > _limit_s(patience)
        settled = good_in_a_row >= patience.good_rounds
        if settled or out_of_time:
            if not (settled or open_ones):
                journal.write(RoundsUnsettled(good_in_a_row, patience.good_rounds))
            return Round(number, seen, judged)
        progress(_progress_line(number, elapsed_s, patience, open_ones, good_in_a_row, len(cases)))
        time.sleep(patience.pause_s)


def _limit_s(patience: Patience) -> float:
    return min(patience.within_s, patience.deadline_s or patience.within_s)


def _progress_line(
    number: int,
    elapsed_s: float,
    patience: Patience,
    open_ones: Sequence[tuple[Case, Verdict]],
    good: int,
    total: int,
) -> str:
    if open_ones:
        case, first = open_ones[0]
        name = id_of(first.id, case.system)
        state = f"{total - len(open_ones)}/{total} MET, first of the rest: {name} ({first.observed})"
    else:
        state = f"all MET, {good} of {patience.good_rounds} good rounds in a row"
    return f"round {number}, {elapsed_s:.0f} s of {patience.within_s:g} s: {state}"
