"""What of the collected tests applies to this environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .. import catalogue
from ..model import Facts, Place, Stage, System
from ..rounds import Case
from ..tables import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from ..drill.scenario import Script
    from ..environment import Environment
    from ..model import Observation
    from ..observations import Key

NotJudged = dict[tuple[str, str], str]
"""Why a system's statement that was selected cannot be judged, by system and id."""


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


def keep_applicable(items: list[pytest.Item], environment: Environment, config: pytest.Config) -> NotJudged:
    """Deselect what does not apply here, in place.

    Returns:
        What applies and still cannot be judged, each with the reason; it is listed, never passed over silently.
    """
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    not_judged: NotJudged = {}
    for item in items:
        case = case_of(item)
        if case is None:
            name = system_of(item)
            (kept if name is None or _is_here(name, environment) else dropped).append(item)
        elif not _applies(case, environment):
            dropped.append(item)
        elif (reason := _hindrance(case, environment)) is not None:
            not_judged[case.system, case.criterion.id] = reason
            dropped.append(item)
        else:
            kept.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
    return not_judged


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


def headline(cases: Sequence[Case], seen: Mapping[Key, Observation], environment: Environment) -> str:
    """Return the line that says what was looked at."""
    systems = sorted({case.system for case in cases})
    versions = [f"{name} {environment.facts[name].expected_version or ''}".rstrip() for name in systems]
    return (
        f"drillbook {environment.name}: {environment.platform}, {', '.join(versions)},"
        f" {len(cases)} criteria, {len(seen)} observations"
    )


def _applies(case: Case, environment: Environment) -> bool:
    return _is_here(case.system, environment) and environment.platform in case.criterion.platforms


def _is_here(system: str, environment: Environment) -> bool:
    return system in environment.systems or system in environment.lab_systems


def _hindrance(case: Case, environment: Environment) -> str | None:
    if case.criterion.stage is Stage.LOAD and environment.load is None:
        return "it sends load, and the environment sets no [load] max_rps"
    here = environment.systems.get(case.system)
    if case.criterion.mutating and here is not None and here.scratch_namespace is None:
        return "it writes, and mutations does not allow that here"
    if case.criterion.stage is Stage.LOAD:
        return None
    system = environment.systems.get(case.system) or System(case.system, Place(environment.platform))
    return case.criterion.needs(system)
