"""The smoke gate against a running system, on every platform that is up: ``python benchmarks/gates.py [--pairs N]``.

Wall time of the whole command ``pytest -q -m smoke --env NAME``, in turn with one trivial pytest test in the same venv,
and the ratio of the two. A platform whose lab is not up is left out, with the command that starts it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from run import ROOT, paired, report

from drillbook import carried

ENVIRONMENTS = {"process": "local", "compose": "compose", "systemd": "systemd", "kubernetes": "kubernetes"}
TARGET_S = 2.0
SYSTEM = "config-manager"


def is_up(platform: str) -> bool:
    """Say whether the lab of this platform was left running by ``drillbook lab up``."""
    arguments, environment = carried.lab_command("registered", SYSTEM, "--on", platform)
    return subprocess.run(arguments, env=environment, cwd="/", capture_output=True, check=False).returncode == 0


def main() -> None:
    """Measure what is up, and print. Exits 1 when nothing is up, or when a median is over the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="counted runs of each side (7)")
    pairs = parser.parse_args().pairs
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    medians = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_trivial.py").write_text("def test_trivial():\n    pass\n")
        for platform, environment in ENVIRONMENTS.items():
            if not is_up(platform):
                print(f"{platform}: not measured, no lab is up; drillbook lab up {SYSTEM} --on {platform}")
                continue
            gate = [*pytest, "-m", "smoke", "--env", environment, f"--reports={folder / 'reports'}"]
            both = paired(gate, ROOT, [*pytest, "test_trivial.py"], folder, pairs)
            report(f"{platform}, the smoke gate against a trivial test", *both, f"under {TARGET_S:g} s")
            medians[platform] = statistics.median(both[0])
    late = [platform for platform, median_s in medians.items() if median_s >= TARGET_S]
    if late or not medians:
        raise SystemExit(f"over {TARGET_S:g} s: {', '.join(late)}" if late else "nothing is up: nothing was measured")


if __name__ == "__main__":
    main()
