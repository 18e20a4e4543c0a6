"""The same scenarios and the same drill on every platform, and defects that they must find there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ..controls.packs import Pack, packs, prove
from ..controls.test_planted_defects import allow_all
from ..running import Run, disrupt
from .grounds import PLATFORMS, Ground

pytestmark = pytest.mark.few

CASES = [pack for platform in PLATFORMS if platform != "process" for pack in packs(platform, "chaos")]


def test_all_scenarios_and_the_drill_are_met_on_a_healthy_system(ground: Ground, tmp_path: Path) -> None:
    run = disrupt(allow_all(ground.file, tmp_path, rto_s=60), "chaos", reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    assert run.broken() == set()
    assert len(run.verdicts()) >= 12
    assert "RTO" in run.output
    assert len(ground.have(ground.count)) == ground.count


@pytest.mark.parametrize(("ground", "pack"), [(pack.platform, pack) for pack in CASES], indirect=["ground"], ids=str)
def test_defects_under_disruption_flip_exactly_what_they_name(ground: Ground, pack: Pack, tmp_path: Path) -> None:
    def look(row: Mapping[str, Any]) -> Run:
        with ground.planted(row):
            environment = allow_all(ground.file, tmp_path, rto_s=row.get("rto_s", 60))
            return disrupt(environment, row["tests"], reports=tmp_path / "reports")

    prove(pack, look)
