"""A wall clock that is set while a drill runs, by a preloaded library."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .storms import Drill, Hit

SOURCE = Path(__file__).with_name("clock_shift.c")
_SHIFT = "shift"


def compiled(folder: Path) -> dict[str, str]:
    """Return the variables of a process whose clock can be set; the place of the setting is beside its reports.

    Skips the test where there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = folder / "clock_shift.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True, timeout=60)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(folder / _SHIFT)}


def set_clock(step_s: float) -> Hit:
    """Set the clock of a run that has these variables."""

    def step(drill: Drill) -> None:
        fresh = drill.reports.with_name("shift.new")
        fresh.write_text(str(step_s))
        fresh.replace(drill.reports.with_name(_SHIFT))

    return step
