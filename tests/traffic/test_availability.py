"""Outage arithmetic, on samples that are made up at 10 a second from t = 100."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from drillbook.accepts import scenario
from drillbook.model import CannotObserve, Facts, Outcome
from drillbook.probes.recorded import Downtime
from drillbook.traffic.availability import (
    Answered,
    Availability,
    NotRecovered,
    Recovery,
    Rules,
    Sample,
    bad_share,
    classify,
    measure,
)

RULES = Rules(rate_per_s=10, bad_after_ms=300, sustained_s=0.5)
T0 = 100.0
LETTERS = {
    ".": (Answered.OK, 5.0),
    "s": (Answered.OK, 301.0),
    "x": (Answered.REFUSED, 1.0),
    "5": (Answered.SERVER_ERROR, 2.0),
    "t": (Answered.TIMEOUT, 5_000.0),
    "r": (Answered.RESET, 2.0),
    "q": (Answered.THROTTLED, 2.0),
    "c": (Answered.CUT, 100.0),
    "C": (Answered.CUT, 600.0),
}


def made(line: str) -> list[Sample]:
    return [Sample(n, T0 + n / 10, 0.0, LETTERS[letter][1], LETTERS[letter][0]) for n, letter in enumerate(line)]


def seen(line: str) -> Availability:
    return measure(made(line), RULES)


@pytest.mark.parametrize(
    ("line", "outages"),
    [
        ("..........", []),
        ("...xxx......", [(0.3, 0.6)]),
        ("...x......", [(0.3, 0.4)]),
        ("...xx..xx......", [(0.3, 0.9)]),  # 0.2 s of good is not sustained
        ("..xx......x......", [(0.2, 0.4), (1.0, 1.1)]),
        ("xxx......", [(0.0, 0.3)]),
        ("...s5tr......", [(0.3, 0.7)]),  # every class of bad
        ("......xxx", [(0.6, None)]),
        ("....xx.....", [(0.4, None)]),  # one sample short of sustained
        ("....xx......", [(0.4, 0.6)]),
        ("....x..q......", [(0.4, 0.8)]),  # a throttled sample confirms nothing
        ("....CC", [(0.4, None)]),
        ("......cc", []),
    ],
)
def test_an_outage_lasts_from_the_first_bad_to_sustained_good(
    line: str, outages: list[tuple[float, float | None]]
) -> None:
    found = [
        (round(outage.begin - T0, 6), None if outage.end is None else round(outage.end - T0, 6))
        for outage in seen(line).outages
    ]
    assert found == outages


def test_the_figures_count_every_sample_once() -> None:
    found = seen("....ss5xq......cc")
    assert (found.total, found.good, found.bad_total, found.throttled, found.undecided) == (15, 10, 4, 1, 2)
    assert found.bad == {"slow": 2, "server_error": 1, "refused": 1}
    assert found.good_share == pytest.approx(10 / 14)
    assert found.downtime_s == pytest.approx(0.5)
    assert found.longest_outage_s == pytest.approx(0.5)
    assert found.offered_rps == 10
    assert found.achieved_rps == pytest.approx(10)


def test_the_bad_samples_are_told_by_kind_with_their_times() -> None:
    told = seen("....ss5x......").bad_in_words()
    assert "2 slower than 300 ms" in told
    assert "1 5xx" in told
    assert "1 refused" in told
    assert told.endswith("; median 152 ms, maximum 301 ms")
    assert seen("......").bad_in_words() == ""


def test_an_outage_without_end_lasts_to_the_last_sample() -> None:
    assert seen("......xxxx").longest_outage_s == pytest.approx(0.4)


def test_throttling_makes_the_figures_unknown() -> None:
    assert seen("..........").known
    found = seen("......q...")
    assert not found.known
    assert "throttled" in found.unknown_because[0]


@pytest.mark.parametrize(
    ("line", "fault", "rto"),
    [
        ("....xxx......", 0.35, 0.35),
        ("..........", 0.35, 0.0),
        ("....xxx......xx......", 0.35, 1.15),  # it fell over again: good time between is no recovery
        ("..........xxx......", 0.0, 1.3),  # a fault that bites a second later
        ("xx......xx......", 0.65, 0.35),  # what was before the fault is not its doing
        ("....xxx.....", 0.35, None),
        ("....xxx", 0.35, None),
        ("......", 0.35, None),  # nobody looked for long enough
        ("......", 5.0, None),
        ("....xxx......ccc", 0.35, 0.35),
    ],
)
def test_rto_is_from_the_fault_to_the_start_of_sustained_good(line: str, fault: float, rto: float | None) -> None:
    found = seen(line).recovery_after(T0 + fault)
    if rto is None:
        assert isinstance(found, NotRecovered)
    else:
        assert isinstance(found, Recovery)
        assert found.rto_s == pytest.approx(rto)
        assert found.resolution_s == pytest.approx(0.4)


def test_rto_looks_no_further_than_the_next_fault() -> None:
    found = seen("....xxx......xx......").recovery_after(T0 + 0.35, until=T0 + 1.3)
    assert isinstance(found, Recovery)
    assert found.rto_s == pytest.approx(0.35)
    assert found.bad == 3
    assert found.first_bad_at == pytest.approx(T0 + 0.4)


def test_a_freeze_shorter_than_the_timeout_is_seen() -> None:
    """Requests of a 2 s freeze all succeed when it ends: only their intended starts show it."""
    freeze, thaw = 101.0, 103.0
    samples = [
        replace(sample, latency_ms=1000 * (thaw - sample.at) if freeze <= sample.at < thaw else 5.0)
        for sample in made("." * 60)
    ]
    found = measure(samples, RULES)
    assert found.bad == {"slow": 17}
    recovery = found.recovery_after(freeze)
    assert isinstance(recovery, Recovery)
    assert recovery.rto_s == pytest.approx(2.0, abs=recovery.resolution_s)
    assert found.latencies().count == 0  # made up without a status


def test_while_a_request_is_in_flight_nothing_after_it_counts() -> None:
    """During a freeze nothing finishes; good samples from before it must not look like recovery."""
    samples = made("..........")
    without_fourth = samples[:4] + samples[5:]
    assert measure(without_fourth, RULES).total == 4


def test_samples_may_finish_in_any_order() -> None:
    samples = made("...xxx.......")
    shuffled = random.Random(7).sample(samples, len(samples))  # noqa: S311 - no secret
    assert measure(shuffled, RULES) == measure(samples, RULES)


def test_silence_is_not_availability() -> None:
    with pytest.raises(CannotObserve, match="no sample"):
        measure([], RULES)
    with pytest.raises(CannotObserve, match="no sample"):
        seen("ccc")


def test_nothing_but_unexpected_answers_is_a_broken_eye() -> None:
    samples = [replace(sample, answered=Answered.UNEXPECTED, status=401) for sample in made("....")]
    assert "every answer was 401" in measure(samples, RULES).unknown_because[0]
    assert measure(samples + made(".....")[4:], RULES).known


def test_a_late_start_is_a_slip_and_widens_the_resolution() -> None:
    samples = made("..........")
    samples[3] = replace(samples[3], late_ms=150, latency_ms=155)
    found = measure(samples, RULES)
    assert (found.slips, found.worst_slip_ms, found.bad_total) == (1, 150, 0)
    assert found.resolution_s == pytest.approx(0.1 + 0.3 + 0.15)
    assert found.known


def test_bad_only_by_our_own_standstill_is_unknown() -> None:
    samples = made("..........")
    samples[2] = replace(samples[2], latency_ms=900)  # in flight when we stood still
    samples[3] = replace(samples[3], late_ms=800, latency_ms=810)
    found = measure(samples, RULES)
    assert found.bad == {"slow": 2}
    assert found.unknown_because == (
        "1 of the outages came about only because this machine was late itself: give the runner more CPU",
    )


def test_a_connection_that_our_standstill_let_time_out_is_no_outage_of_the_service() -> None:
    samples = made("..........")
    samples[2] = replace(samples[2], answered=Answered.UNREACHED, latency_ms=890)
    samples[3] = replace(samples[3], late_ms=800, latency_ms=810)
    assert "this machine was late" in measure(samples, RULES).unknown_because[0]
    samples[3] = replace(samples[3], late_ms=0, latency_ms=5)
    assert measure(samples, RULES).known


def test_our_own_standstill_makes_figures_larger_and_never_smaller() -> None:
    samples = made("..........")
    samples[3] = replace(samples[3], late_ms=800, latency_ms=810)
    late = measure(samples, RULES)
    assert (late.known, late.at_most) == (False, True)
    samples[5] = replace(samples[5], answered=Answered.THROTTLED)
    throttled = measure(samples, RULES)
    assert (throttled.known, throttled.at_most) == (False, False)


@pytest.mark.parametrize(
    ("known", "at_most", "rto_s", "expected"),
    [
        (True, True, 5.0, Outcome.MET),
        (True, True, 50.0, Outcome.NOT_MET),
        (True, True, None, Outcome.NOT_MET),
        (False, True, 5.0, Outcome.MET),  # the truth is better still
        (False, True, 50.0, Outcome.UNKNOWN),
        (False, True, None, Outcome.UNKNOWN),
        (False, False, 5.0, Outcome.UNKNOWN),
    ],
)
def test_figures_that_are_too_large_by_our_fault_excuse_nothing_and_accuse_nobody(
    known: bool, at_most: bool, rto_s: float | None, expected: Outcome
) -> None:
    down = Downtime(500, 100, 10, 1, rto_s, 0.3, "late", known=known, at_most=at_most)
    facts = Facts("process", None, 2.0, rto_objective_s=30.0)
    assert scenario.within_rto().check(down, facts).outcome is expected
    if rto_s != 50.0:
        assert scenario.recovered().check(down, facts).outcome is expected
        assert scenario.stays_available(bad_share=0.1).check(down, facts).outcome is expected
    worse = replace(down, bad=400)
    found = scenario.stays_available(bad_share=0.1).check(worse, facts).outcome
    assert found is (Outcome.NOT_MET if known else Outcome.UNKNOWN)


def test_our_own_delay_at_the_edge_of_a_true_outage_is_in_the_resolution() -> None:
    samples = made("...ssss........")
    samples[3] = replace(samples[3], latency_ms=900)
    samples[7] = replace(samples[7], late_ms=150, latency_ms=310)
    found = measure(samples, RULES)
    assert found.known
    assert found.longest_outage_s == pytest.approx(0.5)
    assert found.resolution_s == pytest.approx(0.55)


def test_a_slip_excuses_no_failure() -> None:
    samples = made("...x......")
    samples[3] = replace(samples[3], late_ms=800, latency_ms=810)
    assert measure(samples, RULES).known


def test_good_traffic_before_a_fault_is_counted() -> None:
    found = seen("....xx........")
    assert found.good_before(T0 + 1.0, 0.5) == 4
    assert found.good_before(T0 + 1.0, 0.35) == 3
    assert found.good_before(T0, 5) == 0


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("answered", 204, Answered.OK),
        ("answered", 429, Answered.THROTTLED),
        ("answered", 503, Answered.SERVER_ERROR),
        ("answered", 404, Answered.UNEXPECTED),
        ("answered", 302, Answered.UNEXPECTED),
        ("refused", None, Answered.REFUSED),
        ("unreached", None, Answered.UNREACHED),
        ("reset", None, Answered.RESET),
        ("timeout", None, Answered.TIMEOUT),
    ],
)
def test_every_end_has_a_class(kind: str, status: int | None, expected: Answered) -> None:
    assert classify(kind, status) is expected


@pytest.mark.parametrize("seed", range(40))
def test_outages_hold_every_bad_sample_once(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    line = "".join(chance.choices(".x", weights=(4, 1), k=120))
    found = seen(line)
    assert sum(outage.bad for outage in found.outages) == found.bad_total == line.count("x")
    for before, after in zip(found.outages, found.outages[1:], strict=False):
        assert before.end is not None
        assert after.begin - before.end >= RULES.sustained_s
    assert found.downtime_s <= 12.0 + 1e-6


@pytest.mark.parametrize("over_s", [1.0, 3.0, 6.0])
def test_what_hangs_is_bad_before_it_ends(over_s: float) -> None:
    rules = Rules(rate_per_s=10, bad_after_ms=250, sustained_s=1)
    good = [Sample(number, 1000 + number / 10, 0.0, 5.0, Answered.OK, 200, 0) for number in range(50)]
    assert bad_share(good, rules, now=1004.95, over_s=over_s) == 0
    assert bad_share(good, rules, now=1010.0, over_s=over_s) == pytest.approx(1.0, abs=0.25)
    every_other = [*good, *(replace(good[0], number=n, at=1000 + n / 10) for n in range(50, 120, 2))]
    assert bad_share(every_other, rules, now=1011.9, over_s=over_s) == pytest.approx(0.5, abs=0.1)
    assert bad_share([], rules, now=1000.0, over_s=over_s) is None
