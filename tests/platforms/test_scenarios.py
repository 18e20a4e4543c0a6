"""The same scenarios and the same drill on every platform, and defects that they must find there.

What they measure is time: these run alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook.trace import broken_on

from ..controls.test_planted_defects import CONTROLS, allow_all
from ..running import disrupt
from .grounds import PLATFORMS, Ground

ELSEWHERE = [name for name in PLATFORMS if name != "process"]
CASES = [
    (platform, name)
    for platform in ELSEWHERE
    for name, row in CONTROLS.items()
    if row.get("stage") == "chaos" and platform in row["platforms"]
]


def test_all_scenarios_and_the_drill_are_met_on_a_healthy_system(ground: Ground, tmp_path: Path) -> None:
    run = disrupt(allow_all(ground.file, tmp_path, rto_s=60), "chaos", reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    assert run.broken() == set()
    assert len(run.verdicts()) >= 12
    assert "RTO" in run.output
    assert len(ground.have(ground.count)) == ground.count


@pytest.mark.parametrize(("ground", "name"), CASES, indirect=["ground"])
def test_a_defect_under_disruption_flips_exactly_what_it_names(ground: Ground, name: str, tmp_path: Path) -> None:
    row = CONTROLS[name]
    with ground.planted(row):
        environment = allow_all(ground.file, tmp_path, rto_s=row.get("rto_s", 60))
        run = disrupt(environment, row["tests"], reports=tmp_path / "reports")
    assert run.broken() == broken_on(row, ground.name), run.output
    assert run.exit_status == 1, run.output
