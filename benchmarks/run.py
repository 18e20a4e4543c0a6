"""Measures the claims of speed as ratios in one run: ``python benchmarks/run.py [--pairs N]``.

Each figure is the median of several runs, taken in turn (A B A B ...), so that a drifting machine moves both sides.
Needs the lab's extra; brings up a lab of its own and takes it down.
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

from drillbook import labs

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent


def seconds(command: list[str], cwd: Path, *, allowed: tuple[int, ...] = (0,)) -> float:
    """Run a command and return its wall time in seconds; any other exit status than the allowed is an error."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode not in allowed:
        raise SystemExit(f"{command} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def paired(
    first: list[str], first_cwd: Path, second: list[str], second_cwd: Path, pairs: int
) -> tuple[list[float], list[float]]:
    """Run both commands in turn, once to warm up and then ``pairs`` times; return both lists of seconds."""
    a: list[float] = []
    b: list[float] = []
    for number in range(pairs + 1):
        one, two = seconds(first, first_cwd), seconds(second, second_cwd)
        if number:
            a.append(one)
            b.append(two)
    return a, b


def report(name: str, a: list[float], b: list[float], target: str) -> None:
    """Print medians and the median of the ratios pair by pair."""
    ratio = statistics.median(x / y for x, y in zip(a, b, strict=True))
    medians = f"{statistics.median(a):.2f} s against {statistics.median(b):.2f} s"
    print(f"{name}: {medians}, ratio {ratio:.2f}  (target {target})")


def main() -> None:
    """Measure one criterion, the whole gate, and 100 criteria of 60 addresses and 40 files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="counted runs of each side (7)")
    pairs = parser.parse_args().pairs
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    lab = labs.bring_up("config-manager")
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "test_trivial.py").write_text("def test_trivial():\n    pass\n")
            trivial = [*pytest, "test_trivial.py"]
            judged = [*pytest, f"--env={lab.environment}", f"--reports={folder / 'reports'}"]
            one = [*judged, "-k", "health.status-healthy"]
            report("one criterion against a trivial test", *paired(one, ROOT, trivial, folder, pairs), "1.6")
            whole = [*judged, "-m", "smoke"]
            report("the whole gate against a trivial test", *paired(whole, ROOT, trivial, folder, pairs), "under 1 s")
    finally:
        lab.close()
    subprocess.run([sys.executable, str(HERE / "hundred.py"), "--pairs", str(pairs)], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
