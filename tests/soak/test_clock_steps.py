"""Somebody sets the runner's wall clock in the middle of a drill: nothing that is measured or leased may notice.

A preloaded library shifts CLOCK_REALTIME of runner, watchdog and clients; the lab's services keep theirs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .clocks import compiled, set_clock
from .storms import Moment, Storm, play

pytestmark = pytest.mark.alone

RATE_PER_S = 50.0
IN_HARM = Moment("stop api", "in_effect")


@pytest.mark.parametrize("step_s", [-5.0, -0.8, 3600.0])
def test_a_step_of_the_wall_clock_changes_no_figure_and_ends_no_lease(
    step_s: float, lab_environment: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment.toml"
    condition = "[disruption]\nabort_when = { bad_share = 0.99, over_s = 5 }"
    text = lab_environment.read_text().replace("[disruption]", condition, 1)
    environment.write_text(text + '\n[systems.config-manager.objectives."*"]\nrto_s = 30\nrpo_s = 0\n')
    hit = set_clock(step_s)
    storm = Storm("clock", (hit,), (IN_HARM,), (0,))

    found = play(storm, environment, IN_HARM, hit, tmp_path, compiled(tmp_path))

    assert not found.broken, found.output
    assert f"clock was set by {step_s:+.1f} s" in found.output
    assert '"kind": "clock-step"' in next((tmp_path / "drill").glob("2*/journal.jsonl")).read_text("utf-8")
    summary = json.loads((tmp_path / "drill" / "latest" / "summary.json").read_text("utf-8"))
    rto_s = float(summary["drills"][0].split()[1])
    assert 0 < rto_s < found.undone_s + 5
    (samples,) = (tmp_path / "drill" / "latest").resolve().rglob("samples.jsonl")
    rows = [row for row in map(json.loads, samples.read_text("utf-8").splitlines()) if "n" in row]
    rows.sort(key=lambda row: row["n"])
    drift_s = [row["at"] - rows[0]["at"] - (row["n"] - rows[0]["n"]) / RATE_PER_S for row in rows]
    assert max(map(abs, drift_s)) < 0.01, "the samples are not on one time line"
