"""Scenarios as a test starts them, and what they leave to be seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from drillbook.journal import find_run, read

from ..running import ROOT, tell

SHUTDOWN = "chaos/test_shutdown.py"
CRASH = "chaos/test_crash.py"
DRILL = "chaos/drills/test_full_restart.py"


def states(environment: Path) -> dict[str, tuple[str, int]]:
    """State and number of starts of every process."""
    return {row["name"]: (row["state"], row["starts"]) for row in tell(environment, do="list")["processes"]}


def leftovers() -> list[Path]:
    """Undo records in the state directory of these tests."""
    return list((Path(os.environ["DRILLBOOK_STATE_DIR"]) / "faults").rglob("*.json"))


def start(environment: Path, reports: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--env={environment}", "--disrupt=lab",
         f"--reports={reports}", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def kinds(reports: Path) -> set[str]:
    """The kinds of records in the only run's journal so far."""
    runs = [path for path in reports.glob("*/journal.jsonl") if not path.parent.is_symlink()]
    return {record.kind for path in runs for record in read(find_run(reports, path.parent.name))}


def summary_of(reports: Path) -> dict[str, Any]:
    """The newest run's summary."""
    found: dict[str, Any] = json.loads((reports / "latest" / "summary.json").read_text("utf-8"))
    return found
