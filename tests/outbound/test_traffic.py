"""Sampler, ledger, requests in flight and load ask as the gate does: TLS, logins, headers and proxies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from drillbook.model import CannotObserve, System
from drillbook.polling import wait_until
from drillbook.traffic.in_flight import slow_requests
from drillbook.traffic.ledger import Ledger
from drillbook.traffic.load import CacheReading, LoadProfile, run_load
from drillbook.traffic.sampler import Sampler
from drillbook.traffic.service import Call, KeyedApi
from drillbook.traffic.service import Service as Clients
from load.config_manager.profile import LOCUSTFILE

from .conftest import NAME, Authority, Load, Serve
from .servers import Proxy, Service
from .test_gate import BASIC, api

PATH = "/api/v1/configs/drill/{key}"
KEYED = KeyedApi(
    write=Call("POST", PATH, (200, 201), body='{"value": "{value}"}'),
    read=Call("GET", PATH, (200,), absent=(404,)),
    delete=Call("DELETE", PATH, (200, 204), absent=(404,)),
)
PROFILE = LoadProfile("configs", LOCUSTFILE, rate_rps=20, duration_s=1, warm_up_s=0.3, users=20)
LOGIN = "Basic dXNlcjpodW50ZXIyMg=="
NEEDS = {"Authorization": (BASIC, 401), "X-Forwarded-Proto": ("https", 308)}


@dataclass(frozen=True)
class Place:
    """A service that insists on everything, and the proxy that it is reached by."""

    service: Service
    system: System
    proxy: Proxy | None

    @property
    def clients(self) -> Clients:
        return Clients.of(self.system.instances)


@pytest.fixture(params=["http", "https", "http by proxy", "https by proxy"])
def place(
    request: pytest.FixtureRequest,
    authority: Authority,
    serve: Serve,
    start_proxy: Callable[..., Proxy],
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    scheme, _, proxied = request.param.partition(" by ")
    monkeypatch.setenv("PLANTED", "correct horse")
    extra = ['basic = { username = "drillbook", password = { env = "PLANTED" } }']
    extra += ['headers = { X-Forwarded-Proto = "https" }']
    if scheme == "https":
        cert_file, key_file = authority.client()
        files = f'ca_file = "{authority.ca_file}", cert_file = "{cert_file}", key_file = "{key_file}"'
        extra += [f'tls = {{ {files}, server_name = "inner.test" }}']
    tls = authority.server(authority.ca.issue_cert("inner.test"), wants=authority) if scheme == "https" else None
    service = serve(tls=tls, needs=NEEDS)
    proxy = start_proxy(login=LOGIN) if proxied else None
    if proxy is not None:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url.replace("//", "//user:hunter22@"))
    host = NAME if proxied else "127.0.0.1"
    yield Place(service, load(api(f"{scheme}://{host}:{service.port}", *extra)), proxy)
    for head in proxy.tunnels if proxy is not None else []:
        assert BASIC not in head
        assert "X-Forwarded-Proto" not in head


def shown(pid: int | None) -> str:
    """Return what others on this machine can see of a process."""
    process = psutil.Process(pid)
    return " ".join(process.cmdline())


def test_the_sampler_asks_as_the_gate_does(place: Place, tmp_path: Path) -> None:
    with Sampler(place.clients, "/health", file=tmp_path / "samples", bad_after_ms=2000) as sampler:
        wait_until(lambda: len(sampler.samples()) > 20, what="samples", timeout_s=20)
        assert "horse" not in shown(sampler.pid)
        found = sampler.stop()
    assert found.bad == {}
    assert {row[2].get("authorization") for row in place.service.seen} == {BASIC}
    assert place.proxy is None or len(place.proxy.asked) >= 20
    assert "horse" not in (tmp_path / "samples").read_text()


def test_the_ledger_asks_as_the_gate_does(place: Place, tmp_path: Path) -> None:
    with Ledger(place.clients, KEYED, file=tmp_path / "ledger") as ledger:
        wait_until(lambda: len(ledger.history().writes) > 10, what="writes", timeout_s=20)
        found = ledger.verify(deadline_s=20)
        assert found.acknowledged > 10
        assert found.known
        assert ledger.lost() == []
        assert ledger.cleanup().left == ()
    assert place.service.entries == {}


def test_requests_in_flight_ask_as_the_gate_does(place: Place) -> None:
    body = '{"value": "0123456789"}'
    path = "/api/v1/configs/drill/{index}"
    for expect_continue in (True, False):
        with slow_requests(
            place.clients, path, body=body, seconds=1, count=3, expect_continue=expect_continue
        ) as in_flight:
            assert in_flight.started == 3
        assert in_flight.dropped == []
        assert [found.status for found in in_flight.completed] == [201] * 3
        assert all(found.took_s > 0.9 for found in in_flight.completed)


def test_load_asks_as_the_gate_does(place: Place) -> None:
    seen: list[str] = []

    def look() -> CacheReading:
        seen.extend(shown(child.pid) for child in psutil.Process().children(recursive=True))
        return CacheReading(problem="there is none")

    found = run_load(PROFILE, place.system, read_cache=look)
    assert found.failures == {}
    assert found.completed == 20
    assert found.left_behind == 0
    assert place.service.entries == {}
    assert {row[2].get("authorization") for row in place.service.seen} == {BASIC}
    assert any("locust" in text for text in seen)
    assert not any("horse" in text or BASIC in text or "hunter22" in text for text in seen)


@pytest.fixture(params=["http", "https"])
def cut_off(
    request: pytest.FixtureRequest,
    serve: Serve,
    load: Load,
    start_proxy: Callable[..., Proxy],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """A service behind a proxy that is down."""
    service, proxy = serve(), start_proxy()
    proxy.close()
    monkeypatch.setenv(f"{request.param.upper()}_PROXY", proxy.url.replace("//", "//user:hunter22@"))
    yield Place(service, load(api(f"{request.param}://{NAME}:{service.port}")), proxy)
    assert service.seen == []


def test_a_proxy_that_is_down_is_never_an_outage_of_the_service(cut_off: Place, tmp_path: Path) -> None:
    assert cut_off.proxy is not None
    said = f"the proxy {cut_off.proxy.url} does not answer"
    sampler = Sampler(cut_off.clients, "/health", file=tmp_path / "samples").start()
    with pytest.raises(CannotObserve, match=said):
        wait_until(lambda: len(sampler.samples()) > 1000, what="its death", timeout_s=10)
    ledger = Ledger(cut_off.clients, KEYED, file=tmp_path / "ledger").start()
    with pytest.raises(CannotObserve, match=said):
        wait_until(lambda: len(ledger.history().keys) > 1000, what="its death", timeout_s=10)
    with (
        pytest.raises(CannotObserve, match=said),
        slow_requests(cut_off.clients, "/x", body="body", seconds=1),
    ):
        pass
    with pytest.raises(CannotObserve, match=said) as unknown:
        run_load(PROFILE, cut_off.system, read_cache=lambda: CacheReading(problem="none"))
    assert "hunter22" not in unknown.value.reason


@pytest.mark.parametrize("place", ["http by proxy"], indirect=True)
@pytest.mark.parametrize("how", ["closes", "answers 407"])
def test_a_proxy_that_goes_away_under_load_leaves_nothing_to_judge(place: Place, how: str) -> None:
    proxy = place.proxy
    assert proxy is not None

    def cut() -> CacheReading:
        if how == "closes":
            proxy.close()
        else:
            proxy.login = "Basic bmV3"
        return CacheReading(problem="there is none")

    began = time.monotonic()
    with pytest.raises(CannotObserve, match=f"the proxy {proxy.url} "):
        run_load(replace(PROFILE, duration_s=20), place.system, read_cache=cut)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("place", ["http", "https by proxy"], indirect=True)
def test_a_wrong_password_is_no_load(place: Place) -> None:
    place.service.needs["Authorization"] = ("Basic bmV3", 401)
    with pytest.raises(CannotObserve, match="POST of a key answered 401"):
        run_load(PROFILE, place.system, read_cache=lambda: CacheReading(problem="none"))


def test_a_server_of_another_ca_is_no_service_to_any_client(
    authority: Authority, stranger: Authority, serve: Serve, load: Load, tmp_path: Path
) -> None:
    service = serve(tls=stranger.server())
    system = load(api(service.url, f'tls = {{ ca_file = "{authority.ca_file}" }}'))
    clients = Clients.of(system.instances)
    with Sampler(clients, "/health", file=tmp_path / "samples") as sampler:
        wait_until(lambda: len(sampler.samples()) > 5, what="samples", timeout_s=20)
        found = sampler.stop()
    assert found.good == 0
    assert found.bad.keys() == {"unreached"}
    with (
        pytest.raises(CannotObserve, match="certificate verify failed"),
        slow_requests(clients, "/x", body="body", seconds=1),
    ):
        pass
    with pytest.raises(CannotObserve, match="SSLCertVerificationError"):
        run_load(PROFILE, system, read_cache=lambda: CacheReading(problem="none"))
    assert service.seen == []


def test_load_goes_nowhere_but_where_the_environment_says(serve: Serve, load: Load) -> None:
    service = serve(needs={"X-Forwarded-Proto": ("https", 308)})
    with pytest.raises(CannotObserve, match="POST of a key answered 308"):
        run_load(PROFILE, load(api(service.url)), read_cache=lambda: CacheReading(problem="none"))
    assert not [path for _, path, _ in service.seen if "elsewhere" in path]
