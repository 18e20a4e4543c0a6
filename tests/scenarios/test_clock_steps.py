"""Somebody sets the runner's wall clock in the middle of a drill: nothing that is measured or leased may notice.

A preloaded library shifts CLOCK_REALTIME of runner, watchdog and clients; the lab's services keep theirs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drillbook.journal import find_run, read
from drillbook.polling import wait_until

from ..running import disrupt

HERE = Path(__file__).parent
RATE_PER_S = 50.0


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("shim") / "clock_shift.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "clock_shift.c"], check=True, timeout=60)
    return library


@dataclass
class Stepper:
    """Waits for a kind of record in the only run's journal, then sets the clock; notes when, by the monotonic clock."""

    reports: Path
    file: Path
    step_s: float
    stepped_at_s: list[float] = field(default_factory=list)

    def run(self) -> None:
        wait_until(self._faulty, what="the fault", timeout_s=60, every_s=0.02)
        self.file.with_suffix(".new").write_text(str(self.step_s))
        self.file.with_suffix(".new").replace(self.file)
        self.stepped_at_s.append(time.monotonic())

    def _faulty(self) -> bool:
        return any('"kind": "fault"' in path.read_text("utf-8") for path in self.reports.glob("2*/journal.jsonl"))


@pytest.mark.parametrize("step_s", [-5.0, -0.8, 3600.0])
def test_a_step_of_the_wall_clock_changes_no_figure_and_ends_no_lease(
    step_s: float, shim: Path, lab_environment: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment.toml"
    condition = "[disruption]\nabort_when = { bad_share = 0.99, over_s = 5 }"
    text = lab_environment.read_text().replace("[disruption]", condition, 1)
    environment.write_text(text + "\n[objectives]\nrto_s = 30\nrpo_s = 0\n")
    stepper = Stepper(tmp_path / "reports", tmp_path / "shift", step_s)
    thread = threading.Thread(target=stepper.run)
    thread.start()
    variables = {"LD_PRELOAD": str(shim), "CLOCK_SHIFT_FILE": str(stepper.file)}
    done = disrupt(environment, "chaos", "-m", "drill", reports=stepper.reports, variables=variables)
    ended_at_s = time.monotonic()
    thread.join()

    assert done.exit_status == 0, done.output
    assert f"clock was set by {step_s:+.1f} s" in done.output
    records = read(find_run(stepper.reports, "latest"))
    assert [record for record in records if record.kind == "clock-step"]
    (line,) = done.summary["drills"]
    rto_s = float(line.split()[1])
    assert 0 < rto_s < ended_at_s - stepper.stepped_at_s[0] + 1.0  # the fault record may be seen up to a second late
    (samples,) = done.directory.rglob("samples.jsonl")
    rows = [row for row in map(json.loads, samples.read_text("utf-8").splitlines()) if "n" in row]
    rows.sort(key=lambda row: row["n"])
    drift_s = [row["at"] - rows[0]["at"] - (row["n"] - rows[0]["n"]) / RATE_PER_S for row in rows]
    assert max(map(abs, drift_s)) < 0.01, "the samples are not on one time line"
