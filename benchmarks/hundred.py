"""100 criteria (60 HTTP addresses, 40 files), probed and judged: ``python benchmarks/hundred.py``.

Times observing and judging together inside one process, the start of pytest left out, beside the same with nothing to
observe concurrently (one thread after another), and prints both with their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from drillbook.accepts import http, met_if, rule
from drillbook.model import Accepts, Component, Criterion, Facts, Instance, Outcome, Place, System, Target, judge
from drillbook.observations import Want, observe, take
from drillbook.probes.base import ReadingProbe
from drillbook.probes.http import Get
from drillbook.redaction import Redactor

ADDRESSES = 60
FILES = 40
FACTS = Facts("process", None, 2.0)


SERVER = """
import asyncio

BODY = b'{"status": "healthy"}'
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 21\\r\\n\\r\\n" + BODY


async def serve(reader, writer):
    while await reader.readuntil(b"\\r\\n\\r\\n"):
        writer.write(ANSWER)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(300)


asyncio.run(main())
"""
"""A service of its own process: a server in ours would be measured with us."""


@dataclass(frozen=True, slots=True)
class Size:
    """A file's size in bytes."""

    size: int


@dataclass(frozen=True)
class FileSize(ReadingProbe[Size]):
    """The size of one file."""

    path: str
    reading: ClassVar[type[Size]] = Size

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the machine."""
        return (Target(system, "files"),)

    def source(self, target: Target) -> str:
        """Return the path."""
        return f"{target.name} {self.path}"

    def observe(self, target: Target) -> Size:  # noqa: ARG002 - the one machine
        """Ask the file system."""
        return Size(Path(self.path).stat().st_size)


def criteria() -> list[Criterion[object]]:
    """Return 100 different criteria: no two share an observation."""
    healthy = http.field("status", equals="healthy")
    files = sorted(path for path in Path(__file__).resolve().parents[1].rglob("runbooks/*/*.toml"))[:FILES]
    found: list[Criterion[object]] = [
        Criterion(f"a.http.{number}", Get(f"/health?{number}"), healthy)  # type: ignore[arg-type] # one list for both
        for number in range(ADDRESSES)
    ]
    not_empty: Accepts[Size] = rule("not empty", lambda one: met_if(one.size > 0, f"{one.size} bytes"))
    found += [Criterion(f"a.file.{path.name}", FileSize(str(path)), not_empty) for path in files]  # type: ignore[arg-type] # as above
    assert len(found) == ADDRESSES + FILES
    return found


def once(system: System, *, concurrently: bool) -> float:
    """Probe and judge all; return the seconds that it took."""
    rows = criteria()
    wants = [Want(row.probe, target) for row in rows for target in row.probe.targets(system)]
    began = time.perf_counter()
    seen = observe(wants, Redactor()) if concurrently else {want.key: take(want, Redactor()) for want in wants}
    verdicts = [
        judge(row, [seen[Want(row.probe, target).key] for target in row.probe.targets(system)], FACTS) for row in rows
    ]
    took = time.perf_counter() - began
    assert all(verdict.outcome is Outcome.MET for verdict in verdicts), verdicts[0]
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="counted runs of each side (7)")
    pairs = parser.parse_args().pairs
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        alone = Instance("server", f"http://127.0.0.1:{int(server.stdout.readline())}")
        system = System("a", Place("process"), {"api": Component("api", instances=(alone,))})
        once(system, concurrently=True)  # imports and connections
        both = [(once(system, concurrently=True), once(system, concurrently=False)) for _ in range(pairs)]
    finally:
        server.kill()
        server.wait()
    print(
        f"100 criteria, probed and judged: {statistics.median(a for a, _ in both):.3f} s concurrently,"
        f" {statistics.median(b for _, b in both):.3f} s one by one,"
        f" ratio {statistics.median(a / b for a, b in both):.2f}  (target 0.1 s)"
    )


if __name__ == "__main__":
    main()
