"""What a file in ``checks/`` uses: ``cases`` to parametrize, the ``verdict`` fixture, ``must_hold`` to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..model import Criterion, Outcome, Verdict
from ..rounds import Case
from .gate import GATE
from .verdicts import NotMet, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def cases(system: str, criteria: Sequence[Criterion[Any]]) -> Callable[..., Any]:
    """Parametrize a test with rows: one case each, named by its catalogue id, marked by its stage.

    Args:
        system: the system in whose environment the rows are judged.
        criteria: the rows; an empty list is an error, for it would pass.
    """
    if not criteria:
        raise ValueError(f"no criteria for {system}: a test that judges nothing would pass")
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(
                Case(system, row),
                id=row.id,
                marks=[
                    getattr(pytest.mark, row.stage.value),
                    pytest.mark.criterion,
                    *([pytest.mark.mutating] if row.mutating else []),
                ],
            )
            for row in criteria
        ],
    )


@pytest.fixture
def verdict(case: Case, request: pytest.FixtureRequest) -> Verdict:
    """Judge the case by what the run has observed; UNKNOWN raises here, in set-up."""
    gate = request.config.stash[GATE]
    found, excuse = gate.judge(case, request.node)
    if found.outcome is Outcome.UNKNOWN:
        if excuse is not None:
            pytest.xfail(excuse)
        raise Unknown(f"{found.id}: {found.observed}")
    if found.outcome is Outcome.NOT_MET and excuse is not None:
        pytest.xfail(excuse)
    return found


def must_hold(found: Verdict) -> None:
    """Fail the test unless the verdict is MET."""
    __tracebackhide__ = True
    if found.outcome is not Outcome.MET:
        raise NotMet(f"{found.id}: expected {found.expected}; observed {found.observed}")
