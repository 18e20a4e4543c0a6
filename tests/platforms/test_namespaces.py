"""Two systems in one environment file, one of them in three namespaces: each has its mark, its claim and its lock.

Plain pods of a real cluster; nothing of the lab is in them.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drillbook.environment import Environment, load
from drillbook.faults import Blast, FaultSession, NotPermitted, Refusal, kill_component, permit, spot_of
from drillbook.faults.claims.records import holder_of
from drillbook.faults.recover import recover
from drillbook.journal import Journal
from drillbook.platforms import Lists, platform_of
from drillbook.polling import wait_until
from drillbook.redaction import Redactor

from ..requires import require
from . import cluster as clusters

CONFIG, VAULT = "config-manager", "data-vault"
IMAGE = "redis:7"
UP_S = 60


def kubectl(*words: str, text: str | None = None) -> str:
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Namespaces:
    """Four namespaces: the front, the database and the cache of one system, and the other system's."""

    front: str
    database: str
    cache: str
    other: str

    def workload(self, namespace: str, kind: str, name: str) -> dict[str, Any]:
        labels = {"app": name}
        pod = {"containers": [{"name": "one", "image": IMAGE, "imagePullPolicy": "Never"}]}
        return {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {**pod, "terminationGracePeriodSeconds": 1},
                },
                **({"serviceName": name} if kind == "StatefulSet" else {}),
            },
        }

    def objects(self) -> list[dict[str, Any]]:
        return [
            self.workload(self.front, "Deployment", "web"),
            self.workload(self.database, "StatefulSet", "db"),
            self.workload(self.cache, "Deployment", "cache"),
            self.workload(self.other, "Deployment", "vault"),
        ]

    def mark(self, namespace: str, *names: str) -> None:
        value = ",".join(names)
        kubectl("annotate", "namespace", namespace, "--overwrite", f"drillbook.dev/disruptible={value}")

    def claims(self) -> set[str]:
        """Return the namespaces in which a claim lies."""
        found = kubectl("get", "configmaps", "-A", "--field-selector", "metadata.name=drillbook-claim", "-o", "json")
        there = {row["metadata"]["namespace"] for row in json.loads(found)["items"]}
        return there & {self.front, self.database, self.cache, self.other}


@pytest.fixture(scope="module")
def there() -> Iterator[Namespaces]:
    require("kubernetes", clusters.is_there(), clusters.HINT)
    tag = secrets.token_hex(3)
    found = Namespaces(*(f"drillbook-{part}-{tag}" for part in ("front", "database", "cache", "other")))
    names = (found.front, found.database, found.cache, found.other)
    with ExitStack() as stack:
        for name in names:
            kubectl("create", "namespace", name)
            stack.callback(kubectl, "delete", "namespace", name, "--wait=false")
        kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": found.objects()}))
        for name in names:
            _await_pod(name)
        yield found


def _await_pod(namespace: str) -> None:
    wait_until(lambda: kubectl("-n", namespace, "get", "pods", "-o", "name").strip(), what="a pod", timeout_s=UP_S)
    kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", f"--timeout={UP_S}s")


@pytest.fixture
def environment(there: Namespaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path / "state"))
    for name in (there.front, there.database, there.cache, there.other):
        there.mark(name, "two")
    path = tmp_path / "two.toml"
    path.write_text(
        f"""
name = "two"
platform = "kubernetes"
[kubernetes]
kubeconfig = {{ env = "KUBECONFIG" }}
[disruption]
allowed = true
at_most = {{ instances = 1 }}

[systems.{CONFIG}.kubernetes]
namespace = "{there.front}"
[systems.{CONFIG}.kubernetes.components]
api = {{ workload = "deployments/web" }}
postgres = {{ workload = "statefulsets/db", namespace = "{there.database}" }}
redis = {{ workload = "deployments/cache", namespace = "{there.cache}" }}

[systems.{VAULT}.kubernetes]
namespace = "{there.other}"
components = {{ api = {{ workload = "deployments/vault" }} }}
""",
        "utf-8",
    )
    monkeypatch.setenv("KUBECONFIG", os.environ.get("KUBECONFIG", str(Path.home() / ".kube" / "config")))
    return load(path)


@pytest.fixture
def sessions(environment: Environment, tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "run").mkdir()
    journal = Journal(tmp_path / "run", Redactor())
    with ExitStack() as stack:
        stack.callback(journal.close)

        def opened(system: str, component: str) -> FaultSession | Refusal:
            spot = spot_of(environment.systems[system], component)
            found = FaultSession.open(environment, "two", spot, journal=journal)
            if isinstance(found, FaultSession):
                stack.callback(found.close)
            return found

        yield opened


def test_all_components_are_listed_wherever_they_are(environment: Environment, there: Namespaces) -> None:
    lists = platform_of(environment.systems[CONFIG]).can(Lists)  # type: ignore[type-abstract] # asked for by its type
    listed = {state.component: state.state for state in lists.list_instances()}  # type: ignore[union-attr] # it can
    assert listed == {"api": "running", "postgres": "running", "redis": "running"}
    assert there.claims() == set()


def test_a_fault_asks_and_holds_its_own_namespace_and_no_other(
    environment: Environment, there: Namespaces, sessions: Any
) -> None:
    there.mark(there.front)  # nobody may disrupt the front
    there.mark(there.cache, "prod")
    session = sessions(CONFIG, "postgres")
    assert isinstance(session, FaultSession), session
    assert there.claims() == {there.database}
    assert session.claim.systems == (f"{CONFIG}.postgres",)
    fault = kill_component(environment.systems[CONFIG], "postgres")
    with session.prepare(fault) as injection:
        assert injection.fault.in_effect() is not None
        pods = json.loads(kubectl("-n", there.database, "get", "pods", "-o", "json"))["items"]
        assert pods == []
    assert fault.recovered() is not None
    for component, namespace in (("api", there.front), ("redis", there.cache)):
        refused = sessions(CONFIG, component)
        assert isinstance(refused, Refusal)
        assert f"of namespace {namespace} names" in refused.reason


def test_two_namespaces_of_a_system_are_held_by_two_runs(there: Namespaces, sessions: Any) -> None:
    first, second, third = sessions(CONFIG, "postgres"), sessions(CONFIG, "redis"), sessions(VAULT, "api")
    assert all(isinstance(one, FaultSession) for one in (first, second, third))
    assert there.claims() == {there.database, there.cache, there.other}
    assert holder_of("two", [f"{CONFIG}.api"]) is None
    again = sessions(CONFIG, "postgres")
    assert isinstance(again, Refusal)
    assert f"{CONFIG}.postgres of two is held by" in again.reason
    assert f"drillbook abort --env two --system {CONFIG}" in again.reason


def test_the_blast_radius_is_counted_over_all_places_and_by_component(environment: Environment, sessions: Any) -> None:
    database, vault = sessions(CONFIG, "postgres"), sessions(VAULT, "api")
    with database.prepare(kill_component(environment.systems[CONFIG], "postgres")):
        blast = Blast(VAULT, "api", ("one",), 1)
        refused = permit(environment, "two", blast, claim=vault.claim)
        assert refused is not None
        assert "2 instances would be hit" in refused.reason
        with pytest.raises(NotPermitted, match="2 instances"):
            vault.prepare(kill_component(environment.systems[VAULT], "api")).inject()


def test_what_a_dead_run_has_left_in_one_namespace_is_recovered_from_the_target(
    environment: Environment, there: Namespaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drillbook.faults.claims.places import Spot  # noqa: PLC0415 - of this test alone
    from drillbook.faults.claims.records import Holder, new_record  # noqa: PLC0415 - as above
    from drillbook.faults.guard import enter  # noqa: PLC0415 - as above

    system = environment.systems[CONFIG]
    spot = spot_of(system, "redis")
    assert isinstance(spot, Spot)
    fault = kill_component(system, "redis")
    claim = enter(environment, "two", spot, run="", lease_s=1)
    assert not isinstance(claim, Refusal), claim
    claim.put(new_record(claim, fault=fault.name, undo=fault.undo, run="", blast=fault.blast))
    fault.inject()
    claim.release()  # what is left stays on the target; its machine is gone
    assert isinstance(claim.holder, Holder)
    monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path / "another-machine"))
    report = recover("two", environment.systems.values(), only=CONFIG)
    assert [(row.fault, row.recovered) for row in report.rows] == [("kill redis", True)], report
    assert report.clean, report
    assert there.claims() == set()
