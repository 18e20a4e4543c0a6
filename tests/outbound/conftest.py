from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from drillbook import environment
from drillbook.model import System

from .servers import Proxy, Service, serving

NAME = "config.test"
"""No resolver knows it: only the proxy does, or a certificate bears it."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority with what it signed, as files."""

    ca: trustme.CA
    directory: Path

    @property
    def ca_file(self) -> Path:
        file = self.directory / "ca.pem"
        if not file.exists():
            self.ca.cert_pem.write_to_path(str(file))
        return file

    def server(self, cert: trustme.LeafCert | None = None, *, wants: Authority | None = None) -> ssl.SSLContext:
        """Return a server's context; ``wants`` makes client certificates of that authority a must."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (cert or self.ca.issue_cert(NAME, "127.0.0.1")).configure_cert(context)
        if wants is not None:
            wants.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> tuple[Path, Path]:
        """Return a client's certificate and key."""
        cert_file, key_file = self.directory / "client.pem", self.directory / "client.key"
        cert = self.ca.issue_cert("drillbook@example.test")
        cert.cert_chain_pems[0].write_to_path(str(cert_file))
        cert.private_key_pem.write_to_path(str(key_file))
        return cert_file, key_file


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    directory = tmp_path / "authority"
    directory.mkdir()
    return Authority(trustme.CA(), directory)


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """Another authority, whom nobody trusts."""
    directory = tmp_path / "stranger"
    directory.mkdir()
    return Authority(trustme.CA(), directory)


Serve = Callable[..., Service]
Load = Callable[[str], System]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start services; all end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serving(lambda: Service(**settings)))


@pytest.fixture
def start_proxy() -> Iterator[Callable[..., Proxy]]:
    """Start proxies; all end with the test."""
    with contextlib.ExitStack() as stack:

        def start(**settings: object) -> Proxy:
            proxy = Proxy(**settings)  # type: ignore[arg-type] # as the tests name them
            stack.callback(proxy.close)
            return proxy

        yield start


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a system from the text of its tables."""

    def from_text(text: str) -> System:
        path = tmp_path / "x.toml"
        head = 'name = "x"\nplatform = "process"\n[load]\nmax_rps = 50\n'
        path.write_text(f"{head}[systems.config-manager]\nmutations.allowed = true\n{text}")
        return environment.load(path).systems["config-manager"]

    return from_text


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from none, whatever this machine has."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
