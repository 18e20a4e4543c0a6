"""The objectives, judged by made-up results: every bound, and every way in which nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drillbook.model import Facts, Outcome, Stage
from drillbook.traffic.histogram import Histogram
from drillbook.traffic.load import CacheChange, CacheCount, CacheReading, LoadResult, cache_change
from load.config_manager.criteria import SLO
from load.config_manager.profile import ConfigsLoad
from tests.systems import system

MET, NOT_MET, UNKNOWN = Outcome.MET, Outcome.NOT_MET, Outcome.UNKNOWN
FACTS = Facts(platform="process", expected_version=None, clock_skew_s=2.0)
GOOD = LoadResult(
    offered_rps=100,
    duration_s=30,
    offered=3000,
    sent=3000,
    completed=3000,
    dropped=0,
    late=0,
    throttled=0,
    slow=0,
    failures={},
    achieved_rps=100,
    p50_ms=4,
    p95_ms=11,
    p99_ms=17,
    max_ms=30,
    locust_p99_ms=15,
    latencies=Histogram([4, 11, 17, 30]).encode(),
    cache=CacheChange(hits=900, misses=100),
)
FIGURES = ("availability", "p95-latency", "error-rate", "cache-hit-rate")
LEVELS = ("target", "warning", "critical")


def outcomes(figure: str, result: LoadResult) -> list[Outcome]:
    """The verdicts of a figure's three rows: target, warning, critical."""
    rows = {row.id.removeprefix("config-manager.slo."): row for row in SLO}
    return [rows[f"{figure}-{level}"].accepts.check(result, FACTS).outcome for level in LEVELS]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_good_result_is_met_in_all_rows(figure: str) -> None:
    assert outcomes(figure, GOOD) == [MET, MET, MET]


def cache(hits: int) -> dict[str, Any]:
    return {"cache": CacheChange(hits=hits, misses=1000 - hits)}


def errors(count: int) -> dict[str, Any]:
    return {"failures": {"status 503": count}}


@pytest.mark.parametrize(
    ("figure", "change", "expected"),
    [
        ("p95-latency", {"p95_ms": 99.9}, [MET, MET, MET]),
        ("p95-latency", {"p95_ms": 100.0}, [NOT_MET, NOT_MET, MET]),
        ("p95-latency", {"p95_ms": 200.0}, [NOT_MET, NOT_MET, MET]),
        ("p95-latency", {"p95_ms": 200.1}, [NOT_MET, NOT_MET, NOT_MET]),
        ("error-rate", errors(29), [MET, MET, MET]),
        ("error-rate", errors(30), [NOT_MET, NOT_MET, MET]),
        ("error-rate", errors(150), [NOT_MET, NOT_MET, MET]),
        ("error-rate", errors(151), [NOT_MET, NOT_MET, NOT_MET]),
        ("cache-hit-rate", cache(801), [MET, MET, MET]),
        ("cache-hit-rate", cache(800), [NOT_MET, NOT_MET, MET]),
        ("cache-hit-rate", cache(700), [NOT_MET, NOT_MET, MET]),
        ("cache-hit-rate", cache(699), [NOT_MET, NOT_MET, NOT_MET]),
        ("availability", errors(3), [MET, MET, MET]),
        ("availability", errors(4), [NOT_MET, NOT_MET, MET]),
        ("availability", {"slow": 30}, [NOT_MET, NOT_MET, MET]),
        ("availability", {"slow": 31}, [NOT_MET, NOT_MET, NOT_MET]),
    ],
)
def test_each_bound_belongs_to_the_class_that_the_runbook_gives_it(
    figure: str, change: dict[str, Any], expected: list[Outcome]
) -> None:
    assert outcomes(figure, replace(GOOD, **change)) == expected


NOTHING = {"sent": 0, "completed": 0, "latencies": "", "p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"achieved_rps": 94.9}, "only 94.9 of 100 rps"),
        ({"dropped": 31}, "31 of 3000 arrivals were dropped"),
        (NOTHING, "zero samples"),
        ({"offered": 0, **NOTHING}, "zero samples"),
        ({"throttled": 1}, "429"),
    ],
)
def test_a_load_that_was_not_what_it_should_have_been_says_nothing(
    figure: str, change: dict[str, Any], reason: str
) -> None:
    result = replace(GOOD, **change)
    assert outcomes(figure, result) == [UNKNOWN] * 3
    assert outcomes(figure, replace(result, **errors(2000), slow=1000, cache=CacheChange(0, 9))) == [UNKNOWN] * 3
    assert all(reason in row.accepts.check(result, FACTS).observed for row in SLO)


@pytest.mark.parametrize(
    ("figure", "change"),
    [
        ("p95-latency", {"late": 31}),
        ("p95-latency", {"late": 20, "dropped": 11}),
        ("p95-latency", errors(150)),
        ("cache-hit-rate", {"cache": CacheChange(problem="the counters of api-1 went backwards (a restart)")}),
        ("cache-hit-rate", {"cache": CacheChange()}),
        ("availability", {"sent": 999, "offered": 999}),
    ],
)
def test_what_hides_one_figure_makes_that_one_unknown(figure: str, change: dict[str, Any]) -> None:
    result = replace(GOOD, **change)
    assert outcomes(figure, result) == [UNKNOWN] * 3
    assert MET in outcomes("error-rate", result)


def reading(**counts: tuple[float, float]) -> CacheReading:
    return CacheReading(tuple(CacheCount(name, *pair) for name, pair in counts.items()))


def test_cache_counts_are_differences_over_all_instances() -> None:
    found = cache_change(reading(a=(10, 5), b=(1, 1)), reading(a=(90, 15), b=(11, 1)))
    assert found == CacheChange(hits=90, misses=10)
    assert found.hit_share == 0.9


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (reading(a=(10, 5), b=(9, 9)), reading(a=(90, 15), b=(1, 9)), "b went backwards"),
        (reading(a=(10, 5)), reading(a=(90, 4)), "a went backwards"),
        (reading(a=(1, 1)), reading(b=(2, 2)), "not the same"),
        (reading(), reading(), "no instance"),
        (CacheReading(problem="refused"), reading(a=(1, 1)), "refused"),
        (reading(a=(1, 1)), CacheReading(problem="gone"), "gone"),
    ],
)
def test_cache_counts_that_mean_nothing_say_why(before: CacheReading, after: CacheReading, problem: str) -> None:
    found = cache_change(before, after)
    assert found.problem is not None
    assert problem in found.problem
    assert outcomes("cache-hit-rate", replace(GOOD, cache=found)) == [UNKNOWN] * 3


def test_all_rows_are_load_that_writes_and_share_one_reading() -> None:
    assert len(SLO) == 12
    assert {(row.stage, row.mutating, row.probe.key) for row in SLO} == {(Stage.LOAD, True, ConfigsLoad().key)}
    assert "/" not in ConfigsLoad().key, "a path of this machine in the key: no other could judge the run again"


def test_load_is_not_judged_where_it_is_not_allowed() -> None:
    forbidden = system()
    allowed = replace(forbidden, load_max_rps=10.0)
    assert all(row.needs(forbidden) and row.needs(allowed) is None for row in SLO)


def test_a_result_survives_the_journal() -> None:
    probe = ConfigsLoad()
    assert probe.decode(probe.encode(GOOD)) == GOOD
