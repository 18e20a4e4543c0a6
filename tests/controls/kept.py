"""Keeping what control runs have shown.

``DRILLBOOK_CONTROL_RUNS=FILE`` has each proof appended to a file, a line each, by whichever worker made it. ``python -m
tests.controls.kept FILE`` puts them into lab/control_runs.json, where `drillbook trace` finds them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from drillbook import control_runs
from drillbook.control_runs import ControlRun
from drillbook.journal import read
from drillbook.journal.events import RunBegan

from ..running import Run

FILE = "DRILLBOOK_CONTROL_RUNS"


def add(platform: str, flipped: dict[str, Iterable[str]], run: Run) -> None:
    """Append a run in which defects flipped exactly what they name, if a file is asked for.

    Args:
        platform: where.
        flipped: the ids of each defect that was planted.
        run: what showed it; its journal says when, and at which commit.
    """
    if not (file := os.environ.get(FILE)):
        return
    first = next(read(run.directory))
    assert isinstance(first.event, RunBegan)
    commit = first.event.commit or "unknown"
    found = [
        ControlRun(name, platform, frozenset(ids), commit, first.at, tuple(flipped.keys() - {name}))
        for name, ids in flipped.items()
    ]
    with Path(file).open("a", encoding="utf-8") as stream:
        stream.write("".join(f"{json.dumps(one.to_json())}\n" for one in found))


def keep(file: Path) -> int:
    """Put what was appended to a file into the project's record; return how many defects and platforms it proves."""
    found = [ControlRun.from_json(json.loads(line)) for line in file.read_text("utf-8").splitlines()]
    control_runs.write((*control_runs.read(), *found))
    return len({(one.defect, one.platform) for one in found})


if __name__ == "__main__":
    print(f"{keep(Path(sys.argv[1]))} defects on their platforms are proved by this run, in {control_runs.path()}")
