"""What a run and its tests carry besides their outcome: who ran it, and each verdict for JUnit and Allure."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from .. import __version__, catalogue
from ..journal.events import RunBegan
from ..model import Severity

if TYPE_CHECKING:
    import pytest

    from ..environment import Environment
    from ..journal import Journal
    from ..model import Criterion, Observation, Verdict

_COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "GIT_COMMIT")
_JOB_VARIABLES = ("CI_JOB_URL", "BUILDKITE_BUILD_URL", "BUILD_URL", "GITHUB_RUN_ID")


def open_run(journal: Journal, environment: Environment) -> None:
    """Write the journal's first record: what is judged, by which facts, and who asked."""
    journal.write(
        RunBegan(
            environment=environment.name,
            platform=environment.platform,
            systems=tuple(sorted(environment.systems)),
            facts=environment.facts,
            drillbook=__version__,
            user=os.environ.get("USER") or str(os.getuid()),
            host=os.uname().nodename,
            commit=_first_of(_COMMIT_VARIABLES) or _head(),
            job=_first_of(_JOB_VARIABLES),
        )
    )


def attach(
    item: pytest.Item,
    system: str,
    criterion: Criterion[Any],
    verdict: Verdict,
    excuse: str | None,
    readings: list[Observation],
) -> None:
    """Give the verdict to JUnit (as properties) and, when asked for, to Allure."""
    item.user_properties += [
        ("system", system),
        ("criterion", verdict.id),
        ("verdict", verdict.outcome.value),
        ("expected", verdict.expected),
        ("observed", verdict.observed),
        ("source", verdict.source),
        ("severity", criterion.severity.value),
    ]
    if excuse:
        item.user_properties.append(("excuse", excuse))
    if item.config.getoption("allure_report_dir", None):
        _to_allure(system, criterion, verdict, readings)


def _to_allure(system: str, criterion: Criterion[Any], verdict: Verdict, readings: list[Observation]) -> None:
    import allure  # noqa: PLC0415 - only with --alluredir

    dynamic: Any = allure.dynamic  # the package is typed in part
    dynamic.label("testId", verdict.id)
    dynamic.label("system", system)
    dynamic.suite(catalogue.entry(verdict.id).full_heading)
    dynamic.severity("critical" if criterion.severity is Severity.CRITICAL else "minor")
    allure.attach(json.dumps([one.record() for one in readings], indent=2), "observations", allure.attachment_type.JSON)


def _first_of(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _head() -> str | None:
    """Return the commit of the working directory, None outside a checkout or without git."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
