"""Environment files: every problem at once, with key, expectation, finding and the nearest name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from drillbook.environment import BadEnvironment, Environment, load, locate
from drillbook.model import Secret, Tls
from drillbook.platforms.process.found import ProcessSettings

from ..running import ROOT

URL = "url = { env = 'ADDRESS' }\n"
HEAD = 'name = "x"\nplatform = "process"\n'


WAIVER = """[[waivers]]
id = 'config-manager.health.quick'
reason = 'r'
owner = 'o'
expires = 2099-01-01
"""
OUTSIDE = HEAD.replace("process", "address") + "[systems.config-manager]\n"
API = HEAD + "[systems.config-manager.components.api]\nurl = 'https://h'\n"


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "hunter22")
    monkeypatch.setenv("TWO_LINES", "hunter22\nX-B: c")


def problems(tmp_path: Path, text: str) -> str:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BadEnvironment) as bad:
        load(path)
    return str(bad.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'\nplatform = 'process'\nfoo = [", "not TOML"),
        (HEAD.replace("process", "proces"), 'found "proces" (did you mean "process"?)'),
        (HEAD + "clock_skew = 3\n", 'clock_skew: unknown key (did you mean "clock_skew_s"?)'),
        (HEAD + "clock_skew_s = 0\n", "clock_skew_s"),
        (HEAD + "[systems.config-manger]\n", 'unknown system (did you mean "config-manager"?)'),
        (
            HEAD + "[systems.config-manager.components.api]\nurl = 'config.example.com'\n",
            "systems.config-manager.components.api.url: expected an address that begins with http:// or https://",
        ),
        (HEAD + "[systems.config-manager.components.api]\nurl = 'http://a:b@h'\n", "without a user in it"),
        (
            HEAD
            + "[systems.config-manager.components.postgres]\nkind = 'postgres'\nurl = 'postgresql://u:hunter22@h/db'\n",
            "expected a reference for an address with a password",
        ),
        (HEAD + "[systems.config-manager.components.api]\ntoken = 'hunter22'\n", "expected a reference"),
        (
            HEAD + "[systems.config-manager.components.api.headers]\nX-API-Key = 'hunter22'\n",
            "expected a reference for X-API-Key",
        ),
        (
            HEAD + "[systems.config-manager.components.api]\ntoken = { env = 'DRILLBOOK_NO_SUCH' }\n",
            "systems.config-manager.components.api.token: environment variable DRILLBOOK_NO_SUCH is not set",
        ),
        (
            HEAD + "[systems.config-manager.components.redis]\nkind = 'redis'\nurl = { file = 'absent' }\n",
            "cannot read",
        ),
        (HEAD + "[systems.config-manager.components.redis]\nkind = 'redis'\nurl = { }\n", "exactly one of them"),
        (
            HEAD + "[systems.config-manager.components.redis]\nkind = 'redis'\nurl = 3\n",
            'redis.url: expected a text, or where to find it: { env = "NAME" } or { file = "path" }, found 3',
        ),
        (HEAD + "[systems.config-manager]\nbad_after_ms = 0\n", "systems.config-manager.bad_after_ms: expected "),
        (
            OUTSIDE,
            'components.api.url: missing; platform = "address" sees nothing that has no address',
        ),
        (
            OUTSIDE
            + "[systems.config-manager.components.redis]\nkind = 'redis'\nurl = 'redis://h'\nthrough = 'platform'\n",
            "redis.through: expected an address that can be reached from here; platform = ",
        ),
        (
            "name = 'x'\nplatform = 'address'\n[lab]\nsystems = ['config-manager']\n",
            'lab: expected no lab beside platform = "address"; a lab runs on a platform',
        ),
        (
            HEAD + "[systems.config-manager]\nabsent = ['api']\n",
            'one of the components that the runbook makes optional: postgres, redis; found "api"',
        ),
        (HEAD + "[systems.config-manager]\nabsent = ['redis', 'postgre']\n", '(did you mean "postgres"?)'),
        (
            HEAD + "[systems.data-vault]\nabsent = ['postgres']\n",
            "systems.data-vault.absent.0: expected none, for the runbook of data-vault makes no component optional",
        ),
        (
            HEAD
            + "[systems.config-manager]\nabsent = ['redis']\ncomponents.redis = { kind = 'redis', url = 'redis:' }\n",
            'systems.config-manager.absent.0: expected a component without an address; found "redis", which has one',
        ),
        (API + "tls = { ca_file = 'absent.pem' }\n", "api.tls.ca_file: expected a file that can be read, found "),
        (API + "tls = { ca_file = 'x.toml' }\n", "api.tls.ca_file: expected certificates in PEM, found none in "),
        (API + "tls = { ca_file = '.' }\n", "api.tls.ca_file: expected a file that can be read, found "),
        (
            API + "tls = { ca_file = { env = 'DRILLBOOK_NO_SUCH' } }\n",
            "ca_file: environment variable DRILLBOOK_NO_SUCH",
        ),
        (API + "tls = { cert_file = 'a.pem' }\n", "api.tls: expected cert_file and key_file together, found a table"),
        (API + "tls = { insecure_skip_verify = true }\n", "api.tls.insecure_skip_verify: unknown key"),
        (
            API + "tls = { ca = 'a.pem' }\n",
            "tls.ca: unknown key; known here: ca_file, cert_file, key_file, server_name",
        ),
        (
            HEAD + "[systems.config-manager.components.prometheus]\nkind = 'prometheus'\n"
            "url = 'http://p'\ntls = { server_name = 'p' }\n",
            "prometheus.tls: expected an address that begins with https:// beside it, found http://p",
        ),
        (
            API + "basic = { username = 'u', password = 'hunter22' }\n",
            "api.basic.password: expected a reference, like { env",
        ),
        (
            API + "basic = { username = 'u:v', password = { env = 'PLANTED' } }\n",
            "api.basic.username: expected a name without a colon",
        ),
        (
            API + "token = { env = 'PLANTED' }\nbasic = { username = 'u', password = { env = 'PLANTED' } }\n",
            "components.api: expected one login, not token and basic, found a table with url, token, basic",
        ),
        (
            API + "token = { env = 'PLANTED' }\nheaders = { authorization = { env = 'PLANTED' } }\n",
            "expected one login, not token and headers.authorization",
        ),
        (API + "headers = { X-A = { env = 'TWO_LINES' } }\n", "headers.X-A: expected one line of ASCII"),
        (API + "headers = { 'X A' = 'b' }\n", "headers.X A: expected the name of a header"),
        (
            HEAD + "[[waivers]]\nid = 'config-manager.health.status-helthy'\nreason = 'r'\nowner = 'o'\n"
            "expires = 2099-01-01\n",
            'did you mean "config-manager.health.status-healthy"?',
        ),
        (HEAD + "[[waivers]]\nid = 'config-manager.health.quick'\n", "waivers.0.owner: missing"),
        (HEAD + WAIVER, "waivers.0.system: expected a system, and this file has none; found none"),
        (
            HEAD + "[systems.config-manager]\n[systems.data-vault]\n" + WAIVER,
            "waivers.0.system: expected one of this file's systems: config-manager, data-vault; found none",
        ),
        (
            HEAD + "[lab]\nsystems = ['config-manager']\n" + WAIVER + "system = 'config-manger'\n",
            'config-manager; found "config-manger" (did you mean "config-manager"?)',
        ),
    ],
)
def test_each_problem_names_its_key_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    shown = problems(tmp_path, text)
    assert said in shown
    assert "hunter22" not in shown


@pytest.mark.parametrize("where", ["[systems.config-manager]\n", "[lab]\nsystems = ['config-manager']\n"])
def test_a_waiver_without_a_system_is_for_the_only_one(tmp_path: Path, where: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + where + WAIVER)
    assert [one.system for one in load(path).waivers] == ["config-manager"]


WORDS = "disable, allow, prefer, require, verify-ca, verify-full"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://u:hunter22@h/d?sslmode=no-verify", f"expected sslmode to be one of {WORDS}, found no-verify"),
        ("postgresql://u:hunter22@h/d?sslmode=", "found something else"),
        ("postgresql://u:hunter22@h/d?schema=public", "parameters that the client knows, found schema; leave out"),
        ("postgresql://u:hunter22@h/d?target_session_attrs=master", "found master"),
        ("postgresql://u:hunter22@h:x/d", "expected an address like scheme://host:port"),
        ("postgresql://u:hunter22@h:70000/d", "expected a port up to 65535"),
        ("postgresql://u:a/hunter22@h/d", "write / as %2F"),
        ("postgresql://u:1?hunter22@h/d", "? as %3F"),
        ("mysql://u:hunter22@h/d", "begins with postgresql:// or postgres://, found mysql://"),
        ("hunter22", "expected an address like scheme://host:port"),
        ("host=h password=hunter22 foo=1", "or key=value pairs that libpq knows"),
        ("host=h password=hunter22 sslmode=no-verify", "found no-verify"),
        ("postgresql://u:hunter22@h/d\n", "expected a value without a line break at its ends, found one in the envir"),
        ("\r\npostgresql://u:hunter22@h/d", "without a line break at its ends"),
        (" \t ", "found nothing but blanks in ADDRESS"),
    ],
)
def test_our_own_mistakes_in_an_address_are_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("ADDRESS", address)
    shown = problems(
        tmp_path, HEAD + "[systems.config-manager.components.postgres]\nkind = 'postgres'\nurl = { env = 'ADDRESS' }\n"
    )
    assert shown.startswith(f"{tmp_path}/x.toml:\n  systems.config-manager.components.postgres.url: expected ")
    assert said in shown
    assert "hunter22" not in shown


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("redis://:hunter22@h/0?foo=1", "found foo"),
        ("redis://:hunter22@h/0?ssl_cert_reqs=none", "expected rediss:// before an address with ssl_ parameters"),
        ("rediss://:hunter22@h/0?ssl_cert_reqs=no-verify", "one of none, optional, required, found no-verify"),
        ("redis://:hunter22@h/0?protocol=9", "one of 2, 3, found 9"),
        ("redis://:hun/ter22@h/0", "write / as %2F"),
        ("http://h", "begins with redis:// or rediss:// or unix://, found http://"),
        ("h:6379", "expected an address like scheme://host:port"),
        ("rediss://:hunter22@h/0\n", "without a line break at its ends"),
    ],
)
def test_so_are_mistakes_in_the_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("ADDRESS", address)
    shown = problems(
        tmp_path, HEAD + "[systems.config-manager.components.redis]\nkind = 'redis'\nurl = { env = 'ADDRESS' }\n"
    )
    assert said in shown
    assert "ter22" not in shown


@pytest.mark.parametrize(
    ("component", "address"),
    [
        ("postgres", "postgresql://u:p%40ss@h1:5432,[::1]:5433,h3/d?sslmode=verify-full&sslrootcert=system"),
        ("postgres", "postgresql:///d?host=/run/postgresql&ssl=true&options=-c%20geqo%3Doff"),
        ("postgres", "postgres://h/d?user=u@srv&application_name=x"),
        ("postgres", "host=h dbname=d sslmode=require"),
        ("redis", "rediss://:p%2Fss@[::1]:6380/0?ssl_ca_certs=/ca.pem&ssl_check_hostname=no&ssl_min_version=3"),
        ("redis", "redis://h?db=1&socket_timeout=2.5&protocol=3&max_connections=4&health_check_interval=5"),
        ("redis", "unix:///run/redis.sock?db=1"),
    ],
)
def test_addresses_that_the_clients_take_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, component: str, address: str
) -> None:
    monkeypatch.setenv("ADDRESS", address)
    path = tmp_path / "x.toml"
    path.write_text(
        HEAD + f"[systems.config-manager.components.{component}]\nkind = '{component}'\nurl = {{ env = 'ADDRESS' }}\n"
    )
    load(path)


def test_the_line_break_that_ends_a_secrets_file_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter22\n")
    path = tmp_path / "x.toml"
    path.write_text(API + "token = { file = 'secret' }\n")
    found = load(path).systems["config-manager"].api.access.headers["Authorization"]
    assert isinstance(found, Secret)
    assert found.reveal() == "Bearer hunter22"


def two_copies(first: str, second: str) -> str:
    return HEAD + "".join(
        f"[[systems.config-manager.components.api.instances]]\n{keys}\n"
        for keys in (f"name = 'api-1'\nurl = 'http://10.0.0.1:8080'\n{first}", f"name = 'api-2'\n{second}")
    )


OTHER = "url = 'http://10.0.0.2:8080'\n"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            "",
            "url = 'http://10.0.0.1:8080'",
            "instances.1.url: expected a url of its own for each instance, found http",
        ),
        ("", "url = 'HTTP://10.0.0.1:8080'", "begins with http://"),
        ("", "url = 'http://10.0.0.1:8080/'", "as systems.config-manager.components.api.instances.0.url has it"),
        ("", "url = 'https://10.0.0.1:8080'", "instances.0.url has it"),
        ("", "url = 'http://[::ffff:10.0.0.1]:8080'", "instances.0.url has it"),
        ("metrics = 'http://m/metrics'", OTHER + "metrics = 'http://M.:80/metrics/'", "0.metrics has it"),
        ("metrics = 'http://localhost:9/m'", OTHER + "metrics = 'http://127.0.0.1:9/m'", "0.metrics has it"),
        (
            "metrics = 'https://m'",
            OTHER + "metrics = 'https://m:443'",
            "instances.1.metrics: expected a metrics of its",
        ),
        ("log = '/var/log/api.log'", OTHER + "log = '/var/log/x/../api.log'", "instances.1.log: expected a log of its"),
    ],
)
def test_two_copies_with_one_address_are_refused(tmp_path: Path, first: str, second: str, said: str) -> None:
    assert said in problems(tmp_path, two_copies(first, second))


def test_two_copies_with_one_log_by_two_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    (tmp_path / "b.log").symlink_to(tmp_path / "a.log")
    text = two_copies(f"log = '{tmp_path}/a.log'", f"{OTHER}log = '{tmp_path}/b.log'")
    assert "instances.0.log has it" in problems(tmp_path, text)


@pytest.mark.parametrize("second", ["http://10.0.0.1:8081", "http://10.0.0.2:8080", "http://10.0.0.1:8080/b"])
def test_copies_on_one_host_or_behind_one_gateway_are_two(tmp_path: Path, second: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        two_copies("", f"url = '{second}'") + "[systems.config-manager.components.api]\nurl = 'http://10.0.0.1:8080'\n"
    )
    assert len(load(path).systems["config-manager"].instances) == 2


def test_an_instance_may_be_called_as_its_component(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(two_copies("", OTHER).replace("'api-2'", "'api'"))
    assert [one.name for one in load(path).systems["config-manager"].instances] == ["api-1", "api"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "entry",
            'name: expected another name than entry, which stands for the address by which users come in, found "e',
        ),
        (" Entry", 'found " Entry"'),
        ("scenario", "which stands for what a scenario saw"),
        (
            "API-1",
            'instances.1.name: expected a name that differs by more than case and blanks from "api-1", found "API-1"',
        ),
        ("api-1", "found api-1 twice"),
    ],
)
def test_a_name_that_hides_another_is_refused(tmp_path: Path, name: str, said: str) -> None:
    assert said in problems(tmp_path, two_copies("", OTHER).replace("'api-2'", f"'{name}'"))


PARTS = HEAD + "[systems.config-manager.components]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "database = { kind = 'postgres', url = 'postgresql://h/d' }",
            "postgres to be called postgres, where the",
        ),
        ("redsi = { kind = 'redis', url = 'redis://h' }", "to be called redis, where the statements of config-manager"),
        ("redis = { kind = 'postgres', url = 'postgresql://h/d' }", 'redis.kind: expected "redis", as the statements'),
        (
            "api = { metrics = 'http://m', instances = [{ name = 'a', url = 'http://a' }] }",
            "api.metrics: expected it at each of the instances",
        ),
        ("api = { url = 'http://a', ports = { http = 8080 } }", "api.ports: expected no ports where the platform is"),
        ("postgres = 'postgresql://u:hunter22@h/d'", "components.postgres: "),
        (
            "prometheus = { kind = 'prometheus', url = 'http://p', ports = {} }",
            "prometheus.ports: unknown key",
        ),
    ],
)
def test_what_nobody_would_look_at_is_told(tmp_path: Path, text: str, said: str) -> None:
    shown = problems(tmp_path, f"{PARTS}{text}\n")
    assert said in shown
    assert "hunter22" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "[lab]\nsystems = ['config-manager']\n[process]\nmarkr = '/x'\n",
        "[process]\nmarkr = '/x'\n[systems.config-manager]\n",
    ],
)
def test_the_platforms_table_is_checked_wherever_its_systems_come_from(tmp_path: Path, text: str) -> None:
    assert 'markr: unknown key (did you mean "marker"?)' in problems(tmp_path, HEAD + text)


def test_a_table_that_is_none_is_an_error_and_no_crash(tmp_path: Path) -> None:
    text = "name = 'x'\nplatform = 'compose'\n[compose]\nproject = 'p'\n[systems.config-manager]\ncompose = 'x'\n"
    assert "systems.config-manager.compose: " in problems(tmp_path, text)


def test_two_instances_that_are_found_alike_are_one(tmp_path: Path) -> None:
    one = "component = 'api'\nport = 8080\nreturns_within_s = 3\n"
    table = "".join(f"[systems.config-manager.process.instances.api-{number}]\n{one}" for number in (1, 2))
    assert "api-2: expected a value of its own for each component, found port 8080" in problems(tmp_path, HEAD + table)


SYSTEMD = """name = "x"
platform = "systemd"
[systemd]
host = "h"
units = { api = "app", redis = "app.service" }
[systems.config-manager]
"""
KUBERNETES = """name = "x"
platform = "kubernetes"
[systems.config-manager.kubernetes]
namespace = "n"
components = { api = { pods = "app=a" }, redis = { pods = "app == a" } }
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SYSTEMD, "units.redis: expected a value of its own for each component, found app.service, as sys"),
        (KUBERNETES, "components.redis: expected a value of its own for each component, found app=a in n, as s"),
    ],
)
def test_two_components_are_two_things(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


def test_all_problems_are_shown_at_once(tmp_path: Path) -> None:
    shown = problems(tmp_path, HEAD + "a = 1\nb = 2\nclock_skew_s = 'x'\n[load]\n")
    assert [line.split(":")[0].strip() for line in shown.splitlines()[1:]] == ["clock_skew_s", "load.max_rps", "a", "b"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadEnvironment, match=r'did you mean "local"\?\); known: .*local'):
        locate("locl")


def test_an_environment_with_references_loads_and_hides_them(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + "[systems.config-manager.components.api]\nurl = 'http://h/'\ntoken = { env = 'PLANTED' }\n")
    environment = load(path, expect_version="2")
    assert "hunter22" not in repr(environment)
    assert environment.systems["config-manager"].instances[0].url == "http://h"
    assert environment.facts["config-manager"].expected_version == "2"
    assert environment.redactor.text("Bearer hunter22") == "Bearer ***"


def test_the_files_facts_stand_above_the_labs(tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    lab.write_text(
        HEAD + "[systems.config-manager]\nversion = '1'\n[systems.config-manager.components.api]\nurl = 'http://a'\n"
    )
    own = tmp_path / "own.toml"
    own.write_text(HEAD + "[lab]\nsystems = ['config-manager']\n[systems.config-manager]\nversion = '2'\n")
    environment = load(own, lab_environments=[lab])
    assert environment.facts["config-manager"].expected_version == "2"
    assert environment.systems["config-manager"].instances[0].url == "http://a"


def _lab(folder: Path, system: str, extra: str = "") -> Path:
    path = folder / f"lab-{system}.toml"
    path.write_text(f"{HEAD}[systems.{system}]\nversion = '1'\nprocess = {{ marker = '/lab/{system}'{extra} }}\n")
    return path


def _own(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(HEAD + text)
    return path


def _places(environment: Environment) -> dict[str, tuple[str, str]]:
    """Return marker and control socket of each system, as they are named."""
    found = {name: system.place.held_as(ProcessSettings) for name, system in environment.systems.items()}
    return {name: (str(one.marker), str(one.control)) for name, one in found.items() if one is not None}


def test_each_lab_brings_its_own_systems_and_their_place(tmp_path: Path) -> None:
    labs = [_lab(tmp_path, system, f", control = '/{system}'") for system in ("config-manager", "data-vault")]
    environment = load(_own(tmp_path, "[disruption]\nallowed = true\n"), lab_environments=labs)
    assert _places(environment) == {
        "config-manager": ("/lab/config-manager", "/config-manager"),
        "data-vault": ("/lab/data-vault", "/data-vault"),
    }
    assert environment.disruption.allowed


def test_what_the_file_says_of_its_platform_stands_above_the_labs(tmp_path: Path) -> None:
    labs = [_lab(tmp_path, system, ", control = '/c'") for system in ("config-manager", "data-vault")]
    mine = "[process]\nmarker = '/mine'\n"
    assert _places(load(_own(tmp_path, mine), lab_environments=labs)) == dict.fromkeys(
        ("config-manager", "data-vault"), ("/mine", "/c")
    )
    one = f"{mine}[systems.data-vault]\nprocess = {{ marker = '/one' }}\n"
    assert _places(load(_own(tmp_path, one), lab_environments=labs)) == {
        "config-manager": ("/mine", "/c"),
        "data-vault": ("/one", "/c"),
    }


def test_a_system_without_a_lab_is_told_when_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(BadEnvironment, match=r'lab\.systems\.1: expected a system that has a lab.*found "data-vault"'):
        load(_own(tmp_path, "[lab]\nsystems = ['config-manager', 'data-vault']\n"))


def test_logins_are_hidden_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://us:pr0xy-hunter@proxy:3128")
    path = tmp_path / "x.toml"
    path.write_text(API + "basic = { username = 'us', password = { env = 'PLANTED' } }\n")
    environment = load(path)
    sent = environment.systems["config-manager"].api.access.headers["Authorization"]
    assert isinstance(sent, Secret)
    assert sent.reveal() == "Basic dXM6aHVudGVyMjI="
    assert "hunter" not in repr(environment)
    text = "hunter22 dXM6aHVudGVyMjI= Basic dXM6aHVudGVyMjI= pr0xy-hunter dXM6cHIweHktaHVudGVy"
    assert environment.redactor.text(text) == "*** *** *** *** ***".replace("*** *** ***", "*** *** Basic ***", 1)


def pair(folder: Path, **options: bytes) -> tuple[str, str]:
    """Write a certificate with its key, encrypted where ``passphrase`` is given, and return their names."""
    cert = trustme.CA().issue_cert("a@example.test")
    cert.cert_chain_pems[0].write_to_path(str(folder / "c.pem"))
    key = cert.private_key_pem.bytes()
    if options:
        loaded = serialization.load_pem_private_key(key, None)
        how = serialization.BestAvailableEncryption(options["passphrase"])
        key = loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    (folder / "k.pem").write_bytes(key)
    return "c.pem", "k.pem"


def test_client_certificates_are_checked_with_their_keys(tmp_path: Path) -> None:
    text = API + "tls = { cert_file = 'c.pem', key_file = 'k.pem' }\n"
    pair(tmp_path)
    path = tmp_path / "x.toml"
    path.write_text(text)
    assert load(path).systems["config-manager"].instances[0].tls == Tls(
        cert_file=tmp_path / "c.pem", key_file=tmp_path / "k.pem"
    )
    pair(tmp_path, passphrase=b"hunter22")
    shown = problems(tmp_path, text)
    assert (
        f"api.tls.key_file: expected a private key without a passphrase, found an encrypted one in {tmp_path}" in shown
    )
    (tmp_path / "k.pem").write_bytes(trustme.CA().issue_cert("b@example.test").private_key_pem.bytes())
    assert f"api.tls.key_file: expected the key of {tmp_path}/c.pem, found another in" in problems(tmp_path, text)
    (tmp_path / "k.pem").write_text("hunter22")
    assert "api.tls.key_file: expected a private key in PEM, found none in" in problems(tmp_path, text)
    (tmp_path / "c.pem").write_text("")
    assert "api.tls.cert_file: expected a certificate in PEM, found none in" in problems(tmp_path, text)


def test_a_file_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    shown = problems(
        tmp_path,
        API
        + "tls = { ca_file = 'absent.pem' }\n[[systems.config-manager.components.api.instances]]\nname = 'a'\nurl = 'https://a'\n",
    )
    assert shown.count("absent.pem") == 1


def uncommented(text: str) -> str:
    """Return an example with every setting in it switched on."""
    return re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", text)


PLANTED = "postgresql://user:a-planted-secret@db.example/configs"
"""A secret that may stand in every place but one: a token, a header, a database's address."""


def planted_for(name: str) -> str:
    """Return a secret that fits the variable or the file."""
    return PLANTED.replace("postgresql", "redis") if "cache" in name.lower() else PLANTED


@pytest.mark.parametrize("name", ["staging", "prod", "process"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_examples_load_as_they_are_and_with_everything_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, whole: bool
) -> None:
    text = (ROOT / "environments" / f"{name}.example.toml").read_text()
    if whole:
        assert uncommented(text) != text
        text = uncommented(text)
    for variable in re.findall(r'env = "([A-Z_]+)"', text):
        monkeypatch.setenv(variable, planted_for(variable))
    authority = trustme.CA()
    text = text.replace("/run/secrets/", f"{tmp_path}/")
    pair(tmp_path)
    found = {"ca_file": authority.cert_pem.bytes()}
    found |= {"cert_file": (tmp_path / "c.pem").read_bytes(), "key_file": (tmp_path / "k.pem").read_bytes()}
    for key, file in re.findall(r'(\w*file) = "([^"]+)"', text):
        if key == "pid_file":
            continue
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(planted_for(file).encode() if key == "file" else found[key])
    path = tmp_path / "x.toml"
    path.write_text(text)
    assert load(path).name == name


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("component = 'api'", "api-1: expected what finds it: pid_file, port or command, found a table with component"),
        ("component = 'api'\nport = 1\npid_file = '/x'", "api-1: expected one of pid_file and port, not both"),
        ("component = 'api'\npid_file = 'x'", "api-1: expected absolute paths"),
        ("component = 'api'\nport = 70000", "api-1: expected port to be between 1 and 65535"),
        ("component = 'api'\nport = 1\nstart = ['x']", "expected start to be a command whose program is an absolute"),
        ("component = 'api'\nport = 1\nstart = '/x --y'", "api-1.start: expected a valid tuple"),
        ("component = 'api'\nport = 1\nstart = ['/x']\nreturns_within_s = 3", "not both: it would be started twice"),
        ("component = 'api'\nport = 1\nreturns_within_s = 90", "expected returns_within_s to be between 0 and 50"),
        ("component = 'api'\nport = 1\nstop_signal = 'KILL'", "stop_signal: expected 'TERM', 'INT' or 'QUIT', found"),
        ("component = 'api'\ncommand = []", "expected command to be words, not empty"),
        ("component = 'api'\nprot = 1", 'prot: unknown key (did you mean "port"?)'),
        ("port = 1", "api-1.component: missing"),
    ],
)
def test_a_process_that_is_not_said_enough_of_is_an_error(tmp_path: Path, rows: str, said: str) -> None:
    table = f"[systems.config-manager.process.instances.api-1]\n{rows}\n"
    found = problems(tmp_path, HEAD + table)
    assert "systems.config-manager.process.instances" in found
    assert said in found


def test_a_keeper_and_processes_together_are_an_error(tmp_path: Path) -> None:
    table = "[systems.config-manager]\nprocess.control = '/x'\n"
    table += "process.instances.api-1 = { component = 'api', port = 1 }\n"
    assert "expected one of control (a lab's keeper) and instances, not both" in problems(tmp_path, HEAD + table)
