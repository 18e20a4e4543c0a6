"""What shows that a component is there although it is declared absent, and what the runbooks say of components."""

from __future__ import annotations

from typing import Any

import pytest

from drillbook import absence, catalogue
from drillbook.absence import seen_all_the_same, witnesses
from drillbook.model import Observation, Place, System
from drillbook.platforms import InstanceState
from drillbook.probes.components import Components, Listing
from drillbook.probes.http import Answer, Get

WITHOUT = System("config-manager", Place("process"), absent=frozenset({"postgres", "redis"}))


def observed(probe: Any, reading: Any, target: str = "config-manager/api-1") -> dict[tuple[str, str], Observation]:
    """Return a round that has seen this alone."""
    found = Observation(probe.key, target, "SOURCE", "2026-01-01T00:00:00Z", 1.0, probe.encode(reading))
    return {(probe.key, target): found}


def health(**checks: object) -> dict[tuple[str, str], Observation]:
    return observed(Get("/health"), Answer(200, {"checks": checks}))


@pytest.mark.parametrize(
    ("check", "seen"),
    [
        ({"component": "cache", "status": "healthy"}, set()),
        ({"component": "cache", "message": "Redis is not configured"}, set()),
        ({"component": "cache", "backend": "Redis"}, {"redis"}),
        ({"component": "cache", "url": "rediss://10.0.0.1:6380/0"}, {"redis"}),
        ({"component": "PostgreSQL-16", "status": "unhealthy"}, {"postgres"}),
        ("ok", set()),
        ({"status": "unhealthy", "message": "Redis connection refused"}, {"redis"}),
        ({"status": "healthy", "details": {"backend": "redis"}}, {"redis"}),
    ],
)
def test_a_check_that_names_a_component_shows_it(check: object, seen: set[str]) -> None:
    assert set(seen_all_the_same(WITHOUT, health(one=check))) == seen


def test_the_name_of_a_check_shows_a_component_and_where() -> None:
    found = seen_all_the_same(WITHOUT, health(redis={"status": "unhealthy"}))
    assert found == {"redis": "checks.redis names redis, by SOURCE"}


def test_a_copy_that_says_it_on_a_later_connection_counts() -> None:
    answer = Answer(200, {"checks": {}}, again=(Answer(200, {"checks": {"redis": {}}}),))
    assert set(seen_all_the_same(WITHOUT, observed(Get("/health"), answer))) == {"redis"}


def test_what_the_platform_lists_shows_it_whatever_its_state() -> None:
    listing = Listing((InstanceState("postgres-0", "database", "exited", exit_code=1),), declared=("redis",))
    found = seen_all_the_same(WITHOUT, observed(Components(), listing, "config-manager/process"))
    assert found == {"postgres": "postgres-0 is exited, by SOURCE", "redis": "redis is declared, by SOURCE"}


@pytest.mark.parametrize(
    "seen",
    [
        health(),
        observed(Get("/health"), Answer(None, failure="refused")),
        observed(Get("/health"), Answer(200, {"checks": {"redis": {}}}), "data-vault/api-1"),
        observed(Get("/other"), Answer(200, {"checks": {"redis": {}}})),
    ],
    ids=["no-checks", "no-answer", "another-system", "another-document"],
)
def test_nothing_else_shows_anything(seen: dict[tuple[str, str], Observation]) -> None:
    assert seen_all_the_same(WITHOUT, seen) == {}


def test_nobody_looks_where_nothing_is_declared_absent() -> None:
    assert witnesses(System("config-manager", Place("process"))) == ()
    assert [probe.key for probe in witnesses(WITHOUT)] == [Components().key, Get("/health").key]
    outside = System("config-manager", Place("address"), absent=frozenset({"redis"}))
    assert [probe.key for probe in witnesses(outside)] == [Get("/health").key]


def test_what_makes_a_component_optional_is_a_sentence_of_the_runbook() -> None:
    for system in catalogue.SYSTEMS:
        for part in catalogue.parts(system).optional.values():
            assert catalogue.entry(part.says).id.startswith(f"{system}.")
            assert part.known_as


def test_statements_speak_of_components_that_their_system_has() -> None:
    for system in catalogue.SYSTEMS:
        told = {name for entry in catalogue.entries(system) for name in entry.about}
        assert told <= set(catalogue.parts(system).optional), "only what may be absent need be told so far"


@pytest.mark.parametrize(
    ("seen", "looked"),
    [
        (health(), True),
        ({}, False),
        (observed(Get("/health"), Answer(200, {"checks": {}}), "data-vault/api-1"), False),
    ],
)
def test_what_nobody_read_proves_no_absence(seen: dict[tuple[str, str], Observation], looked: bool) -> None:
    assert absence.looked(WITHOUT, seen) is looked
