"""PostgreSQL and Redis over TLS: their addresses say it in their own words, and the probes pass them on."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import psycopg.conninfo
import pytest

from drillbook.model import CannotObserve, Secret, Target
from drillbook.observations import Want, observe
from drillbook.polling import wait_until
from drillbook.probes.postgres import Postgres, PostgresState
from drillbook.probes.redis import Redis, RedisState
from drillbook.redaction import Redactor
from lab import binaries
from lab.identity import identity
from tests import systems

from ..requires import absent
from .conftest import Authority
from .servers import Terminator


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            wait_until(lambda: listens(port) or process.poll() is not None, what=command[-1], timeout_s=15)
            if process.poll() is not None:
                said = process.stdout.read().decode() if process.stdout else ""
                absent("tls", f"the server did not start with TLS: {said[-200:]}", "install postgresql of your system")
            yield
        finally:
            process.terminate()
            process.wait(20)


def written(authority: Authority) -> tuple[Path, Path]:
    cert = authority.ca.issue_cert("127.0.0.1")
    cert_file, key_file = authority.directory / "server.pem", authority.directory / "server.key"
    cert.cert_chain_pems[0].write_to_path(str(cert_file))
    cert.private_key_pem.write_to_path(str(key_file))
    key_file.chmod(0o600)
    return cert_file, key_file


@pytest.fixture
def postgres(authority: Authority, tmp_path: Path) -> Iterator[str]:
    """A server that takes TLS alone, and clients of the authority alone."""
    folder, who, data = binaries.postgres_folder(), identity(), tmp_path / "data"
    if who.user is not None:
        absent("unshare", "PostgreSQL cannot run as this user here", "run the tests as an ordinary user")
    cert_file, key_file = written(authority)
    initdb = [*who.prefix, str(folder / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True)
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n")
    port = free_port()
    settings = {
        "ssl": "on",
        "ssl_cert_file": cert_file,
        "ssl_key_file": key_file,
        "ssl_ca_file": authority.ca_file,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "port": port,
        "fsync": "off",
    }
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    with running([*who.prefix, str(folder / "postgres"), "-D", str(data), *options], port):
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        refusal = "no pg_hba.conf entry"  # what an untrusted client hears once it has started
        wait_until(lambda: refusal in told(lambda: asked(f"{url}?sslmode=disable")), what="PostgreSQL", timeout_s=20)
        yield url


def asked(url: str) -> PostgresState:
    system = systems.system(parts=(systems.database("postgres", Secret(url, "env:URL")),))
    return Postgres().observe(Target(system, "postgres"))


def told(ask: Callable[[], object]) -> str:
    """Return why nothing could be observed; a reading is told as one."""
    try:
        return f"a reading: {ask()}"
    except CannotObserve as unknown:
        return unknown.reason


def test_postgresql_takes_sslmode_and_files_from_its_address(
    postgres: str, authority: Authority, stranger: Authority
) -> None:
    cert_file, key_file = authority.client()
    key_file.chmod(0o600)
    ours = f"{postgres}?sslmode=verify-full&sslcert={cert_file}&sslkey={key_file}"
    assert asked(f"{ours}&sslrootcert={authority.ca_file}").accepting
    found = asked(f"{ours}&sslrootcert={stranger.ca_file}")
    assert not found.accepting
    assert "certificate verify failed" in str(found.failure)


def test_what_is_about_us_is_a_broken_eye_to_postgresql_too(
    postgres: str, authority: Authority, tmp_path: Path
) -> None:
    trusted = f"sslrootcert={authority.ca_file}"
    cert_file, _ = authority.client()
    for options, said in [
        (f"sslmode=verify-full&sslrootcert={tmp_path}/absent.pem", "absent.pem"),
        (f"sslmode=verify-full&{trusted}", "client certificate"),
        (f"sslmode=verify-full&{trusted}&sslcert={cert_file}&sslkey={tmp_path}/absent.key", "absent.key"),
        ("sslmode=disable", "no pg_hba.conf entry"),
    ]:
        assert said in told(lambda options=options: asked(f"{postgres}?{options}"))  # type: ignore[misc] # binds it


@pytest.fixture
def redis(authority: Authority) -> Iterator[Callable[..., str]]:
    """A Redis behind a terminator of TLS: not every build of it speaks TLS itself."""
    port, context = free_port(), authority.server(wants=authority)
    # TLS 1.3 refuses a client after the handshake, when redis-py has begun to write: it sees the alert or a mere reset.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with running([str(binaries.redis_server()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""], port):
        front = Terminator(context, port)
        yield lambda options: f"rediss://127.0.0.1:{front.port}/0?{options}"
        front.close()


def pinged(url: str) -> RedisState:
    system = systems.system(parts=(systems.database("redis", Secret(url, "env:URL")),))
    return Redis().observe(Target(system, "redis"))


def test_redis_takes_its_files_from_its_address(
    redis: Callable[..., str], authority: Authority, stranger: Authority
) -> None:
    cert_file, key_file = authority.client()
    ours = f"ssl_certfile={cert_file}&ssl_keyfile={key_file}"
    assert pinged(redis(f"{ours}&ssl_ca_certs={authority.ca_file}")).pong
    found = pinged(redis(f"{ours}&ssl_ca_certs={stranger.ca_file}"))
    assert not found.pong
    assert "certificate verify failed" in str(found.failure).lower()


def test_what_is_about_us_is_a_broken_eye_to_redis_too(
    redis: Callable[..., str], authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    trusted = f"ssl_ca_certs={authority.ca_file}"
    cert_file, key_file = stranger.client()
    for options in (
        f"ssl_ca_certs={tmp_path}/absent.pem",
        f"{trusted}",
        f"{trusted}&ssl_certfile={cert_file}&ssl_keyfile={key_file}",
    ):
        assert "a reading" not in told(lambda options=options: pinged(redis(options)))  # type: ignore[misc] # binds it


@pytest.fixture
def frozen_after_login(lab_environment: Path) -> Iterator[str]:
    """The lab's PostgreSQL behind a way on which nothing comes back any more once the login is through."""
    settings = tomllib.loads(lab_environment.read_text("utf-8"))["systems"]["config-manager"]["components"]["postgres"][
        "url"
    ]
    address = Path(settings["file"]).read_text("utf-8").strip()
    behind = psycopg.conninfo.conninfo_to_dict(address)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def relay() -> None:
            near, _ = listening.accept()
            with near, socket.create_connection((str(behind["host"]), int(str(behind["port"])))) as far:
                threading.Thread(target=_pass_on, args=(near, far, None), daemon=True).start()
                _pass_on(far, near, b"Z\0\0\0\5I")  # ReadyForQuery
                with contextlib.suppress(OSError):
                    while far.recv(65536):
                        pass

        thread = threading.Thread(target=relay, daemon=True)
        thread.start()
        yield psycopg.conninfo.make_conninfo(address, host="127.0.0.1", port=listening.getsockname()[1])
        thread.join(20)


def _pass_on(source: socket.socket, sink: socket.socket, last: bytes | None) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
            if last is not None and part.endswith(last):
                return
        sink.shutdown(socket.SHUT_WR)


def test_a_postgres_that_lets_us_in_and_then_freezes_is_a_reading_and_no_broken_eye(frozen_after_login: str) -> None:
    system = systems.system(parts=(systems.database("postgres", frozen_after_login),))
    want = Want(Postgres(), Target(system, "postgres"))
    seen = observe([want], Redactor())[want.key]
    assert seen.error is None
    assert isinstance(seen.value, dict)
    assert seen.value["accepting"] is False
    assert "lets the role in and does not answer" in str(seen.value["failure"])
