"""Does a busy machine make false verdicts? ``python benchmarks/soak.py [--gates 100] [--scenarios 3] [--busy]``.

Brings up a healthy lab and judges it again and again; ``--busy`` keeps every core of this machine occupied meanwhile.
The lab is healthy, so each verdict other than MET is a false one: it is printed, counted, and the exit status is 1.
Rows about this machine's own load (preflight) are not part of the gate.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from run import ROOT

from drillbook import labs

SYSTEM = "config-manager"
LIMIT_S = 300
KEPT_S = 4 * 3600.0
"""No busy loop outlives this, whatever becomes of its parent."""


def spin(limit_s: float) -> None:
    """Occupy one core until told to end, or until the limit."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        pass


@contextlib.contextmanager
def cores_busy(*, busy: bool) -> Iterator[None]:
    """Keep a busy loop on each core meanwhile."""
    loops = [
        multiprocessing.Process(target=spin, args=(KEPT_S,), daemon=True) for _ in range(os.cpu_count() or 1) if busy
    ]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.terminate()
            loop.join()


def judged(arguments: list[str], reports: Path) -> tuple[int, list[tuple[str, str, str]]]:
    """Run pytest once; return how many verdicts it gave, and id, verdict and observation of each that is not MET."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--reports={reports}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    summary = reports / "latest" / "summary.json"
    if not summary.is_file():
        raise SystemExit(f"a run judged nothing, exit {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    rows = json.loads(summary.read_text("utf-8"))["verdicts"]
    wrong = [(row["id"], row["verdict"], row["observed"]) for row in rows if row["verdict"] != "MET"]
    if done.returncode and not wrong:
        raise SystemExit(f"all MET and exit {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return len(rows), wrong


def soak(name: str, times: int, arguments: list[str], folder: Path) -> int:
    """Judge so many times, print the count, and return how many verdicts were false."""
    total, wrong = 0, collections.Counter[tuple[str, str]]()
    for number in range(times):
        count, found = judged(arguments, folder / f"{name}-{number}")
        total += count
        for row, verdict, observed in found:
            wrong[row, verdict] += 1
            print(f"{name} {number + 1}: {verdict} {row}: {observed}", flush=True)
    print(f"{name}: {times} runs, {total} verdicts, {sum(wrong.values())} false", flush=True)
    return sum(wrong.values())


def main() -> None:
    """Soak, and print; exits 1 when a verdict was false."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=100, help="smoke gates (100)")
    parser.add_argument("--scenarios", type=int, default=0, help="runs of all scenarios and drills (0)")
    parser.add_argument("--busy", action="store_true", help="keep every core of this machine busy")
    given = parser.parse_args()
    lab = labs.bring_up(SYSTEM)
    try:
        with tempfile.TemporaryDirectory() as name, cores_busy(busy=given.busy):
            environment = f"--env={lab.environment}"
            false = soak("gates", given.gates, ["-m", "smoke", environment], Path(name))
            harm = ["chaos", environment, "--disrupt=lab"]
            false += soak("scenarios", given.scenarios, harm, Path(name))
    finally:
        lab.close()
    raise SystemExit(false > 0)


if __name__ == "__main__":
    main()
