"""``max_rps``: whoever of ours sends, all together keep to it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from drillbook.drill.ends import Refused
from drillbook.drill.traffic import Traffic, TrafficPlan
from drillbook.faults.claims.records import LocalClaim
from drillbook.journal import Journal
from drillbook.redaction import Redactor
from drillbook.traffic.service import Call, KeyedApi

from .conftest import Load, Serve

MAX_RPS = 16.0
PATH = "/entries/{key}"
API = KeyedApi(
    write=Call("POST", PATH, (201,), body='{"value": "{value}"}'),
    read=Call("GET", PATH, (200,), absent=(404,)),
    delete=Call("DELETE", PATH, (204,), absent=(404,)),
)
PLAN = TrafficPlan(api=lambda _namespace: API)


def test_clients_and_requests_in_flight_keep_to_the_rate_together(serve: Serve, load: Load, tmp_path: Path) -> None:
    service = serve()
    system = load(f'[systems.config-manager.components.api]\nurl = "{service.url}"\nmax_rps = {MAX_RPS}\n')
    journal = Journal(tmp_path, Redactor())
    claim = LocalClaim.take("rate", run="")
    plan = PLAN.within(MAX_RPS)
    said: list[str] = []
    with Traffic(
        system, "drillbook", plan, directory=tmp_path / "t", journal=journal, claim=claim, say=said.append
    ) as traffic:
        first, began = len(service.seen), time.monotonic()
        with traffic.in_flight(seconds=1, count=6) as slow:
            assert slow.started == 6
        traffic.flow(seconds=2)
        sent, took_s = len(service.seen) - first, time.monotonic() - began
        assert sent <= MAX_RPS * (took_s + 1), Counter(method for method, _, _ in service.seen)
        traffic.stop()
        began = time.monotonic()
        assert not traffic.losses(began).lost
        read = len(service.seen) - first - sent
    assert claim.remembered() == ()
    assert said == [f"a DELETE of {PATH} names no namespace: if this run is killed, its test keys stay"]
    claim.release()
    assert read / MAX_RPS <= time.monotonic() - began + 1
    assert [one.index for one in sorted(slow.completed, key=lambda one: -one.took_s)] == list(range(6)), (
        "all end together"
    )
    assert not service.entries, "the clients clean up behind themselves"


def test_a_plan_within_a_rate_lowers_all_alike_and_is_refused_below_what_sees_an_outage() -> None:
    assert PLAN.within(None) == PLAN.within(80) == PLAN
    lower = PLAN.within(20)
    assert (lower.samples_per_s, lower.writes_per_s, lower.others_per_s) == (12.5, 5, 2.5)
    with pytest.raises(Refused, match=r"need 8 requests a second, and api.max_rps allows 7\.9"):
        PLAN.within(7.9)


def test_load_never_exceeds_the_rate_either(load: Load) -> None:
    assert load('[systems.config-manager.components.api]\nurl = "http://a"\nmax_rps = 3').load_max_rps == 3
    assert load('[systems.config-manager.components.api]\nurl = "http://a"\nmax_rps = 300').load_max_rps == 50
