"""The account of an open-loop run, with made-up times."""

from __future__ import annotations

import itertools

import pytest

from drillbook.traffic.histogram import Histogram
from drillbook.traffic.load_tally import Arrival, Measured, Outcome, Tally, arrivals

OK = Outcome(200)


def due(number: int, at_s: float = 0.0) -> Arrival:
    return Arrival(number, at_s, measured=True)


def measured(tally: Tally) -> Measured:
    return tally.measured(locust_p99_ms=None)


def test_the_schedule_is_fixed_before_the_first_answer() -> None:
    found = list(arrivals(100.0, rate_rps=10, warm_up_s=0.2, duration_s=0.3))
    assert [round(one.intended_s, 6) for one in found] == [100.0, 100.1, 100.2, 100.3, 100.4]
    assert [one.measured for one in found] == [False, False, True, True, True]


def test_a_schedule_without_a_duration_goes_on() -> None:
    endless = arrivals(0.0, rate_rps=10, warm_up_s=0, duration_s=None)
    assert next(itertools.islice(endless, 999, None)).intended_s == pytest.approx(99.9)


def test_a_latency_counts_from_the_intended_start() -> None:
    tally = Tally(rate_rps=1)
    tally.offer(due(0))
    tally.send(due(0), at_s=2.0)
    tally.settle(due(0), at_s=2.01, outcome=OK)
    found = measured(tally)
    assert Histogram.decode(found.latencies).max_ms == pytest.approx(2010, rel=0.002)
    assert (found.late, found.slow, found.completed) == (1, 1, 1)


def test_failures_have_classes_and_a_429_is_none_of_them() -> None:
    tally = Tally(rate_rps=1)
    for number, outcome in enumerate((OK, Outcome(503, "status 503"), Outcome(None, "refused"), Outcome(429))):
        tally.offer(due(number))
        tally.send(due(number), at_s=0.0)
        tally.settle(due(number), at_s=0.1, outcome=outcome)
    found = measured(tally)
    assert found.failures == {"status 503": 1, "refused": 1}
    assert (found.sent, found.completed, found.throttled) == (4, 3, 1)
    assert Histogram.decode(found.latencies).count == 4


def test_what_has_no_answer_in_the_end_is_a_timeout_and_settles_once() -> None:
    tally = Tally(rate_rps=1)
    tally.offer(due(0))
    tally.send(due(0), at_s=0.0)
    tally.give_up(at_s=5.5)
    tally.settle(due(0), at_s=9.0, outcome=OK)
    found = measured(tally)
    assert found.failures == {"timeout": 1}
    assert found.completed == 0
    assert tally.open == 0


def test_what_was_dropped_was_offered_and_lowers_the_rate() -> None:
    tally = Tally(rate_rps=10)
    for number in range(10):
        tally.offer(due(number, number / 10))
    for number in range(5):
        tally.send(due(number, number / 10), at_s=number / 10)
    for number in range(5, 10):
        tally.drop(due(number, number / 10))
    found = measured(tally)
    assert (found.offered, found.sent, found.dropped) == (10, 5, 5)
    assert found.achieved_rps == pytest.approx(5)


def test_the_rate_is_that_of_sending_however_slow_the_answers_are() -> None:
    tally = Tally(rate_rps=10)
    for number in range(10):
        tally.offer(due(number, number / 10))
        tally.send(due(number, number / 10), at_s=number / 10)
        tally.settle(due(number, number / 10), at_s=60.0, outcome=OK)
    assert measured(tally).achieved_rps == pytest.approx(10)


def test_the_warm_up_does_not_count() -> None:
    tally = Tally(rate_rps=1)
    warm_up = Arrival(0, 0.0, measured=False)
    tally.offer(warm_up)
    tally.send(warm_up, at_s=0.0)
    tally.settle(warm_up, at_s=9.0, outcome=Outcome(None, "timeout"))
    found = measured(tally)
    assert (found.offered, found.sent, found.failures, found.latencies) == (0, 0, {}, "")
    assert tally.open == 0
