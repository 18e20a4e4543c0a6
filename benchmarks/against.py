"""Is the gate as fast as it was? ``python benchmarks/against.py OLD_CHECKOUT [--pairs N]``.

Brings up one lab and runs the smoke gate of this checkout and of the other in turn (A B A B ...), both with this
interpreter and what is installed beside it; prints the median of the ratios, pair by pair. Exits 1 above the limit.
Drillbook itself must not be installed there, or its entry point is loaded with both: ``PYTHONPATH=src python ...``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import ROOT

from drillbook import labs

SYSTEM = "config-manager"


def environment_of(checkout: Path) -> dict[str, str]:
    """Return the variables under which Python imports Drillbook from a checkout. Exits when it does not."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPATH"] = os.pathsep.join((str(checkout / "src"), str(checkout)))
    found = subprocess.run(
        [sys.executable, "-c", "import drillbook; print(drillbook.__file__)"],
        env=variables,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if not Path(found).is_relative_to(checkout / "src"):
        raise SystemExit(f"expected Drillbook from {checkout / 'src'}, found {found}")
    return variables


def gate_s(checkout: Path, variables: dict[str, str], environment: Path, reports: Path) -> float:
    """Run one green gate and return its wall time in seconds; any other exit status than 0 ends the benchmark."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "smoke"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, f"--env={environment}", f"--reports={reports}"],
        cwd=checkout,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"the gate of {checkout} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def main() -> None:
    """Measure and print; exits 1 when the median ratio is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="a checkout of the commit to compare with (git worktree add DIR COMMIT)")
    parser.add_argument("--pairs", type=int, default=15, help="counted runs of each side (15)")
    parser.add_argument("--limit", type=float, default=1.10, help="the greatest median ratio, new to old (1.10)")
    given = parser.parse_args()
    sides = {checkout: environment_of(checkout) for checkout in (ROOT, given.old.resolve())}
    took: dict[Path, list[float]] = {checkout: [] for checkout in sides}
    lab = labs.bring_up(SYSTEM)
    try:
        with tempfile.TemporaryDirectory() as reports:
            for number in range(given.pairs + 1):
                for checkout, variables in sides.items():
                    seconds = gate_s(checkout, variables, lab.environment, Path(reports))
                    if number:  # the first warms up
                        took[checkout].append(seconds)
    finally:
        lab.close()
    new, old = took.values()
    ratio = statistics.median(a / b for a, b in zip(new, old, strict=True))
    medians = f"{statistics.median(new):.2f} s now, {statistics.median(old):.2f} s before"
    print(f"the gate, {given.pairs} pairs: {medians}, median ratio {ratio:.2f}  (at most {given.limit:g})")
    raise SystemExit(ratio > given.limit)


if __name__ == "__main__":
    main()
