"""Is the gate as fast as it was? ``python benchmarks/against.py OLD_CHECKOUT [--pairs N]``.

Brings up a lab of each checkout, which writes its environment in the words of its time, and runs the two smoke gates in
turn (A B A B ...), both with this interpreter and what is installed beside it; prints the median of the ratios, pair by
pair. Exits 1 above the limit.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from run import ROOT

KEEP = """
from drillbook import labs
lab = labs.bring_up("config-manager")
try:
    print(lab.environment, flush=True)
    input()
finally:
    lab.close()
"""


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


@contextmanager
def lab_of(checkout: Path, variables: dict[str, str]) -> Iterator[Path]:
    """Keep a lab of a checkout up; give its environment file."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEP],
        cwd=checkout,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as keeper:
        assert keeper.stdout
        try:
            yield Path(keeper.stdout.readline().strip())
        finally:
            keeper.communicate("\n", timeout=60)


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
    with ExitStack() as stack:
        reports = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = {checkout: stack.enter_context(lab_of(checkout, variables)) for checkout, variables in sides.items()}
        for number in range(given.pairs + 1):
            for checkout, variables in sides.items():
                seconds = gate_s(checkout, variables, files[checkout], reports)
                if number:  # the first warms up
                    took[checkout].append(seconds)
    new, old = took.values()
    ratio = statistics.median(a / b for a, b in zip(new, old, strict=True))
    medians = f"{statistics.median(new):.2f} s now, {statistics.median(old):.2f} s before"
    print(f"the gate, {given.pairs} pairs: {medians}, median ratio {ratio:.2f}  (at most {given.limit:g})")
    raise SystemExit(ratio > given.limit)


if __name__ == "__main__":
    main()
