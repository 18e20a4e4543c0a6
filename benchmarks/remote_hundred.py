"""100 host criteria over one SSH host with a 50 ms round trip: ``python benchmarks/remote_hundred.py [--pairs N]``.

Needs the lab's host: ``drillbook lab up config-manager --on systemd``. A relay between ssh and the host holds every
byte back for 25 ms in each direction, on all machines alike (netem is not in every kernel). The criteria share no
observation: 60 files, 25 units, 15 settings of the kernel. Printed apart: with the shared connection open, as in every
gate but the first of half a minute, and cold, where ssh pays for its own greeting and login (some ten round trips).
Beside it stands the time of one such fact alone on the open connection: what a gate costs that asks for one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from drillbook import carried
from drillbook.accepts import met_if, rule
from drillbook.environment import load
from drillbook.model import Accepts, CannotObserve, Criterion, Facts, Outcome, Place, System, Target, judge
from drillbook.observations import Want, observe
from drillbook.platforms.systemd.settings import SystemdHost
from drillbook.probes.base import ReadingProbe
from drillbook.probes.remote_host import on_host
from drillbook.redaction import Redactor

FACTS = Facts("systemd", None, 2.0)
ONE_WAY_S = 0.025
TARGET_S = 1.0
SYSTEM = "config-manager"
COUNTS = {"file": 60, "unit": 25, "setting": 15}
LISTS = {
    "file": "find /etc -type f -size +0 -perm -o=r 2>/dev/null | sort",
    "unit": "systemctl list-unit-files --no-legend --type=service | cut -d' ' -f1 | grep -v '@' | sort",
    "setting": "find /proc/sys/vm -type f -perm -u=r,o=r | sort",
}
READ = {"file": "stat -c %s -- {}", "unit": "systemctl show -P LoadState -- {}", "setting": "cat -- {}"}

RELAY = """
import asyncio, sys

async def carry(reader, writer, hold_s):
    loop = asyncio.get_running_loop()
    def pass_on(part):
        if not writer.is_closing():
            writer.write(part)
    while part := await reader.read(65536):
        loop.call_later(hold_s, pass_on, part)
    loop.call_later(hold_s, writer.close)

async def serve(near, to_near, port, hold_s):
    far, to_far = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(carry(near, to_far, hold_s), carry(far, to_near, hold_s), return_exceptions=True)

async def main(port, hold_s):
    server = await asyncio.start_server(lambda r, w: serve(r, w, port, hold_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(600)

asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What a command on the host printed."""

    text: str


@dataclass(frozen=True)
class HostFact(ReadingProbe[Line]):
    """One fact of the host."""

    kind: str
    name: str
    reading: ClassVar[type[Line]] = Line
    timeout_s: ClassVar[float] = 8.0
    together: ClassVar[bool] = True

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the host."""
        return (Target(system, "host"),)

    def source(self, target: Target) -> str:
        """Return what is asked."""
        return f"{target.name} {self.kind} {self.name}"

    def observe(self, target: Target) -> Line:
        """Ask the host."""
        run = on_host(target.system)
        if run is None:
            raise CannotObserve("no host", hint="start the lab")
        return Line(run(READ[self.kind].format(shlex.quote(self.name))).strip())


def criteria(system: System) -> list[Criterion[Line]]:
    """Return 100 different criteria about what there is on the host: no two share an observation."""
    run = on_host(system)
    assert run is not None
    said: Accepts[Line] = rule("something is said", lambda line: met_if(bool(line.text), line.text[:80]))
    found = {kind: run(LISTS[kind]).splitlines()[:count] for kind, count in COUNTS.items()}
    rows = [Criterion(f"a.{kind}.{name}", HostFact(kind, name), said) for kind in found for name in found[kind]]
    assert len(rows) == sum(COUNTS.values())
    return rows


def seconds(system: System, rows: list[Criterion[Line]]) -> float:
    """Observe and judge; return the seconds that it took."""
    began = time.perf_counter()
    wants = [Want(row.probe, target) for row in rows for target in row.probe.targets(system)]
    seen = observe(wants, Redactor())
    verdicts = [judge(row, [seen[want.key]], FACTS) for row, want in zip(rows, wants, strict=True)]
    took = time.perf_counter() - began
    wrong = [verdict for verdict in verdicts if verdict.outcome is not Outcome.MET]
    if wrong:
        raise SystemExit(f"{len(wrong)} of {len(rows)} not MET, the first: {wrong[0]}")
    return took


def far_away(system: System, port: int, folder: Path) -> System:
    """Return the system as it is reached through the relay; a shared connection of its own goes with it."""
    near = system.place.held_as(SystemdHost)
    assert near is not None
    assert near.ssh_config is not None
    text = near.ssh_config.read_text("utf-8")
    direct = next(line.split()[1] for line in text.splitlines() if line.split()[:1] == ["Port"])
    head = f"Host {near.host}\n  Port {port}\n  HostKeyAlias [127.0.0.1]:{direct}\n"
    config = folder / f"ssh_config-{port}"
    config.write_text(f"{head}{text}", "utf-8")
    return dataclasses.replace(system, place=Place("systemd", SystemdHost(near.host, near.units, config)))


def relayed(system: System) -> subprocess.Popen[str]:
    """Start the relay to the host; its first line is its port."""
    near = system.place.held_as(SystemdHost)
    assert near is not None
    assert near.ssh_config is not None
    words = near.ssh_config.read_text("utf-8").split()
    command = [sys.executable, "-c", RELAY, words[words.index("Port") + 1], str(ONE_WAY_S)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def the_host() -> System:
    """Return the lab's host. Exits with what to start when it is not up."""
    arguments, environment = carried.lab_command("registered", SYSTEM, "--on", "systemd")
    found = subprocess.run(arguments, env=environment, cwd="/", capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"not measured, no host is up; drillbook lab up {SYSTEM} --on systemd")
    return load(Path(json.loads(found.stdout)["environment"])).systems[SYSTEM]


def measure(pairs: int, folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds of 100 on an open connection, of one fact there, and of 100 cold."""
    system = the_host()
    rows = criteria(system)
    relays: list[subprocess.Popen[str]] = []

    def fresh() -> System:
        relays.append(relayed(system))
        assert relays[-1].stdout is not None
        return far_away(system, int(relays[-1].stdout.readline()), folder)

    try:
        cold = [seconds(fresh(), rows) for _ in range(min(pairs, 3))]
        far = fresh()
        seconds(far, rows)
        both = [(seconds(far, rows), seconds(far, rows[:1])) for _ in range(pairs)]
    finally:
        for relay in relays:
            relay.kill()
            relay.wait()
    return [a for a, _ in both], [b for _, b in both], cold


def main() -> None:
    """Measure and print. Exits 1 when the median on the open connection is over the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="counted runs of each side (7)")
    with tempfile.TemporaryDirectory() as name:
        hundred, one, cold = measure(parser.parse_args().pairs, Path(name))
    median_s = statistics.median(hundred)
    ratio = statistics.median(a / b for a, b in zip(hundred, one, strict=True))
    print(
        f"100 host criteria, 50 ms away: {median_s:.2f} s on the open connection"
        f" (one fact alone {statistics.median(one):.2f} s, ratio {ratio:.1f}),"
        f" {statistics.median(cold):.2f} s with connecting  (target {TARGET_S:g} s open)"
    )
    if median_s >= TARGET_S:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
