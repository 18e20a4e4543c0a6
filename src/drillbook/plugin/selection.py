"""What of the collected tests applies to this environment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import catalogue
from ..applicable import absent_among, absent_of, declared, not_about, not_seen
from ..model import Facts, Place, Stage, System
from ..rounds import Case
from ..tables import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pytest

    from ..drill.scenario import Script
    from ..environment import Environment
    from ..model import Criterion, Observation
    from ..observations import Key


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a statement that was selected is not judged, and when it would have been."""

    reason: str
    stage: Stage
    absent: tuple[str, ...] = ()
    """The components, declared absent, that it speaks of: it is UNKNOWN when one of them is seen all the same."""


Statement = tuple[str, str]
"""A system, and the id of a statement."""
NotJudged = dict[Statement, LeftOut]


def case_of(item: pytest.Item) -> Case | None:
    """Return the case that a test judges, or None for an ordinary test."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("case") if callspec is not None else None
    return found if isinstance(found, Case) else None


def script_of(item: pytest.Item) -> Script | None:
    """Return the script of a scenario, or None for any other test."""
    mark = item.get_closest_marker("scenario")
    return mark.args[0] if mark is not None else None


def sends_load(item: pytest.Item) -> bool:
    """Say whether judging a test takes load."""
    case = case_of(item)
    return case is not None and case.criterion.stage is Stage.LOAD


def system_of(item: pytest.Item) -> str | None:
    """Return the system that a test is about, or None for an ordinary test."""
    found = case_of(item) or script_of(item)
    return found.system if found is not None else None


def keep_applicable(
    items: list[pytest.Item], environment: Environment, config: pytest.Config, described: Collection[str]
) -> NotJudged:
    """Deselect what is not judged here, in place.

    Args:
        items: the collected tests.
        environment: where.
        config: hears of what is deselected.
        described: the systems whose whole description is known; of others a lab will say the rest.

    Returns:
        Every statement of a system of this environment that is selected and not judged; it is listed with its reason,
        never passed over silently.
    """
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    left_out: NotJudged = {}
    for item in items:
        name = system_of(item)
        if name is not None and not _is_here(name, environment):
            dropped.append(item)
            continue
        whys = [(row.id, _left_out(item, row, environment, described)) for row in rows_of(item)]
        left_out |= {(str(name), row_id): why for row_id, why in whys if why is not None}
        hindered = case_of(item) is not None and whys[0][1] is not None
        (dropped if hindered or _needs_absent(item, environment) else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
    judged = statements_of(kept, environment)
    return {key: one for key, one in left_out.items() if key not in judged}


def rows_of(item: pytest.Item) -> tuple[Criterion[Any], ...]:
    """Return the rows that a test judges, on whatever platform."""
    case, script = case_of(item), script_of(item)
    return (case.criterion,) if case is not None else script.holds if script is not None else ()


def statements_of(items: Iterable[pytest.Item], environment: Environment) -> frozenset[Statement]:
    """Return what these tests judge here."""
    return frozenset(
        (str(system_of(item)), row.id)
        for item in items
        for row in rows_of(item)
        if case_of(item) is not None or _left_out(item, row, environment, ()) is None
    )


def unknown_ids(items: Sequence[pytest.Item]) -> list[str]:
    """Return a line for each row that names a statement which no runbook has: its verdict could not be reported."""
    found: dict[str, str] = {}
    for item in items:
        script, case = script_of(item), case_of(item)
        rows = [case.criterion] if case is not None else [*script.steady, *script.holds] if script is not None else []
        for row in rows:
            for name in (row.id, row.remedy):
                if name is not None and name not in found and not catalogue.knows(name):
                    known = {one.id for system in catalogue.SYSTEMS for one in catalogue.entries(system)}
                    found[name] = f"{item.nodeid}: no runbook has a statement {name!r}{nearest(name, known)}"
    return list(found.values())


def with_bare_systems(environment: Environment) -> Environment:
    """Give lab systems that are not up the little that a preflight needs: their name and platform."""
    systems = {
        name: environment.systems.get(name) or System(name, Place(environment.platform))
        for name in environment.lab_systems
    }
    facts = {
        name: environment.facts.get(name) or Facts(environment.platform, None, clock_skew_s=2.0) for name in systems
    }
    return replace(environment, systems=systems, facts=facts)


def headline(
    judged: Collection[Statement],
    selected: Collection[Statement],
    seen: Mapping[Key, Observation],
    environment: Environment,
) -> str:
    """Return the line that says what was looked at, and how much of what was selected that is."""
    systems = sorted({system for system, _ in judged})
    versions = [f"{name} {environment.facts[name].expected_version or ''}".rstrip() for name in systems]
    return (
        f"drillbook {environment.name}: {environment.platform}, {', '.join(versions)},"
        f" {len(judged)} of {len(selected)} judged, {len(seen)} observations"
    )


def _is_here(system: str, environment: Environment) -> bool:
    return system in environment.systems or system in environment.lab_systems


def _left_out(
    item: pytest.Item, row: Criterion[Any], environment: Environment, described: Collection[str]
) -> LeftOut | None:
    """Return why a row of a test is not judged here, None where it is."""
    name = str(system_of(item))
    if (reason := not_about(row, environment.platform)) is not None:
        return LeftOut(reason, row.stage)
    system = environment.systems.get(name)
    absent = _needs_absent(item, environment) or (absent_of(row, system) if system is not None else ())
    if absent:
        return LeftOut(declared(absent), row.stage, absent)
    reason = _hindrance(row, name, environment, described)
    return None if reason is None else LeftOut(reason, row.stage)


def _needs_absent(item: pytest.Item, environment: Environment) -> tuple[str, ...]:
    """Return the components that a scenario disturbs and that the environment declares absent."""
    script, system = script_of(item), environment.systems.get(str(system_of(item)))
    return absent_among(script.disturbs, system) if script is not None and system is not None else ()


def _hindrance(row: Criterion[Any], name: str, environment: Environment, described: Collection[str]) -> str | None:
    if row.stage is Stage.LOAD and environment.load is None:
        return "it sends load, and the environment sets no [load] max_rps"
    here = environment.systems.get(name)
    if row.mutating and here is not None and here.scratch_namespace is None:
        return "it writes, and mutations does not allow that here"
    return not_seen(row, environment.systems[name]) if name in described else None
