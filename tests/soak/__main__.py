"""Storms on a lab: ``python -m tests.soak [--only runner ...] [--rounds 3] [--seed 7]``.

Each round is a drill of its own, hit at a random moment; the seed that is printed plays the same rounds again.
Exits 1 when anything did not come right.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import secrets
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from drillbook import labs

from ..running import let_signals_through
from .clocks import compiled, set_clock
from .storms import (
    ARMED,
    HARMED,
    MOMENTS,
    Round,
    Storm,
    fill_disk,
    kill_both,
    kill_runner,
    kill_watchdog,
    play,
    signal_storms,
)

ROUNDS = {"runner": 40, "watchdog": 15, "both": 15, "signals": 30, "disk-full": 8, "clock-steps": 18}
_SHOWN = 12
STEPS_S = (0.5, 5.0, 3600.0, -0.8, -5.0, -3600.0)


def storms(rng: random.Random) -> dict[str, Storm]:
    """Return all kinds, their random parts taken from a generator."""
    killed = (-signal.SIGKILL,)
    return {
        "runner": Storm("runner", (kill_runner,), MOMENTS, killed),
        # Its death before any harm, or after all, may be made good by a successor; never a green run with harm in.
        "watchdog": Storm("watchdog", (kill_watchdog,), ARMED, (1, 3)),
        "both": Storm("both", (kill_both,), ARMED, killed),
        "signals": Storm("signals", signal_storms(rng), HARMED, (2,)),
        "disk-full": Storm("disk-full", (fill_disk,), HARMED, (3,)),
        "clock-steps": Storm("clock-steps", tuple(set_clock(step_s) for step_s in STEPS_S), MOMENTS, (0,)),
    }


def blow(name: str, rounds: int, rng: random.Random, environment: Path, folder: Path) -> list[Round]:
    """Play so many rounds of one kind and print each."""
    found = []
    for number in range(rounds):
        storm = storms(rng)[name]
        moment = replace(rng.choice(storm.moments), later_s=round(rng.uniform(0, 0.4), 2))
        if moment.state == "after":  # little is left of the drill then: a hit that comes later hits nothing
            moment = replace(moment, later_s=0.0)
        place = folder / f"{name}-{number}"
        place.mkdir()
        variables = compiled(place) if name == "clock-steps" else None
        one = play(storm, environment, moment, storm.hits[number % len(storm.hits)], place, variables)
        print(f"{name} {number + 1}: {moment}: exit {one.exit_status}, undone after {one.undone_s:.1f} s", flush=True)
        for wrong in one.broken:
            print(f"    WRONG {_short(wrong)}", flush=True)
        found.append(one)
    return found


def _short(text: str) -> str:
    """Return a text's first line and its last ones."""
    lines = text.splitlines()
    return "\n      ".join(lines if len(lines) <= _SHOWN else [lines[0], "...", *lines[-_SHOWN:]])


def main() -> None:
    """Play all rounds, and print what was left."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ROUNDS, default=list(ROUNDS), help="these kinds alone")
    parser.add_argument("--rounds", type=int, help="so many of each, in place of the full number")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = parser.parse_args()
    let_signals_through()
    print(f"seed {given.seed}", flush=True)
    broken = 0
    with tempfile.TemporaryDirectory() as name:
        os.environ["DRILLBOOK_STATE_DIR"] = f"{name}/state"
        lab = labs.bring_up("config-manager")
        try:
            environment = with_objectives(lab.environment, Path(name))
            for kind in given.only:
                rng = random.Random(f"{given.seed} {kind}")  # noqa: S311 - a game of chance that can be played again
                rounds = blow(kind, given.rounds or ROUNDS[kind], rng, environment, Path(name))
                wrong = sum(bool(one.broken) for one in rounds)
                slowest = sorted(one.undone_s for one in rounds)
                p99_s = slowest[math.ceil(0.99 * len(slowest)) - 1]
                print(f"{kind}: {len(rounds)} rounds, {wrong} wrong, undone p99 {p99_s:.1f} s", flush=True)
                broken += wrong
        finally:
            lab.close()
    raise SystemExit(broken > 0)


def with_objectives(environment: Path, folder: Path) -> Path:
    """Return a copy of an environment file that states the objectives which a drill is judged by."""
    copy = folder / "environment.toml"
    copy.write_text(
        environment.read_text("utf-8") + '\n[systems.config-manager.objectives."*"]\nrto_s = 60\nrpo_s = 0\n', "utf-8"
    )
    return copy


if __name__ == "__main__":
    main()
