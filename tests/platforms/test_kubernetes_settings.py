"""The [kubernetes] table of an environment file; no cluster is needed for these."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drillbook.environment import BadEnvironment, load
from drillbook.model import CannotObserve, Place, Shared, System
from drillbook.platforms import Lists, Missing, platform_of
from drillbook.platforms.kubernetes import api_of
from drillbook.platforms.kubernetes.pods import widest
from drillbook.platforms.kubernetes.settings import Cluster, Workload
from drillbook.trace import broken_on

from ..running import ROOT

HEAD = 'name = "x"\nplatform = "kubernetes"\n'
NAMED = '[kubernetes]\nnamespace = "llm-config"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(HEAD + text, "utf-8")
    return path


def cluster_of(system: System) -> Cluster:
    found = system.place.held_as(Cluster)
    assert found is not None
    return found


PORTS = "[systems.config-manager.components.api]\nports = { http = 8080 }\n"


def test_without_a_table_nobody_knows_where_the_pods_are(tmp_path: Path) -> None:
    with pytest.raises(BadEnvironment, match=r"systems\.config-manager\.kubernetes: missing; it says where"):
        load(write(tmp_path, PORTS))
    lab = '[lab]\nsystems = ["config-manager"]\n'  # which is still to bring it
    system = load(write(tmp_path, lab + PORTS)).systems["config-manager"]
    assert system.place.settings is None
    assert not system.api.discovered


@pytest.mark.parametrize(
    ("api", "told"),
    [
        ('url = "http://x"\n', "components.api.ports: missing; it says where the replicas listen"),
        ("ports = { metrics = 9090 }\n", "components.api.ports.http: missing"),
        ('url = "http://x"\nthrough = "platform"\nports = { http = 1 }\n', "api.through: expected no way through"),
    ],
)
def test_a_file_by_which_nobody_would_look_at_the_pods_is_an_error(tmp_path: Path, api: str, told: str) -> None:
    with pytest.raises(BadEnvironment, match=told):
        load(write(tmp_path, f"{NAMED}[systems.config-manager.components.api]\n{api}"))


def test_a_system_has_a_table_of_its_own_above_the_files(tmp_path: Path) -> None:
    own = """[systems.a]
[systems.config-manager.kubernetes]
context = "other"
components = { postgres = { workload = "statefulsets/postgres", namespace = "database" } }
"""
    text = NAMED + 'context = "staging"\ncomponents = { api = { workload = "deployments/config" } }\n' + own
    cluster = cluster_of(load(write(tmp_path, text.replace("[systems.a]\n", ""))).systems["config-manager"])
    assert (cluster.namespace, cluster.context) == ("llm-config", "other")
    assert cluster.components == {
        "api": Workload("llm-config", "deployments/config"),
        "postgres": Workload("database", "statefulsets/postgres"),
    }
    assert cluster.namespace_of("postgres") == "database"


def test_instances_that_are_named_are_not_discovered(tmp_path: Path) -> None:
    named = '[[systems.config-manager.components.api.instances]]\nname = "public"\nurl = "http://config.example.com"\n'
    assert not load(write(tmp_path, NAMED + named)).systems["config-manager"].api.discovered


def test_an_address_for_users_stands_beside_the_pods_and_does_not_replace_them(tmp_path: Path) -> None:
    text = NAMED + PORTS + 'url = "http://config.example.com"\n'
    system = load(write(tmp_path, text)).systems["config-manager"]
    assert system.entry is not None
    assert system.entry.url == "http://config.example.com"
    assert system.api.discovered
    assert system.instances == ()


@pytest.mark.parametrize("reference", ['"k/config"', '{ file = "k/config" }'])
def test_a_kubeconfig_is_found_from_the_environment_file(tmp_path: Path, reference: str) -> None:
    text = f"{NAMED}kubeconfig = {reference}\n[systems.config-manager]\n"
    cluster = cluster_of(load(write(tmp_path, text)).systems["config-manager"])
    assert cluster.kubeconfig == tmp_path / "k" / "config"


def test_a_kubeconfig_is_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGING_KUBECONFIG", "/some/where")
    text = NAMED + 'kubeconfig = { env = "STAGING_KUBECONFIG" }\n[systems.config-manager]\n'
    cluster = cluster_of(load(write(tmp_path, text)).systems["config-manager"])
    assert cluster.kubeconfig == Path("/some/where")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('namespce = "x"', "kubernetes.namespce: unknown key"),
        ('namespace = "Not A Name"', "kubernetes.namespace"),
        ('reach = "proxy"', "kubernetes.reach: expected 'port-forward' or 'address'"),
        ('context = "x"', "kubernetes.namespace: missing"),
        (
            'namespace = "x"\ncomponents = { api = { workload = "llm-config" } }',
            "kubernetes.components.api.workload: ",
        ),
        ('namespace = "x"\ncomponents = { api = {} }', "expected workload = "),
        (
            'namespace = "x"\nkubeconfig = { env = "NOT_SET_ANYWHERE" }',
            "environment variable NOT_SET_ANYWHERE is not set",
        ),
    ],
)
def test_a_mistake_in_the_table_is_told(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(BadEnvironment, match=told):
        load(write(tmp_path, f"[kubernetes]\n{table}\n[systems.config-manager]\n"))


def test_without_a_cluster_every_capability_is_missing_with_the_reason() -> None:
    found = platform_of(System("config-manager", Place("kubernetes"))).can(Lists)  # type: ignore[type-abstract] # by its type
    assert isinstance(found, Missing)
    assert "[kubernetes]" in found.reason


def test_a_defect_counts_on_a_platform_for_what_has_a_row_there() -> None:
    row = {
        "breaks": ["config-manager.logs.no-errors-compose", "config-manager.verify.success-no-error-logs"],
        "breaks_also": {"kubernetes": ["config-manager.logs.no-errors-kubernetes"]},
    }
    assert broken_on(row, "process") == set(row["breaks"])
    assert broken_on(row, "kubernetes") == {
        "config-manager.verify.success-no-error-logs",
        "config-manager.logs.no-errors-kubernetes",
    }


def test_what_pods_do_not_know_is_refused_and_leaves_the_lab_alone(tmp_path: Path) -> None:
    record = tmp_path / "lab" / "kubernetes" / "config-manager" / "record.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"system": "config-manager", "kubeconfig": "/nowhere", "context": "c", "namespace": "n",')
    record.write_text(record.read_text() + ' "version": "1", "defects": []}')
    words = [sys.executable, "-m", "lab", "kill", "redis-0", "--on", "kubernetes"]
    variables = {**os.environ, "DRILLBOOK_STATE_DIR": str(tmp_path)}
    done = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "kill is not to be had on Kubernetes" in done.stderr
    assert record.exists()


LABELS = {"api": "app=web", "postgres": "app==db", "redis": "app = cache", "other": "tier=x", "many": "app in (a,b)"}


@pytest.mark.parametrize(
    ("component", "asked"),
    [
        ("api", "app in (cache,db,web)"),
        ("redis", "app in (cache,db,web)"),
        ("other", "tier=x"),
        ("many", "app in (a,b)"),
    ],
)
def test_components_under_one_label_are_asked_for_together(component: str, asked: str) -> None:
    assert widest(LABELS[component], LABELS.values()) == asked


def test_what_a_round_shares_is_read_once_and_so_is_the_reason_why_it_cannot() -> None:
    shared, calls = Shared(), []

    def read() -> int:
        calls.append(1)
        return len(calls)

    def fail() -> int:
        calls.append(1)
        raise CannotObserve("403", hint="log in")

    assert (shared.once("a", read), shared.once("a", read), shared.once("b", read)) == (1, 1, 2)
    for _ in range(2):
        with pytest.raises(CannotObserve, match="403"):
            shared.once("c", fail)
    assert len(calls) == 3


def test_an_undo_never_follows_a_kubeconfig_to_another_cluster(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "there",
                "contexts": [{"name": "there", "context": {"cluster": "there", "user": "me"}}],
                "clusters": [{"name": "there", "cluster": {"server": "https://there.invalid:6443"}}],
                "users": [{"name": "me", "user": {"token": "nothing"}}],
            }
        )
    )
    assert api_of(Cluster("ns", kubeconfig=kubeconfig)).server == "https://there.invalid:6443"
    with pytest.raises(
        CannotObserve, match=r"leads to https://there\.invalid:6443 now, and this belongs to https://here"
    ):
        api_of(Cluster("ns", kubeconfig=kubeconfig, server="https://here.invalid:6443"))
