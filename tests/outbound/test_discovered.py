"""Instances that a platform finds are asked as the environment says; TLS settings mean that they speak TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook import environment
from drillbook.model import CannotObserve, Component, Instance, System, Target
from drillbook.platforms import choose, discovered
from drillbook.probes.http import Get
from drillbook.probes.metrics import Metrics

from .conftest import NAME, Authority, Serve
from .servers import Service


class Forward:
    """A way to one service on this machine, as a port-forward is."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def local(self, url: str) -> str:
        scheme, _, rest = url.partition("://")
        return f"{scheme}://127.0.0.1:{self._service.port}/{rest.partition('/')[2]}"

    def check(self, url: str) -> None:
        """The way holds."""


class Finder:
    """A platform that finds one pod."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def can(self, _capability: type[object], of: str | None = None) -> Finder:
        return self

    def discover(self, component: Component) -> tuple[Instance, ...]:
        assert component.ports == {"http": 8080}
        way = Forward(self._service)
        return (Instance("pod-1", "http://pod-1:8080", "http://pod-1:9090/metrics", way=way),)


def found(folder: Path, text: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> System:
    path = folder / "x.toml"
    path.write_text(f'name = "x"\nplatform = "kubernetes"\n[kubernetes]\nnamespace = "n"\n{text}')
    monkeypatch.setattr(choose, "platform_of", lambda _system: Finder(service))
    return discovered(environment.load(path).systems["config-manager"])


def test_a_pod_is_asked_over_tls_through_its_forward(
    authority: Authority, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(tls=authority.server(authority.ca.issue_cert(NAME)))
    trusted = f'{{ ca_file = "{authority.ca_file}", server_name = "{NAME}" }}'
    text = f"[systems.config-manager.components.api]\nports = {{ http = 8080 }}\ntls = {trusted}\n"
    system = found(tmp_path, text, service, monkeypatch)
    target = Target(system, "pod-1", system.instances[0])
    assert Get("/health").source(target) == "GET https://pod-1:8080/health"
    assert Get("/health").observe(target).status == 200
    assert Metrics().observe(target).families
    system = found(tmp_path, text.replace(f', server_name = "{NAME}"', ""), service, monkeypatch)
    with pytest.raises(CannotObserve) as unknown:
        Get("/health").observe(Target(system, "pod-1", system.instances[0]))
    assert "tls.server_name" in unknown.value.hint


def test_a_pods_metrics_are_asked_in_their_own_way(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "a-metrics-key")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    service = serve(needs={"X-API-Key": ("a-metrics-key", 403)})
    text = """
[systems.config-manager.components.api]
ports = { http = 8080 }
tls = {}
[systems.config-manager.components.api.metrics_access]
headers = { X-API-Key = { env = "KEY" } }
"""
    system = found(tmp_path, text, service, monkeypatch)
    pod = system.instances[0]
    assert (pod.url, pod.metrics_url) == ("https://pod-1:8080", "http://pod-1:9090/metrics")
    assert Metrics().observe(Target(system, "pod-1", pod)).families
