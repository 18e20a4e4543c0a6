"""A scenario that went well leaves nothing to be seen by the gate that follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook import labs

from ..running import disrupt, gate
from .stories import CRASH, DRILL, SHUTDOWN


@pytest.fixture(scope="module")
def fresh() -> Iterator[Path]:
    """A lab whose logs nothing else has written to: the gate reads the last minutes of them."""
    lab = labs.bring_up("config-manager")
    try:
        yield lab.environment
    finally:
        lab.close()


@pytest.mark.parametrize("story", [SHUTDOWN, DRILL, CRASH])
def test_the_gate_after_a_scenario_is_green(story: str, fresh: Path, tmp_path: Path) -> None:
    told = disrupt(fresh, story, reports=tmp_path / "story")
    assert told.exit_status in (0, 10), told.output  # 10: this environment states no objectives for the drill
    after = gate(fresh, reports=tmp_path / "gate")
    assert after.exit_status == 0, after.output
