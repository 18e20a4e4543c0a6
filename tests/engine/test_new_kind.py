"""A new kind of dependency is one file, beside the other probes: memcached, over its own protocol."""

from __future__ import annotations

import importlib
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drillbook import kinds, probes
from drillbook.cli import main
from drillbook.environment import load
from drillbook.model import Criterion, Outcome, judge
from drillbook.observations import Want, observe

PROBE = '''"""memcached: does it answer ``stats``."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import ClassVar

from drillbook import addresses
from drillbook.accepts import met_if, rule
from drillbook.kinds import Kind
from drillbook.model import Criterion, System, Target
from drillbook.probes.base import ReadingProbe
from drillbook.probes.reach import address_of, named, reached, shown_address_of
from drillbook.tables import DatabaseTable

KIND = Kind("memcached", DatabaseTable, port=11211, stands_for="the cache of pages")


@dataclass(frozen=True, slots=True)
class Stats:
    """What the server says of itself."""

    connections: int


@dataclass(frozen=True)
class Memcached(ReadingProbe[Stats]):
    """Ask for its statistics."""

    of: str = field(default="memcached", repr=False)
    reading: ClassVar[type[Stats]] = Stats

    def targets(self, system: System) -> tuple[Target, ...]:
        return named(system, self.of)

    def source(self, target: Target) -> str:
        return f"memcached at {shown_address_of(target, self.of)}"

    def observe(self, target: Target) -> Stats:
        url, check = reached(target.system, self.of, address_of(target, self.of))
        parts = addresses.parse(url)
        with socket.create_connection((parts.host, parts.port), timeout=2) as line:
            line.sendall(b"stats\\r\\n")
            rows = line.makefile("rb").readline().split()
        return Stats(int(rows[2]))


CRITERION = Criterion(
    "shop.cache.few-connections",
    Memcached(of="pages"),
    rule("fewer than 10", lambda seen: met_if(seen.connections < 10, str(seen.connections))),
)
'''


@pytest.fixture
def memcached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the one file beside the other probes."""
    (tmp_path / "memcached.py").write_text(PROBE)
    monkeypatch.setattr(probes, "__path__", [*probes.__path__, str(tmp_path)])
    kinds.find.cache_clear()
    yield
    kinds.find.cache_clear()


@pytest.fixture
def server() -> Iterator[int]:
    """Answer as memcached does."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            assert self.rfile.readline() == b"stats\r\n"
            self.wfile.write(b"STAT curr_connections 3\r\nEND\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Answer) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found.server_address[1]
        found.shutdown()


@pytest.mark.usefixtures("memcached")
def test_a_new_kind_is_named_read_and_judged(server: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'name = "x"\nplatform = "process"\n[systems.config-manager.components]\n'
        f'pages = {{ kind = "memcached", url = "memcached://127.0.0.1:{server}" }}\n'
    )
    assert main(["env", "check", str(path)]) == 0
    assert "pages      memcached" in capsys.readouterr().out
    environment = load(path)
    row: Criterion[Any] = importlib.import_module("drillbook.probes.memcached").CRITERION
    system = environment.systems["config-manager"]
    (target,) = row.probe.targets(system)
    want = Want(row.probe, target)
    seen = observe([want], environment.redactor)[want.key]
    found = judge(row, [seen], environment.facts["config-manager"], environment.redactor.shown)
    assert (found.outcome, found.observed) == (Outcome.MET, "3")
