"""Kubernetes: capabilities, the whole gate, broken eyes, both accounts and the planted defects, on a real cluster."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drillbook.environment import load
from drillbook.model import CannotObserve
from drillbook.platforms import (
    Executes,
    Kills,
    Missing,
    PlatformRefused,
    Restarts,
    RollsBack,
    RollsOut,
    Scales,
    Stops,
    discovered,
    platform_of,
)
from drillbook.platforms.kubernetes import KubernetesPlatform, api_of
from drillbook.platforms.kubernetes.settings import Cluster as Settings
from drillbook.platforms.kubernetes.watch import Changed, Listed, watch

from ..controls.packs import CONTROLS, Pack, packs, prove
from ..running import Run
from .api_proxy import api_says
from .cluster import Cluster, alone, planted

EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version: 1"}}
LOOKING = ["get pods", "list pods", "get pods/log", "list services", "list deployments.apps", "list statefulsets.apps"]
LOOKING += [
    "list replicasets.apps",
    "get pods.metrics.k8s.io",
    "list events",
    "get configmaps/llm-config-manager-config",
    "create pods/portforward",
    "list nodes",
]
BREAKING = ["delete pods", "watch pods", "patch deployments.apps/scale", "patch statefulsets.apps/scale"]
BREAKING += ["patch deployments.apps/llm-config-manager"]
NEVER = ["get secrets", "list secrets", "create pods/exec", "create pods", "get configmaps/other", "delete namespaces"]
NEVER += [
    "create rolebindings.rbac.authorization.k8s.io",
    "patch nodes",
    "delete persistentvolumeclaims",
    "impersonate users",
]


def test_a_healthy_system_is_met_in_every_criterion(cluster: Cluster, tmp_path: Path) -> None:
    with alone():
        cluster.heal()
        run = cluster.gate(tmp_path)
    assert run.exit_status == 0, run.output
    assert len(run.verdicts()) == 42
    assert run.broken() == set()


def test_what_a_deploy_needs_is_met(cluster: Cluster, tmp_path: Path) -> None:
    run = cluster.gate(tmp_path, "-m", "preflight", environment=preflight_environment(cluster))
    assert run.exit_status == 0, run.output
    assert set(run.verdicts()) == {
        "config-manager.preflight.encryption-key-kubernetes",
        "config-manager.preflight.kubernetes-configmap",
    }


@pytest.mark.parametrize(("status", "body"), [(410, "{}"), (200, f"{json.dumps(EXPIRED)}\n")], ids=["answer", "event"])
def test_a_watch_lists_again_after_410_and_goes_on(cluster: Cluster, status: int, body: str, tmp_path: Path) -> None:
    cluster.system("drill")  # writes the file; the gate's account may not watch
    path, name = f"/api/v1/namespaces/{cluster.namespace}/pods", "drillbook-watched"
    told = cluster.folder / "environment-of-test.toml"
    with api_says(told, path, status, folder=tmp_path, body=body, since="1") as forgetful:
        where = load(forgetful).systems["config-manager"].place.held_as(Settings)
        assert where is not None
        seen = watch(api_of(where), path, limit_s=20, since="1", fieldSelector=f"metadata.name={name}")
        assert next(seen) == Listed(())
        # Nobody schedules it, so that it comes and goes, and nothing else.
        nobodys = '{"apiVersion": "v1", "spec": {"schedulerName": "nobody"}}'
        cluster.kubectl("run", name, "--image=redis:7", "--restart=Never", f"--overrides={nobodys}")
        try:
            come = next(seen)
        finally:
            cluster.kubectl("delete", "pod", name, "--grace-period=0", "--force")
        gone = next(one for one in seen if isinstance(one, Changed) and one.gone)  # it is told first that it is to go
    assert isinstance(come, Changed)
    assert not come.gone
    assert come.item["metadata"]["uid"] == gone.item["metadata"]["uid"]


def test_a_watch_ends_in_time_when_nothing_happens(cluster: Cluster) -> None:
    where = cluster.system("tester").place.held_as(Settings)
    assert where is not None
    api, began = api_of(where), time.monotonic()
    found = list(watch(api, api.path("configmaps"), limit_s=2, fieldSelector="metadata.name=drillbook-nothing"))
    assert found == [Listed(())]
    assert 2 <= time.monotonic() - began < 8


def test_instances_are_the_pods_of_the_moment(cluster: Cluster) -> None:
    system = discovered(cluster.system())
    assert len({one.name for one in system.instances}) == 3
    assert all(one.way is not None for one in system.instances)
    by_address = discovered(cluster.system(reach="address"))
    assert all(one.way is None and one.url is not None for one in by_address.instances)
    assert {one.name for one in by_address.instances} == {one.name for one in system.instances}


def test_the_gates_account_may_look_and_break_nothing(cluster: Cluster) -> None:
    assert allowed(cluster, "gate", LOOKING) == set(LOOKING)
    assert allowed(cluster, "gate", BREAKING + NEVER) == set()
    platform = platform_of(discovered(cluster.system()))
    assert isinstance(platform, KubernetesPlatform)
    for capability in (Stops, Kills, Scales, RollsOut, RollsBack, Restarts, Executes):
        found = platform.can(capability)
        assert isinstance(found, Missing)
        assert "this account may not" in found.reason
    with pytest.raises(PlatformRefused, match="403"):
        platform.kill(discovered(cluster.system()).instances[0].name)


def test_the_drills_account_may_break_what_drills_break_and_read_no_secret(cluster: Cluster) -> None:
    assert allowed(cluster, "drill", LOOKING + BREAKING) == {*LOOKING, *BREAKING}
    assert allowed(cluster, "drill", NEVER) == set()


def test_who_may_execute_runs_a_command_in_a_pod_within_its_limit(cluster: Cluster) -> None:
    system = discovered(cluster.system("tester"))
    executes = platform_of(system).can(Executes)  # type: ignore[type-abstract] # a protocol is asked for by its type
    assert not isinstance(executes, Missing)
    name = system.instances[0].name
    done = executes.execute(name, ("sh", "-c", "echo said; exit 3"))
    assert (done.exit_code, done.output) == (3, "said\n")
    with pytest.raises(PlatformRefused, match="within 1 s"):
        executes.execute(name, ("sleep", "9"), limit_s=1)
    with pytest.raises(PlatformRefused, match="failed to exec"):
        executes.execute(name, ("no-such-program",))
    with pytest.raises(PlatformRefused, match="404"):
        executes.execute("no-such-pod", ("true",))


def test_a_first_revision_and_a_statefulset_cannot_be_rolled_back(cluster: Cluster) -> None:
    back = platform_of(cluster.system("drill")).can(RollsBack)  # type: ignore[type-abstract] # as above
    assert not isinstance(back, Missing)
    with pytest.raises(PlatformRefused, match="keeps no earlier revision"):
        back.roll_back("redis")


def allowed(cluster: Cluster, account: str, rights: list[str]) -> set[str]:
    """Ask the API, as that account, which of these rights it has."""
    config = str(cluster.folder / f"{account}.kubeconfig")
    found = set()
    for right in rights:
        verb, _, what = right.partition(" ")
        resource, _, name = what.partition("/")
        is_part = name in {"log", "portforward", "exec", "scale"}
        asked = [resource, f"--subresource={name}"] if is_part else [what]
        review = subject_review(cluster, verb, asked, config)
        if review:
            found.add(right)
    return found


def subject_review(cluster: Cluster, verb: str, asked: list[str], config: str) -> bool:
    """Return kubectl's ``auth can-i``, whose exit status 1 means no."""
    try:
        answer = cluster.kubectl("--kubeconfig", config, "auth", "can-i", verb, *asked)
    except AssertionError:
        return False
    return answer.strip().endswith("yes")


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ({"token": "not-a-token-of-this-cluster"}, "401"),
        (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["61"]}},
            "the credential plugin sleep gave no credential within 4 s",
        ),
    ],
    ids=["wrong-token", "hanging-plugin"],
)
def test_a_broken_login_is_unknown_and_quick(
    cluster: Cluster, tmp_path: Path, user: dict[str, Any], reason: str
) -> None:
    config = json.loads((cluster.folder / "gate.kubeconfig").read_text("utf-8"))
    if "exec" in user:
        user = {"exec": {**user["exec"], "interactiveMode": "Never"}}
    config["users"][0]["user"] = user
    (tmp_path / "broken.kubeconfig").write_text(json.dumps(config), "utf-8")
    began = time.monotonic()
    cluster.gate(tmp_path / "reports", environment=environment_at(tmp_path, "nowhere.kubeconfig"))
    nothing_to_wait_for_s = time.monotonic() - began
    began = time.monotonic()
    run = cluster.gate(tmp_path / "reports", environment=environment_at(tmp_path, "broken.kubeconfig"))
    assert time.monotonic() - began < nothing_to_wait_for_s * 2 + 6
    expect_all_unknown(run.verdicts(), run.exit_status, run.output, reason)


def test_a_kubeconfig_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    cluster = Cluster("llm-config", tmp_path)
    run = cluster.gate(tmp_path / "reports", environment=environment_at(tmp_path, "nowhere.kubeconfig"))
    expect_all_unknown(run.verdicts(), run.exit_status, run.output, "there is no kubeconfig at")


def test_an_api_that_does_not_answer_is_unknown(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {"token": "planted-token"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    (tmp_path / "dead.kubeconfig").write_text(json.dumps(config), "utf-8")
    run = Cluster("llm-config", tmp_path).gate(
        tmp_path / "reports", environment=environment_at(tmp_path, "dead.kubeconfig")
    )
    expect_all_unknown(run.verdicts(), run.exit_status, run.output, "refused")
    assert "planted-token" not in run.output


def test_a_missing_namespace_is_not_met(cluster: Cluster, tmp_path: Path) -> None:
    environment = tmp_path / "elsewhere.toml"
    environment.write_text(
        'name = "elsewhere"\nplatform = "kubernetes"\n[kubernetes]\nnamespace = "drillbook-nowhere"\n'
        "[systems.config-manager]\n",
        "utf-8",
    )
    run = cluster.gate(tmp_path / "reports", "-k", "kubernetes-namespace", environment=environment)
    assert run.verdicts() == {"config-manager.startup.kubernetes-namespace": "NOT_MET"}, run.output


@pytest.mark.parametrize("pack", [*packs("kubernetes", "smoke"), *packs("kubernetes", "preflight")], ids=str)
def test_planted_defects_flip_exactly_what_they_name(cluster: Cluster, pack: Pack, tmp_path: Path) -> None:
    stage = CONTROLS[pack.names[0]].get("stage", "smoke")

    def look(row: Mapping[str, Any]) -> Run:
        environment: str | Path = preflight_environment(cluster) if stage == "preflight" else "kubernetes"
        with contextlib.ExitStack() as stack:
            stack.enter_context(alone())
            stack.enter_context(planted(cluster, row))
            if says := row.get("api_says"):
                path = says["path"].format(namespace=cluster.namespace)
                told = cluster.folder / "environment.toml"
                environment = stack.enter_context(api_says(told, path, says["status"], folder=tmp_path))
            return cluster.gate(tmp_path / "reports", "-m", stage, environment=environment)

    prove(pack, look)


def test_what_is_not_discovered_is_one_hidden_instance_with_the_reason(tmp_path: Path) -> None:
    system = load(environment_at(tmp_path, "nowhere.kubeconfig")).systems["config-manager"]
    (instance,) = discovered(system).instances
    assert isinstance(instance.hidden, CannotObserve)


def environment_at(folder: Path, kubeconfig: str) -> Path:
    """Write an environment file beside a kubeconfig."""
    path = folder / "environment.toml"
    path.write_text(
        f'name = "broken-eye"\nplatform = "kubernetes"\n[kubernetes]\nkubeconfig = "{kubeconfig}"\n'
        'namespace = "llm-config"\ncomponents = { api = { workload = "deployments/llm-config-manager" } }\n'
        "[systems.config-manager.components]\napi = { ports = { http = 8080, metrics = 9090 } }\n"
        'postgres = { kind = "postgres", url = "postgresql://postgres/x", through = "platform" }\n'
        'redis = { kind = "redis", url = "redis://redis-0.redis/0", through = "platform" }\n',
        "utf-8",
    )
    return path


def preflight_environment(cluster: Cluster) -> Path:
    """Return the lab's own file: a preflight does not ask for a lab."""
    return cluster.folder / "environment.toml"


def expect_all_unknown(verdicts: dict[str, str], exit_status: int, output: str, reason: str) -> None:
    assert verdicts, output
    assert set(verdicts.values()) == {"UNKNOWN"}, output
    assert exit_status == 10, output
    assert reason in output
