"""An open-loop schedule and its account: every latency from the intended start, nothing that was due is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .histogram import Histogram

LATE_AFTER_MS = 50.0
"""A request sent this long after its intended start was late by the load process's own doing."""
BAD_AFTER_MS = 1000.0
"""An answer later than this counts against availability like none."""
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request that is due."""

    number: int
    intended_s: float
    """When it should start, by the monotonic clock."""
    measured: bool
    """False during the warm-up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: an answer with this status or none, and the class of the failure if it is one."""

    status: int | None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The account of the measured part of a run, as it travels from the load process to the runner."""

    offered: int
    sent: int
    completed: int
    dropped: int
    late: int
    throttled: int
    slow: int
    failures: Mapping[str, int]
    achieved_rps: float
    latencies: str
    """The encoded histogram; empty when nothing was sent."""
    locust_p99_ms: float | None


def arrivals(begin_s: float, *, rate_rps: float, warm_up_s: float, duration_s: float | None) -> Iterator[Arrival]:
    """Yield what is due, from the monotonic time ``begin_s`` on; without a duration there is no end."""
    number = 0
    warm_ups = round(warm_up_s * rate_rps)
    last = None if duration_s is None else warm_ups + round(duration_s * rate_rps)
    while last is None or number < last:
        yield Arrival(number, begin_s + number / rate_rps, measured=number >= warm_ups)
        number += 1


class Tally:
    """Counts what was due in the measured part of a run and what became of it."""

    def __init__(self, rate_rps: float) -> None:
        self._rate_rps = rate_rps
        self._histogram = Histogram()
        self._in_flight: dict[int, Arrival] = {}
        self._unsettled = 0
        self._first_s: float | None = None
        self._last_s = 0.0
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many arrivals, warm-up included, are offered and neither settled nor dropped."""
        return self._unsettled

    @property
    def sent(self) -> int:
        """How many measured requests were sent."""
        return self._counts["sent"]

    @property
    def failed(self) -> int:
        """How many measured requests failed; a 429 is none, for we may have caused it."""
        return self._failures.total()

    @property
    def p95_ms(self) -> float | None:
        """The 95th percentile until now, None before the first answer."""
        return self._histogram.percentile_ms(95) if self._histogram.count else None

    def offer(self, arrival: Arrival) -> None:
        """Count an arrival that is due now."""
        self._unsettled += 1
        if arrival.measured:
            self._counts["offered"] += 1
            self._first_s = arrival.intended_s if self._first_s is None else self._first_s

    def drop(self, arrival: Arrival) -> None:
        """Count an arrival that will never be sent."""
        self._unsettled -= 1
        if arrival.measured:
            self._counts["dropped"] += 1

    def send(self, arrival: Arrival, at_s: float) -> None:
        """Count a request that is being sent now."""
        self._in_flight[arrival.number] = arrival
        if arrival.measured:
            self._counts["sent"] += 1
            self._counts["late"] += (at_s - arrival.intended_s) * 1000 > LATE_AFTER_MS
            self._last_s = at_s

    def settle(self, arrival: Arrival, at_s: float, outcome: Outcome) -> None:
        """Count what became of a request; what was given up before stays as it was counted."""
        if self._in_flight.pop(arrival.number, None) is None:
            return
        self._unsettled -= 1
        if not arrival.measured:
            return
        latency_ms = (at_s - arrival.intended_s) * 1000
        self._histogram.record(latency_ms)
        self._counts["completed"] += outcome.status is not None
        if outcome.status == TOO_MANY_REQUESTS:
            self._counts["throttled"] += 1
        elif outcome.failure is not None:
            self._failures[outcome.failure] += 1
        elif latency_ms > BAD_AFTER_MS:
            self._counts["slow"] += 1

    def give_up(self, at_s: float) -> None:
        """Count whatever still has no answer as a timeout, with the time that it took until now."""
        for arrival in list(self._in_flight.values()):
            self.settle(arrival, at_s, Outcome(None, "timeout"))

    def measured(self, locust_p99_ms: float | None) -> Measured:
        """Return the account. ``locust_p99_ms`` is Locust's own figure, from the sending of each request."""
        counts = self._counts
        return Measured(
            offered=counts["offered"],
            sent=counts["sent"],
            completed=counts["completed"],
            dropped=counts["dropped"],
            late=counts["late"],
            throttled=counts["throttled"],
            slow=counts["slow"],
            failures=dict(self._failures),
            achieved_rps=self._achieved_rps(),
            latencies=self._histogram.encode() if self._histogram.count else "",
            locust_p99_ms=locust_p99_ms,
        )

    def _achieved_rps(self) -> float:
        """Return the rate at which requests were sent, whatever the answers took."""
        if self._first_s is None:
            return 0.0
        planned_s = self._counts["offered"] / self._rate_rps
        return self._counts["sent"] / max(planned_s, self._last_s - self._first_s)
