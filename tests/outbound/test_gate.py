"""What the gate sees of services that insist on TLS, client certificates, logins and headers."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from pathlib import Path

import pytest

from drillbook.model import CannotObserve, System, Target
from drillbook.probes.http import MANY, Get
from drillbook.probes.metrics import Metrics
from drillbook.probes.prometheus import Targets

from .conftest import NAME, Authority, Load, Serve

BASIC = "Basic ZHJpbGxib29rOmNvcnJlY3QgaG9yc2U="


def health(system: System) -> str:
    """Read /health of the first instance and say what came."""
    instance = system.instances[0]
    return Get("/health").observe(Target(system, instance.name, instance)).summary()


def refused(system: System) -> CannotObserve:
    with pytest.raises(CannotObserve) as unknown:
        health(system)
    return unknown.value


def api(url: str, *lines: str) -> str:
    return "\n".join(["[systems.config-manager.components.api]", f'url = "{url}"', *lines, ""])


def test_an_own_ca_is_trusted_and_the_systems_own_are_not_enough(
    authority: Authority, serve: Serve, load: Load
) -> None:
    url = serve(tls=authority.server()).url
    assert health(load(api(url, f'tls = {{ ca_file = "{authority.ca_file}" }}'))).startswith("200 in ")
    assert health(load(api(url))) == "certificate not accepted: unable to get local issuer certificate"


def test_paths_are_meant_from_the_files_folder_or_named_by_a_variable(
    authority: Authority, serve: Serve, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(tls=authority.server()).url
    assert health(load(api(url, 'tls = { ca_file = "authority/ca.pem" }' if authority.ca_file else ""))).startswith(
        "200"
    )
    monkeypatch.setenv("OUR_CA", str(authority.ca_file))
    assert health(load(api(url, 'tls = { ca_file = { env = "OUR_CA" } }'))).startswith("200")


def test_a_server_of_another_ca_is_what_users_would_suffer(
    authority: Authority, stranger: Authority, serve: Serve, load: Load
) -> None:
    url = serve(tls=stranger.server()).url
    found = health(load(api(url, f'tls = {{ ca_file = "{authority.ca_file}" }}')))
    assert found.startswith("certificate not accepted: unable to get local issuer certificate (trusting /")


def test_an_expired_certificate_is_what_users_would_suffer(authority: Authority, serve: Serve, load: Load) -> None:
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    expired = authority.ca.issue_cert("127.0.0.1", not_after=yesterday)
    url = serve(tls=authority.server(expired)).url
    found = health(load(api(url, f'tls = {{ ca_file = "{authority.ca_file}" }}')))
    assert found.startswith("certificate not accepted: certificate has expired")


def test_the_name_is_the_addresss_or_the_one_that_is_named(authority: Authority, serve: Serve, load: Load) -> None:
    url = serve(tls=authority.server(authority.ca.issue_cert(NAME))).url
    trusted = f'ca_file = "{authority.ca_file}"'
    assert health(load(api(url, f'tls = {{ {trusted}, server_name = "{NAME}" }}'))).startswith("200 in ")
    found = health(load(api(url, f"tls = {{ {trusted} }}")))
    assert "certificate not accepted: IP address mismatch" in found
    found = health(load(api(url, f'tls = {{ {trusted}, server_name = "other.test" }}')))
    assert found.startswith("certificate not accepted: Hostname mismatch, certificate is not valid for 'other.test'")


def test_an_instance_has_a_name_of_its_own_above_the_apis_settings(
    authority: Authority, serve: Serve, load: Load
) -> None:
    url = serve(tls=authority.server(authority.ca.issue_cert("api-1.test"))).url
    system = load(
        f"""
[systems.config-manager.components.api]
tls = {{ ca_file = "{authority.ca_file}", server_name = "{NAME}" }}
[[systems.config-manager.components.api.instances]]
name = "api-1"
url = "{url}"
metrics = "{url}/metrics"
tls = {{ server_name = "api-1.test" }}
"""
    )
    assert health(system).startswith("200 in ")
    assert Metrics().observe(Target(system, "api-1", system.instances[0])).families


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_client_certificate_that_is_missing_or_strange_is_a_broken_eye(
    authority: Authority, stranger: Authority, serve: Serve, load: Load, version: str
) -> None:
    context = authority.server(wants=authority)
    context.maximum_version = ssl.TLSVersion[version]
    url = serve(tls=context).url
    trusted = f'ca_file = "{authority.ca_file}"'

    def with_pair(cert_file: Path, key_file: Path) -> str:
        return api(url, f'tls = {{ {trusted}, cert_file = "{cert_file}", key_file = "{key_file}" }}')

    assert health(load(with_pair(*authority.client()))).startswith("200 in ")
    for text, said in [
        (api(url, f"tls = {{ {trusted} }}"), "with no client"),
        (with_pair(*stranger.client()), "stranger"),
    ]:
        unknown = refused(load(text))
        assert "the server refused us with" in unknown.reason
        assert said in unknown.reason
        assert "tls.cert_file" in unknown.hint


def test_a_ca_file_that_vanished_is_a_broken_eye(
    authority: Authority, serve: Serve, load: Load, tmp_path: Path
) -> None:
    url = serve(tls=authority.server()).url
    moved = tmp_path / "moved.pem"
    moved.write_bytes(authority.ca_file.read_bytes())
    system = load(api(url, f'tls = {{ ca_file = "{moved}" }}'))
    moved.unlink()
    assert "expected a file that can be read" in refused(system).reason


def test_basic_and_a_wrong_password(serve: Serve, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    url = serve(needs={"Authorization": (BASIC, 401)}).url
    text = api(url, 'basic = { username = "drillbook", password = { env = "PLANTED" } }')
    monkeypatch.setenv("PLANTED", "correct horse")
    assert health(load(text)).startswith("200 in ")
    monkeypatch.setenv("PLANTED", "wrong horse")
    unknown = refused(load(text))
    assert unknown.reason == "401 Unauthorized: the service does not take the login that the environment file names"
    assert "horse" not in unknown.reason + unknown.hint


def test_a_key_by_reference_is_a_login_too(serve: Serve, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "the-wrong-key")
    url = serve(needs={"X-API-Key": ("the-right-key", 401)}).url
    assert "401" in refused(load(api(url, 'headers = { X-API-Key = { env = "KEY" } }'))).reason


def test_a_login_that_nobody_named_is_what_users_would_suffer(serve: Serve, load: Load) -> None:
    url = serve(needs={"Authorization": (BASIC, 401)}).url
    assert health(load(api(url))).startswith("401 in ")


def test_a_service_behind_tls_termination_gets_its_header(serve: Serve, load: Load) -> None:
    url = serve(needs={"X-Forwarded-Proto": ("https", 308)}).url
    assert health(load(api(url, 'headers = { X-Forwarded-Proto = "https" }'))).startswith("200 in ")
    assert health(load(api(url))).startswith("308 in ")


def test_each_component_is_asked_in_its_own_way(serve: Serve, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "a-metrics-key")
    monkeypatch.setenv("TOKEN", "an-api-token")
    monkeypatch.setenv("WATCHER", "correct horse")
    service = serve()
    system = load(
        f"""
[systems.config-manager.components.api]
url = "{service.url}"
metrics = "{service.url}/metrics"
token = {{ env = "TOKEN" }}
[systems.config-manager.components.api.metrics_access]
headers = {{ X-API-Key = {{ env = "KEY" }}, X-Forwarded-Proto = "https" }}
[systems.config-manager.components.prometheus]
kind = "prometheus"
url = "{service.url}"
basic = {{ username = "drillbook", password = {{ env = "WATCHER" }} }}
headers = {{ X-Scope-OrgID = "config" }}
"""
    )
    target = Target(system, "api", system.instances[0])
    assert health(system).startswith("200")
    assert Metrics().observe(target).families
    assert Targets("config").observe(Target(system, "prometheus")).targets
    own = [
        {k: v for k, v in headers.items() if k == "authorization" or k[:2] == "x-"} for _, _, headers in service.seen
    ]
    assert own == [
        *[{"authorization": "Bearer an-api-token"}] * MANY,
        {"x-api-key": "a-metrics-key", "x-forwarded-proto": "https"},
        {"authorization": BASIC, "x-scope-orgid": "config"},
    ]


def test_a_prometheus_with_an_unknown_certificate_is_a_broken_eye(
    authority: Authority, serve: Serve, load: Load
) -> None:
    url = serve(tls=authority.server()).url
    trusted = f'tls = {{ ca_file = "{authority.ca_file}" }}'
    named = f'[systems.config-manager.components.prometheus]\nkind = "prometheus"\nurl = "{url}"\n'
    system = load(named + trusted)
    assert Targets("config").observe(Target(system, "prometheus")).targets
    with pytest.raises(CannotObserve, match="certificate not accepted"):
        Targets("config").observe(Target(load(named), "prometheus"))


def test_each_component_has_a_rate_and_advice_of_its_own(serve: Serve, load: Load) -> None:
    service = serve(needs={"X-Absent": ("x", 429)})
    system = load(
        f"""
[systems.config-manager.components.api]
url = "{service.url}"
metrics = "{service.url}/metrics"
max_rps = 10
[systems.config-manager.components.api.metrics_access]
max_rps = 5
[systems.config-manager.components.prometheus]
kind = "prometheus"
url = "{service.url}"
"""
    )
    target = Target(system, "api", system.instances[0])
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(CannotObserve) as metrics:
            Metrics().observe(target)
    assert time.monotonic() - began >= 0.4
    assert "systems.config-manager.components.api.metrics_access.max_rps" in metrics.value.hint
    assert "systems.config-manager.components.api.max_rps" in refused(system).hint
    with pytest.raises(CannotObserve) as watcher:
        Targets("config").observe(Target(system, "prometheus"))
    assert "systems.config-manager.components.prometheus.max_rps" in watcher.value.hint
