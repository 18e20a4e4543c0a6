"""Are systems judged as they were? ``python benchmarks/as_before.py BEFORE AFTER``.

Each folder holds runs as they lie under reports/, at any depth: gates, scenarios, drills and load on one or more
platforms, kept from before a change and from after it. They are compared by platform, kind of run and id: verdict,
expectation, severity, heading and advice. Prints what differs and exits 1 then; exits 2 when a folder holds no verdict.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from drillbook.journal import read
from drillbook.journal.events import RunBegan

COMPARED = ("verdict", "expected", "severity", "runbook", "remedy")
Key = tuple[str, str, str]
"""Platform; ``checks``, ``chaos`` or ``load``; id."""


def verdicts(folder: Path) -> dict[Key, set[tuple[str, ...]]]:
    """Return what all runs of a folder said of each id; several runs of one kind may differ, and then all is kept."""
    found: dict[Key, set[tuple[str, ...]]] = {}
    for path in sorted(folder.rglob("summary.json")):
        summary: dict[str, Any] = json.loads(path.read_text("utf-8"))
        platform = _platform(path.parent)
        for row in summary["verdicts"]:
            kind = str(row["test"]).partition("/")[0]
            said = tuple(str(row[name]) for name in COMPARED)
            found.setdefault((platform, kind, row["id"]), set()).add(said)
    return found


def _platform(run: Path) -> str:
    """Return the platform of a run: its journal's first record says it."""
    first = next(read(run)).event
    assert isinstance(first, RunBegan)
    return first.platform


def differences(before: dict[Key, set[tuple[str, ...]]], after: dict[Key, set[tuple[str, ...]]]) -> list[str]:
    """Return a line for each id that is said otherwise, or on one side alone."""
    lines = []
    for key in sorted(before.keys() | after.keys()):
        where = " ".join(key)
        if key not in after:
            lines.append(f"{where}: no longer judged")
        elif key not in before:
            lines.append(f"{where}: judged only now")
        else:
            for index, name in enumerate(COMPARED):
                was, now = ({one[index] for one in side[key]} for side in (before, after))
                if was != now:
                    lines.append(f"{where}: {name} was {sorted(was)}, is {sorted(now)}")
    return lines


def main() -> int:
    """Compare two folders of summaries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    before, after = verdicts(options.before), verdicts(options.after)
    for folder, found in ((options.before, before), (options.after, after)):
        if not found:
            print(f"{folder}: no verdicts; expected runs with summary.json and journal.jsonl", file=sys.stderr)
            return 2
    lines = differences(before, after)
    for line in lines:
        print(line)
    print(f"{len(before)} ids before, {len(after)} after, {len(lines)} differences")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
