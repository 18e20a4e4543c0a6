"""Judging: the worst target speaks for all, and nothing seen never passes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from checks.config_manager.criteria import SUCCESS
from checks.config_manager.round_trip import Steps
from drillbook import clock
from drillbook.accepts import databases, http, logs, metrics, prometheus
from drillbook.model import Accepts, Criterion, Facts, Observation, Outcome, judge
from drillbook.platforms import LogText
from drillbook.probes import logs as log_probe
from drillbook.probes import metrics as metrics_probe
from drillbook.probes.http import Answer, Get, TwoAnswers
from drillbook.probes.metrics import Exposition
from drillbook.probes.postgres import PostgresState
from drillbook.probes.prometheus import Scraped, Watched

FACTS = Facts("process", "1.0.0", 2.0)
NOW = "2026-11-21T10:00:00Z"
PROBE = Get("/health")
HEALTHY = Criterion("x.y.z", PROBE, http.field("status", equals="healthy"))


def seen(body: Any, *, target: str = "s/a", status: int | None = 200) -> Observation:
    return Observation(PROBE.key, target, "GET u", NOW, 1.0, PROBE.encode(Answer(status, body, read_at=NOW)))


def blind(target: str = "s/b") -> Observation:
    return Observation(PROBE.key, target, "GET u", NOW, 1.0, error="no login", hint="log in")


def outcome(accepts: Accepts[Any], reading: Any) -> Outcome:
    return accepts.check(reading, FACTS).outcome


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([], Outcome.UNKNOWN),
        ([seen({"status": "healthy"})], Outcome.MET),
        ([seen({"status": "healthy"}), blind()], Outcome.UNKNOWN),
        ([seen({"status": "healthy"}), blind(), seen({"status": "no"})], Outcome.NOT_MET),
        ([seen(None)], Outcome.NOT_MET),
        ([seen([])], Outcome.NOT_MET),
        ([Observation(PROBE.key, "s/a", "GET u", NOW, 1.0, {"nonsense": 1})], Outcome.UNKNOWN),
    ],
)
def test_the_worst_target_speaks_for_all(observations: list[Observation], expected: Outcome) -> None:
    assert judge(HEALTHY, observations, FACTS).outcome is expected


def test_a_verdict_names_the_broken_instances() -> None:
    verdict = judge(HEALTHY, [seen({"status": "healthy"}), seen({"status": "x"}, target="s/b")], FACTS)
    assert verdict.observed.startswith("b: ")


@pytest.mark.parametrize(
    ("bad", "good", "named"),
    [
        (["api-1", "api-2", "api-3", "entry"], [], "all 3 replicas and the entry: "),
        (["api-1", "api-2", "api-3"], [], "all 3 replicas: "),
        (["api-1", "api-2", "api-3"], ["entry"], "api-1, api-2, api-3: "),
        (["api-1", "entry"], ["api-2"], "api-1, entry: "),
    ],
)
def test_a_verdict_about_everybody_says_so(bad: list[str], good: list[str], named: str) -> None:
    observations = [seen({"status": "x"}, target=f"s/{name}") for name in bad]
    observations += [seen({"status": "healthy"}, target=f"s/{name}") for name in good]
    assert judge(HEALTHY, observations, FACTS).observed.startswith(named)


def test_a_verdict_on_nothing_names_no_reading() -> None:
    verdict = judge(HEALTHY, [], FACTS)
    assert (verdict.outcome, verdict.source) == (Outcome.UNKNOWN, "nothing")
    assert "names no such component" in verdict.observed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T10:00:01.9Z", Outcome.MET),
        ("2026-11-21T10:00:02.1Z", Outcome.NOT_MET),
        ("2026-11-21T09:59:01Z", Outcome.MET),
        ("2026-11-21T09:58:59Z", Outcome.NOT_MET),
        ("2026-11-21T11:00:00+01:00", Outcome.MET),
        ("2026-11-21t10:00:01.123456789z", Outcome.MET),
        ("2026-11-21T10:00:01,5Z", Outcome.MET),
        ("2026-11-21T10:00:00", Outcome.NOT_MET),
        ("2026-11-21 10:00:00Z", Outcome.NOT_MET),
        ("now", Outcome.NOT_MET),
        (None, Outcome.NOT_MET),
    ],
)
def test_a_timestamp_may_lag_but_not_lead_by_more_than_the_clock_skew(text: str | None, expected: Outcome) -> None:
    answer = Answer(200, {"timestamp": text}, read_at=NOW)
    assert outcome(http.timestamp("timestamp", not_older_than_s=60), answer) is expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (1.0, 1.1, Outcome.MET),
        (1.0, 1.0, Outcome.NOT_MET),
        (100, 1, Outcome.NOT_MET),
        (None, None, Outcome.NOT_MET),
        (True, 2, Outcome.NOT_MET),
        (float("nan"), 2, Outcome.NOT_MET),
    ],
)
def test_uptime_must_grow(first: Any, second: Any, expected: Outcome) -> None:
    two = TwoAnswers(Answer(200, {"uptime": first}), Answer(200, {"uptime": second}), 50)
    assert outcome(http.increasing("uptime"), two) is expected


def test_a_version_that_nobody_named_is_unknown() -> None:
    answer = Answer(200, {"version": "1.0.0"})
    assert http.version("version").check(answer, Facts("process", None, 2.0)).outcome is Outcome.UNKNOWN
    assert outcome(http.version("version"), answer) is Outcome.MET
    assert outcome(http.version("version"), Answer(200, {"version": "0.9"})) is Outcome.NOT_MET


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("# TYPE a counter\na_total 1\n", Outcome.MET),
        ("# TYPE a counter\na_total 0\n", Outcome.MET),
        ("# TYPE a counter\n", Outcome.UNKNOWN),
        ("# TYPE a counter\na_total NaN\n", Outcome.UNKNOWN),
        ("# TYPE b counter\nb_total 1\n", Outcome.NOT_MET),
    ],
)
def test_a_family_needs_samples_that_are_numbers(page: str, expected: Outcome) -> None:
    exposition = Exposition(Answer(200), metrics_probe.parse(page))
    assert outcome(metrics.families("a_total"), exposition) is expected


def test_a_page_that_exposes_nothing_is_unknown() -> None:
    assert outcome(metrics.reachable(), Exposition(Answer(200))) is Outcome.UNKNOWN
    assert outcome(metrics.reachable(), Exposition(Answer(None, failure="connection refused"))) is Outcome.NOT_MET


def test_our_own_sessions_are_not_the_applications() -> None:
    accepts = databases.application_backends()
    assert (
        outcome(accepts, PostgresState(accepting=True, backends={"drillbook": 3}, max_connections=9)) is Outcome.NOT_MET
    )
    assert outcome(accepts, PostgresState(accepting=True, backends={"": 1}, max_connections=9)) is Outcome.MET
    assert outcome(accepts, PostgresState(accepting=False, failure="refused")) is Outcome.NOT_MET


def log(*lines: str, whole: bool = True, started_at: str | None = NOW) -> log_probe.LogReading:
    return log_probe.sort(LogText(lines, whole), taken_at=NOW, started_at=started_at, seek=("A", "B"))


def at(seconds_ago: float) -> str:
    return (clock.parse(NOW) - dt.timedelta(seconds=seconds_ago)).isoformat()


@pytest.mark.parametrize(
    ("lines", "whole", "expected"),
    [
        ([f'{{"timestamp": "{at(10)}", "level": "INFO", "message": "error_count=0"}}'], True, Outcome.MET),
        ([f'{{"timestamp": "{at(10)}", "level": "ERROR", "message": "x"}}'], True, Outcome.NOT_MET),
        ([f'{{"timestamp": "{at(301)}", "level": "ERROR", "message": "x"}}'], True, Outcome.MET),
        ([f"{at(10)} ERROR plain text"], True, Outcome.NOT_MET),
        (["Traceback (most recent call last):"], True, Outcome.NOT_MET),
        ([f'{{"timestamp": "{at(10)}", "level": "INFO", "message": "x"}}'], False, Outcome.UNKNOWN),
        ([f'{{"timestamp": "{at(-60)}", "level": "INFO", "message": "x"}}'], True, Outcome.UNKNOWN),
    ],
)
def test_errors_are_counted_by_level_in_a_window_that_is_covered(
    lines: list[str], whole: bool, expected: Outcome
) -> None:
    assert outcome(logs.no_errors_in_window(), log(*lines, whole=whole)) is expected


@pytest.mark.parametrize(
    ("lines", "started_at", "expected"),
    [
        (["A", "B"], at(1), Outcome.MET),
        (["B", "A"], at(1), Outcome.NOT_MET),
        (["A"], at(1), Outcome.NOT_MET),
        (["A", "B"], at(-1), Outcome.NOT_MET),
        (["A", "B"], None, Outcome.UNKNOWN),
    ],
)
def test_start_up_messages_count_in_order_and_since_the_start(
    lines: list[str], started_at: str | None, expected: Outcome
) -> None:
    written = [f'{{"timestamp": "{NOW}", "level": "INFO", "message": "{text} x"}}' for text in lines]
    assert outcome(logs.started_with(("A", "B"), 1), log(*written, started_at=started_at)) is expected


@pytest.mark.parametrize(
    ("healths", "expected"),
    [
        (("up", "up", "up"), Outcome.MET),
        (("up", "down", "up"), Outcome.NOT_MET),
        (("up", "down", "unknown"), Outcome.NOT_MET),
        (("up", "unknown"), Outcome.UNKNOWN),
        ((), Outcome.NOT_MET),
    ],
)
def test_prometheus_gets_through_only_when_it_gets_through_to_all(healths: tuple[str, ...], expected: Outcome) -> None:
    watched = Watched("job", tuple(Scraped(f"http://{n}", health, age_s=5) for n, health in enumerate(healths)))
    assert outcome(prometheus.all_up(), watched) is expected


@pytest.mark.parametrize(
    ("scraped", "expected"),
    [
        (Scraped("a", "up", "", 46, 15), Outcome.MET),
        (Scraped("a", "up", "", 48, 15), Outcome.UNKNOWN),
        (Scraped("a", "up", "", -48, 15), Outcome.UNKNOWN),
        (Scraped("a", "up", "", None, 15), Outcome.UNKNOWN),
        (Scraped("a", "up", "", 100, 60), Outcome.MET),
        (Scraped("a", "down", "refused", 9, 15), Outcome.NOT_MET),
        (Scraped("a", "down", "refused", 10_000, 15), Outcome.UNKNOWN),
        (Scraped("a", "unknown", "", None, 15), Outcome.UNKNOWN),
    ],
)
def test_a_scrape_of_long_ago_says_nothing_of_now(scraped: Scraped, expected: Outcome) -> None:
    others = (Scraped("b", "up", "", 3, 15), Scraped("c", "up", "", 3, 15))
    found = prometheus.all_up().check(Watched("job", (*others, scraped)), FACTS)
    assert found.outcome is expected
    assert ("2 of 3 up" in found.observed) is (scraped.health != "up")


@pytest.mark.parametrize(
    "line",
    [
        "[2026-11-21T10:00:00Z] ERROR storage lost",
        "\x1b[2m2026-11-21T10:00:00Z\x1b[0m \x1b[31mERROR\x1b[0m llm_config: storage lost",
        'ts=2026-11-21T10:00:00Z level=error msg="storage lost"',
        "error: storage lost",
        "2026-11-21 10:00:00,123 - app - ERROR - storage lost",
        "2026/11/21 10:00:00 [error] 12#12: storage lost",
        '{"level": 50, "msg": "storage lost"}',
        '{"severity": "ERR", "message": "storage lost"}',
        "thread 'main' (123) panicked at src/main.rs:7",
    ],
)
def test_an_error_is_an_error_however_the_logger_writes_it(line: str) -> None:
    assert outcome(logs.no_errors_in_window(), log(line)) is Outcome.NOT_MET
    assert outcome(logs.no_errors_in_tail(), log(line)) is Outcome.NOT_MET


def test_a_log_that_says_no_level_anywhere_cannot_be_free_of_errors() -> None:
    said = log("2026-11-21T09:59:00Z storage lost", "2026-11-21T09:59:10Z all is well")
    assert outcome(logs.no_errors_in_window(), said) is Outcome.UNKNOWN
    assert outcome(logs.no_errors_in_tail(), said) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("started_at", "expected"),
    [("2026-11-21T09:58:55Z", Outcome.MET), ("2026-11-21T09:00:00Z", Outcome.UNKNOWN), (None, Outcome.UNKNOWN)],
)
def test_a_log_that_was_rotated_away_does_not_reach_back(started_at: str | None, expected: Outcome) -> None:
    young = log("2026-11-21T09:59:00Z INFO serving", started_at=started_at)
    assert outcome(logs.no_errors_in_window(), young) is expected


def _steps(*statuses: int) -> Steps:
    return Steps(*(Answer(status) for status in statuses))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((201, 200, 204, 404), Outcome.MET),
        ((200, 404, 404, 404), Outcome.MET),
        ((426, 426, 426, 426), Outcome.NOT_MET),
        ((404, 404, 404, 404), Outcome.NOT_MET),
        ((201, 403, 204, 404), Outcome.NOT_MET),
        ((302, 302, 302, 302), Outcome.NOT_MET),
    ],
)
def test_a_service_that_refuses_does_not_respond(statuses: tuple[int, ...], expected: Outcome) -> None:
    rows: tuple[Criterion[Any], ...] = SUCCESS
    row = next(one for one in rows if one.id == "config-manager.verify.success-api-responds")
    assert row.accepts.check(_steps(*statuses), FACTS).outcome is expected
