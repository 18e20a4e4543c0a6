"""The ordinary variables: who goes through the proxy, and what a failing proxy says of the service (nothing)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from drillbook.model import CannotObserve, Instance, System, Target
from drillbook.outbound import proxy_for
from drillbook.probes.http import MANY, request
from tests import systems

from .conftest import NAME, Authority, Load, Serve
from .servers import Proxy
from .test_gate import api, health, refused

StartProxy = Callable[..., Proxy]
LOGIN = "Basic dXNlcjpodW50ZXIyMg=="


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    """Requests with an absolute address, and tunnels."""
    found: str = request.param
    return found


@pytest.fixture
def system(scheme: str, authority: Authority, serve: Serve, load: Load) -> System:
    """A service that only a proxy knows the way to."""
    service = serve(tls=authority.server() if scheme == "https" else None)
    tls = f'tls = {{ ca_file = "{authority.ca_file}" }}' if scheme == "https" else ""
    return load(api(f"{scheme}://{NAME}:{service.port}", tls))


@pytest.fixture
def through(scheme: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Name the proxy of this scheme."""
    return lambda url: monkeypatch.setenv(f"{scheme.upper()}_PROXY", url)


def test_a_service_is_reached_through_the_proxy(
    system: System, through: Callable[[str], None], start_proxy: StartProxy, scheme: str
) -> None:
    proxy = start_proxy()
    through(proxy.url)
    assert health(system).startswith("200 in ")
    address = str(system.instances[0].url)
    expected = f"GET {address}/health HTTP/1.1" if scheme == "http" else f"CONNECT {address[8:]} HTTP/1.1"
    assert proxy.asked == [expected] * MANY


def test_a_proxy_gets_its_login(system: System, through: Callable[[str], None], start_proxy: StartProxy) -> None:
    proxy = start_proxy(login=LOGIN)
    through(proxy.url.replace("//", "//user:hunter22@"))
    assert health(system).startswith("200 in ")
    through(proxy.url.replace("//", "//user:wrong@"))
    unknown = refused(system)
    assert "407" in unknown.reason
    assert "wrong" not in unknown.reason


def test_a_proxy_that_is_down_says_nothing_of_the_service(
    system: System, through: Callable[[str], None], start_proxy: StartProxy
) -> None:
    proxy = start_proxy()
    proxy.close()
    through(proxy.url)
    unknown = refused(system)
    assert unknown.reason == f"the proxy {proxy.url} does not answer: connection refused"
    assert "HTTP_PROXY" in unknown.hint
    assert "NO_PROXY" in unknown.hint


def test_a_proxy_without_a_name_says_nothing_of_the_service(system: System, through: Callable[[str], None]) -> None:
    through("http://no-such-proxy.invalid:3128")
    assert "the proxy http://no-such-proxy.invalid:3128 does not answer" in refused(system).reason


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nProxy-Status: p; error=connection_refused\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_a_proxy_says_of_itself_is_not_said_of_the_service(
    system: System, through: Callable[[str], None], start_proxy: StartProxy, answer: bytes
) -> None:
    through(start_proxy(answer=answer).url)
    assert "the proxy http://127.0.0.1:" in refused(system).reason


def test_a_503_without_a_sign_of_the_proxy_is_the_services(
    serve: Serve, load: Load, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", start_proxy().url)
    service = serve(needs={"X-Absent": ("x", 503)})
    assert health(load(api(f"http://{NAME}:{service.port}"))).startswith("503 in ")


def test_a_certificate_behind_a_tunnel_is_judged_as_without(
    authority: Authority, serve: Serve, load: Load, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", start_proxy().url)
    service = serve(tls=authority.server(authority.ca.issue_cert("inner.test")))
    url, trusted = f"https://{NAME}:{service.port}", f'ca_file = "{authority.ca_file}"'
    assert "certificate not accepted: Hostname mismatch" in health(load(api(url, f"tls = {{ {trusted} }}")))
    named = load(api(url, f'tls = {{ {trusted}, server_name = "inner.test" }}'))
    assert health(named).startswith("200 in ")


def test_this_machine_and_found_addresses_are_reached_without_a_proxy(
    serve: Serve, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert health(load(api(serve().url))).startswith("200 in ")
    found = Instance("pod", f"http://{NAME}:1", direct=True)
    answer = request(Target(systems.system("compose"), "pod", found), "GET", f"http://{NAME}:1/")
    assert answer.failure is not None
    assert "proxy" not in answer.failure


def test_a_forward_that_we_opened_is_reached_without_a_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    service = serve()

    class Forward:
        def local(self, url: str) -> str:
            return url.replace("pod-1:8080", f"127.0.0.1:{service.port}")

        def check(self, url: str) -> None:
            raise AssertionError(url)

    pod = Instance("pod-1", "http://pod-1:8080", way=Forward())
    answer = request(Target(systems.system("kubernetes"), "pod-1", pod), "GET", "http://pod-1:8080/health")
    assert answer.status == 200


def test_a_found_address_is_no_name_in_a_certificate(authority: Authority, serve: Serve, load: Load) -> None:
    url = serve(tls=authority.server(authority.ca.issue_cert(NAME))).url
    system = load(api(url, f'tls = {{ ca_file = "{authority.ca_file}" }}'))
    found = system.with_main(instances=(replace(system.instances[0], direct=True),))
    assert "tls.server_name" in refused(found).hint


def test_another_kind_of_proxy_is_told(system: System, through: Callable[[str], None]) -> None:
    through("socks5://user:hunter22@127.0.0.1:1080")
    unknown = refused(system)
    assert "names no proxy of the form http://host:port" in unknown.reason
    assert "hunter22" not in unknown.reason


@pytest.mark.parametrize(
    ("rules", "url", "proxied"),
    [
        ("", "http://config.test/", True),
        ("config.test", "http://config.test/", False),
        ("config.test", "http://CONFIG.test./", False),
        ("test", "http://config.test/", False),
        (".test", "http://config.test/", False),
        ("*.test", "http://config.test/", False),
        ("fig.test", "http://config.test/", True),
        ("a.test, config.test ,", "http://config.test/", False),
        ("*", "https://config.test/", False),
        ("config.test:8080", "http://config.test:8080/", False),
        ("config.test:8080", "http://config.test/", True),
        ("config.test:443", "https://config.test/", False),
        ("10.0.0.0/8", "http://10.1.2.3:8080/", False),
        ("10.0.0.0/8", "http://11.1.2.3:8080/", True),
        ("10.0.0.0/8", "http://config.test/", True),
        ("10.1.2.3", "http://10.1.2.3/", False),
        ("2001:db8::/32", "http://[2001:db8::1]/", False),
        ("2001:db8::1", "http://[2001:db8::1]/", False),
        ("[2001:db8::1]:80", "http://[2001:db8::1]/", False),
        ("", "http://localhost:8080/", False),
        ("", "http://api.localhost:8080/", False),
        ("", "http://127.8.9.1/", False),
        ("", "http://[::1]:80/", False),
    ],
)
def test_exceptions_are_read_as_usual(monkeypatch: pytest.MonkeyPatch, rules: str, url: str, *, proxied: bool) -> None:
    monkeypatch.setenv("http_proxy", "proxy.test:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", rules)
    found = proxy_for(url)
    assert (found is not None) is proxied
    assert found is None or found.shown == "http://proxy.test:3128"


def test_a_proxy_shows_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://us%40er:hunt%3Aer22@[::1]:3128")
    found = proxy_for("http://config.test/")
    assert found is not None
    assert (found.username, found.password, found.shown) == ("us@er", "hunt:er22", "http://[::1]:3128")
    assert "er22" not in repr(found)


def test_the_name_is_known_to_the_proxies_alone() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(NAME, 80)


def test_unknown_kinds_are_no_hindrance_to_those_who_do_not_use_them(
    serve: Serve, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1080")
    assert health(load(api(serve().url))).startswith("200 in ")
    with pytest.raises(CannotObserve):
        proxy_for("http://config.test/")
