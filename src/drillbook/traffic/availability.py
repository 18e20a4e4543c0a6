"""What samples say about a service: pure calculations, nothing read and nothing sent."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from ..model import CannotObserve
from .histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TOLERANCE_S = 1e-6
_WRITTEN_S = 0.25
"""How long an end may take to be known here."""
_SERVER_ERROR, _THROTTLED, _SUCCESS = 500, 429, range(200, 300)
SLOW = "slow"


class Answered(StrEnum):
    """The class of a sample, before its latency is looked at."""

    OK = "ok"
    REFUSED = "refused"
    UNREACHED = "unreached"
    RESET = "reset"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server_error"
    THROTTLED = "throttled"
    """Status 429: the service turned us away, which says nothing about its users."""
    UNEXPECTED = "unexpected"
    """Any other status that is not 2xx: what a user would have got is not this."""
    CUT = "cut"
    """Still in flight when sampling ended."""


class Quality(Enum):
    """What a sample says: the service was good, was bad, or nothing."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Sample:
    """One request, dated by its intended start."""

    number: int
    at: float
    """Intended start, in seconds since 1970."""
    late_ms: float
    """How much later than intended it was started: our own delay."""
    latency_ms: float
    """From the intended start to the whole answer."""
    answered: Answered
    status: int | None = None
    url: int | None = None
    """The place of the address in the service's list that it ended at."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as bad, and as over."""

    rate_per_s: float
    bad_after_ms: float
    sustained_s: float = 1.0

    @property
    def interval_s(self) -> float:
        """The time between two intended starts, in seconds."""
        return 1 / self.rate_per_s


@dataclass(frozen=True, slots=True)
class Outage:
    """From the first bad intended start to the first good one of a run that stayed good for ``sustained_s``."""

    begin: float
    """Seconds since 1970."""
    end: float | None
    """Seconds since 1970; None when it had not ended for certain by the last sample."""
    seconds: float
    """Up to the last sample where the end is None."""
    bad: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long users waited after a fault."""

    rto_s: float
    """From the fault to the start of sustained good; 0 when no bad sample followed."""
    resolution_s: float
    recovered_at: float
    """Seconds since 1970."""
    first_bad_at: float | None
    bad: int


@dataclass(frozen=True, slots=True)
class NotRecovered:
    """The service was not good for ``sustained_s`` by the last sample, or nobody looked for that long."""

    reason: str
    first_bad_at: float | None
    last_bad_at: float | None


@dataclass(frozen=True, slots=True)
class Availability:
    """What the samples of one run say. Every duration is in seconds and true to within ``resolution_s``."""

    total: int
    good: int
    bad: Mapping[str, int]
    """Bad samples by class: those of ``Answered``, and ``slow``."""
    throttled: int
    undecided: int
    """In flight when sampling ended and not yet late: neither good nor bad, and not in ``total``."""
    slips: int
    """Starts more than one interval later than intended."""
    worst_slip_ms: float
    offered_rps: float
    achieved_rps: float
    outages: tuple[Outage, ...]
    resolution_s: float
    """One interval, plus ``bad_after_ms`` (a request that began inside an outage and was answered in time after it
    counts as good), plus the worst slip."""
    unknown_because: tuple[str, ...]
    """Why these figures cannot be relied on; empty when they can."""
    at_most: bool
    """Whether outages and bad samples are in truth at most these: where all that is wrong is that we were late."""
    rules: Rules
    samples: tuple[Sample, ...]

    @property
    def bad_total(self) -> int:
        """The number of bad samples."""
        return sum(self.bad.values())

    def bad_in_words(self) -> str:
        """Say what the bad samples were: slow, refused, 5xx and so on, with median and maximum of their times."""
        if not self.bad_total:
            return ""
        kinds = ", ".join(f"{count} {self._bad_kind(name)}" for name, count in self.bad.items() if count)
        bad = (one.latency_ms for one in self.samples if quality(one, self.rules) is Quality.BAD)
        times_ms = sorted(bad)
        if not times_ms:
            return kinds
        return f"{kinds}; median {statistics.median(times_ms):.0f} ms, maximum {times_ms[-1]:.0f} ms"

    def _bad_kind(self, name: str) -> str:
        words: dict[str, str] = {Answered.SERVER_ERROR: "5xx", SLOW: f"slower than {self.rules.bad_after_ms:g} ms"}
        return words.get(name, name.replace("_", " "))

    @property
    def known(self) -> bool:
        """Whether the figures can be relied on."""
        return not self.unknown_because

    @property
    def good_share(self) -> float:
        """Good samples as a share of all that were decided, 0 to 1."""
        decided = self.good + self.bad_total
        return self.good / decided if decided else 0.0

    @property
    def longest_outage_s(self) -> float:
        """The length of the longest outage in seconds, 0 without one."""
        return max((outage.seconds for outage in self.outages), default=0.0)

    @property
    def downtime_s(self) -> float:
        """All outages together, in seconds."""
        return sum(outage.seconds for outage in self.outages)

    def latencies(self) -> Histogram:
        """Return the latencies of all answered samples, from intended start."""
        return Histogram(sample.latency_ms for sample in self.samples if sample.status is not None)

    def good_before(self, t_fault: float, window_s: float) -> int:
        """Count the good samples in the ``window_s`` before a fault: under a floor, the run shows nothing."""
        found = between(self.samples, t_fault - window_s, t_fault)
        return sum(quality(sample, self.rules) is Quality.GOOD for sample in found)

    def recovery_after(self, t_fault: float, *, until: float | None = None) -> Recovery | NotRecovered:
        """Say when the service was good again, and stayed so to the end of what is looked at.

        Good time between two outages ends neither: a fault may bite late, and a service that falls over again has not
        recovered.

        Args:
            t_fault: the instant of the fault, in seconds since 1970 by the runner's clock.
            until: look no further than this, in seconds since 1970 (the next fault of a run with several).
        """
        window = between(self.samples, t_fault, until)
        bad = [sample for sample in window if quality(sample, self.rules) is Quality.BAD]
        first = bad[0].at if bad else None
        last = bad[-1].at if bad else None
        good_from = _tail_of_good(window, self.rules)
        if not window or good_from is None:
            return NotRecovered("no good samples at the end", first, last)
        begin = window[good_from].at if good_from else t_fault
        stayed_s = window[-1].at - window[good_from].at
        if stayed_s < self.rules.sustained_s - _TOLERANCE_S:
            reason = f"good for {stayed_s:.2f} s at the end, {self.rules.sustained_s:g} s are needed"
            return NotRecovered(reason, first, last)
        return Recovery(begin - t_fault, self.resolution_s, begin, first, len(bad))


def classify(kind: str, status: int | None) -> Answered:
    """Return the class of a request that ended as ``kind``, with this status if it was answered."""
    if status is None:
        return Answered(kind)
    if status in _SUCCESS:
        return Answered.OK
    if status == _THROTTLED:
        return Answered.THROTTLED
    return Answered.SERVER_ERROR if status >= _SERVER_ERROR else Answered.UNEXPECTED


def quality(sample: Sample, rules: Rules) -> Quality:
    """Say what a sample says."""
    if sample.answered is Answered.THROTTLED:
        return Quality.UNSURE
    if sample.answered in (Answered.OK, Answered.CUT):
        if sample.latency_ms > rules.bad_after_ms:
            return Quality.BAD
        return Quality.GOOD if sample.answered is Answered.OK else Quality.UNSURE
    return Quality.BAD


def settled(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return the samples in the order of their intended starts, up to the first that is still in flight.

    During a freeze nothing finishes: without this, the last thing seen would be a good sample from before it.
    """
    found: list[Sample] = []
    for number, sample in enumerate(sorted(samples, key=lambda sample: sample.number)):
        if sample.number != number:
            break
        found.append(sample)
    return tuple(found)


def bad_share(samples: Sequence[Sample], rules: Rules, *, now: float, over_s: float) -> float | None:
    """Return the share of bad starts among those due in the last seconds; None before any was due.

    A start that is older than ``bad_after_ms`` and has no end yet is bad: while everything hangs nothing finishes.

    Args:
        samples: in any order, those that have finished.
        rules: what is bad, and how often starts are due.
        now: seconds since the epoch, as the samples are dated.
        over_s: how far to look back.
    """
    if not samples:
        return None
    first = min(samples, key=lambda sample: sample.number)
    begin = first.at - first.number * rules.interval_s
    newest = math.floor((now - rules.bad_after_ms / 1000 - _WRITTEN_S - begin) / rules.interval_s)
    oldest = max(0, min(newest, math.ceil((now - over_s - begin) / rules.interval_s)))
    if newest < 0:
        return None
    ended = {sample.number: sample for sample in samples if oldest <= sample.number <= newest}
    good = sum(quality(sample, rules) is Quality.GOOD for sample in ended.values())
    return 1 - good / (newest - oldest + 1)


def between(samples: Sequence[Sample], begin: float, end: float | None) -> Sequence[Sample]:
    """Return those of the samples, which are in order, that have ``begin`` <= intended start < ``end``."""
    low = bisect_left(samples, begin, key=lambda sample: sample.at)
    high = len(samples) if end is None else bisect_left(samples, end, key=lambda sample: sample.at)
    return samples[low:high]


def measure(samples: Iterable[Sample], rules: Rules) -> Availability:
    """Compute the figures. Raises CannotObserve when there is not one settled sample: silence is not availability."""
    whole = settled(samples)
    seen = tuple(sample for sample in whole if not _undecided(sample, rules))
    if not seen:
        raise CannotObserve("no sample has finished", hint="sample for longer, and before the fault")
    slips = [sample for sample in seen if _slipped(sample, rules)]
    worst_slip_ms = max((sample.late_ms for sample in slips), default=0.0)
    qualities = Counter(quality(sample, rules) for sample in seen)
    throttled = qualities[Quality.UNSURE]
    outages = tuple(_outages(seen, rules))
    doubts = tuple(_doubts(seen, throttled))
    late = tuple(_late_ourselves(seen, outages, rules))
    return Availability(
        total=len(seen),
        good=qualities[Quality.GOOD],
        bad=_bad_by_class(seen, rules),
        throttled=throttled,
        undecided=len(whole) - len(seen),
        slips=len(slips),
        worst_slip_ms=worst_slip_ms,
        offered_rps=rules.rate_per_s,
        achieved_rps=_achieved_rps(seen, rules),
        outages=outages,
        resolution_s=rules.interval_s + (rules.bad_after_ms + worst_slip_ms) / 1000,
        unknown_because=(*doubts, *late),
        at_most=not doubts,
        rules=rules,
        samples=seen,
    )


def _undecided(sample: Sample, rules: Rules) -> bool:
    return sample.answered is Answered.CUT and quality(sample, rules) is Quality.UNSURE


def _slipped(sample: Sample, rules: Rules) -> bool:
    return sample.late_ms > rules.interval_s * 1000


def _bad_by_class(samples: Iterable[Sample], rules: Rules) -> dict[str, int]:
    late_only = (Answered.OK, Answered.CUT)
    return dict(
        Counter(
            SLOW if sample.answered in late_only else str(sample.answered)
            for sample in samples
            if quality(sample, rules) is Quality.BAD
        )
    )


def _achieved_rps(samples: Sequence[Sample], rules: Rules) -> float:
    """Return the starts a second that were really made, over at least one interval."""
    starts = [sample.at + sample.late_ms / 1000 for sample in samples]
    return len(starts) / (max(starts) - min(starts) + rules.interval_s)


def _outages(samples: Sequence[Sample], rules: Rules) -> Iterable[Outage]:
    begin: float | None = None
    good_from: float | None = None
    bad = 0
    for sample in samples:
        found = quality(sample, rules)
        if found is Quality.BAD:
            begin = sample.at if begin is None else begin
            bad += 1
        if begin is None:
            continue
        if found is not Quality.GOOD:
            good_from = None
            continue
        good_from = sample.at if good_from is None else good_from
        if sample.at - good_from >= rules.sustained_s - _TOLERANCE_S:
            yield Outage(begin, good_from, good_from - begin, bad)
            begin, good_from, bad = None, None, 0
    if begin is not None:
        yield Outage(begin, None, samples[-1].at - begin + rules.interval_s, bad)


def _tail_of_good(samples: Sequence[Sample], rules: Rules) -> int | None:
    """Return where the unbroken run of good samples at the end begins; None without one."""
    begin = None
    for index in range(len(samples) - 1, -1, -1):
        if quality(samples[index], rules) is not Quality.GOOD:
            break
        begin = index
    return begin


def _doubts(samples: Sequence[Sample], throttled: int) -> Iterable[str]:
    if throttled:
        yield f"{throttled} samples were throttled (429): sample at a lower rate or raise the limit for this client"
    if all(sample.answered is Answered.UNEXPECTED for sample in samples):
        yield f"every answer was {samples[0].status}: the sampler asks for the wrong path or has no rights"


def _late_ourselves(samples: Sequence[Sample], outages: Sequence[Outage], rules: Rules) -> Iterable[str]:
    still = _merged([(sample.at, sample.at + sample.late_ms / 1000) for sample in samples if _slipped(sample, rules)])
    own = sum(_is_our_own(outage, samples, still, rules) for outage in outages) if still else 0
    if own:
        yield f"{own} of the outages came about only because this machine was late itself: give the runner more CPU"


def _is_our_own(outage: Outage, samples: Sequence[Sample], still: Sequence[tuple[float, float]], rules: Rules) -> bool:
    """Say whether no sample of an outage would have been bad, had this process not stood still while it ran.

    Where at least one would have been, our delay moved the outage's ends by no more than the worst slip, which is in
    the resolution.
    """
    return all(
        _is_bad_by_us(sample, _overlap_s(sample, still) * 1000, rules)
        for sample in between(samples, outage.begin, outage.end)
        if quality(sample, rules) is Quality.BAD
    )


def _is_bad_by_us(sample: Sample, still_ms: float, rules: Rules) -> bool:
    """Say whether a sample is bad by time alone, and only by the time in which we stood still.

    A connection that was on its way meanwhile ends as unreached; without a standstill that is never ours.
    """
    by_time = (Answered.OK, Answered.CUT, Answered.TIMEOUT, *([Answered.UNREACHED] if still_ms else []))
    return sample.answered in by_time and sample.latency_ms - still_ms <= rules.bad_after_ms


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _overlap_s(sample: Sample, spans: Sequence[tuple[float, float]]) -> float:
    end = sample.at + sample.latency_ms / 1000
    return sum(max(0.0, min(end, last) - max(sample.at, first)) for first, last in spans)
