"""What of the collected tests applies to this environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..model import Facts, System
from ..rounds import Case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from ..environment import Environment
    from ..model import Observation
    from ..observations import Key


def case_of(item: pytest.Item) -> Case | None:
    """Return the case that a test judges, or None for an ordinary test."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("case") if callspec is not None else None
    return found if isinstance(found, Case) else None


def keep_applicable(items: list[pytest.Item], environment: Environment, config: pytest.Config) -> dict[str, str]:
    """Deselect what does not apply here, in place.

    Returns:
        Ids that apply and still cannot be judged, each with the reason; they are listed, never passed over silently.
    """
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    not_judged: dict[str, str] = {}
    for item in items:
        case = case_of(item)
        if case is None:
            kept.append(item)
        elif not _applies(case, environment):
            dropped.append(item)
        elif (reason := _hindrance(case, environment)) is not None:
            not_judged[case.criterion.id] = reason
            dropped.append(item)
        else:
            kept.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
    return not_judged


def with_bare_systems(environment: Environment) -> Environment:
    """Give lab systems that are not up the little that a preflight needs: their name and platform."""
    systems = {
        name: environment.systems.get(name) or System(name, environment.platform) for name in environment.lab_systems
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
    here = case.system in environment.systems or case.system in environment.lab_systems
    return here and environment.platform in case.criterion.platforms


def _hindrance(case: Case, environment: Environment) -> str | None:
    if case.criterion.mutating and environment.mutations_namespace is None:
        return "it writes, and [mutations] does not allow that here"
    system = environment.systems.get(case.system) or System(case.system, environment.platform)
    return case.criterion.needs(system)
