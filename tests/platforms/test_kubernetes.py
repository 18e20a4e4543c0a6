"""Kubernetes: capabilities, the whole gate, broken eyes, both accounts and the planted defects, on a real cluster."""

from __future__ import annotations

import contextlib
import json
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drillbook.environment import load, locate
from drillbook.model import CannotObserve, System
from drillbook.platforms import (
    Kills,
    Lists,
    Missing,
    Pauses,
    PlatformRefused,
    ReadsLogs,
    RollsOut,
    Scales,
    Starts,
    Stops,
    discovered,
    platform_of,
)
from drillbook.platforms.kubernetes import KubernetesPlatform
from drillbook.trace import broken_on

from ..requires import require
from ..running import ROOT
from .api_proxy import api_says
from .cluster import HINT, Cluster, alone, brought_up, is_there, planted

ROWS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "lab" / "defects.toml").read_text("utf-8"))
HERE = {name: row for name, row in ROWS.items() if "kubernetes" in row["platforms"]}
LOOKING = ["get pods", "list pods", "get pods/log", "list services", "list deployments.apps", "list statefulsets.apps"]
LOOKING += ["list events", "get configmaps/llm-config-manager-config", "create pods/portforward", "list nodes"]
BREAKING = ["delete pods", "patch deployments.apps/scale", "patch statefulsets.apps/scale"]
BREAKING += ["patch deployments.apps/llm-config-manager"]
NEVER = ["get secrets", "list secrets", "create pods/exec", "create pods", "get configmaps/other", "delete namespaces"]
NEVER += [
    "create rolebindings.rbac.authorization.k8s.io",
    "patch nodes",
    "delete persistentvolumeclaims",
    "impersonate users",
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require("kubernetes", is_there(), HINT)
    with brought_up(tmp_path_factory.mktemp("state")) as found:
        yield found


def system_of(cluster: Cluster, account: str = "gate", **table: str) -> System:
    """Return the system as an environment file gives it, seen by one of the accounts."""
    text = (cluster.folder / "environment.toml").read_text("utf-8")
    text = text.replace("gate.kubeconfig", f"{account}.kubeconfig")
    added = "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    path = cluster.folder / "environment-of-test.toml"
    path.write_text(text.replace("[kubernetes]\n", f"[kubernetes]\n{added}"), "utf-8")
    return load(locate(str(path))).systems["config-manager"]


def test_a_healthy_system_is_met_in_every_criterion(cluster: Cluster, tmp_path: Path) -> None:
    with alone():
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


def test_pods_are_listed_by_component(cluster: Cluster) -> None:
    system = system_of(cluster)
    lists = platform_of(system).can(Lists)  # type: ignore[type-abstract] # a protocol is asked for by its type
    assert not isinstance(lists, Missing)
    found = lists.list_instances()
    assert sorted(one.component for one in found) == ["api"] * 3 + ["postgres", "prometheus"] + ["redis"] * 3
    assert all(one.running and one.started_at for one in found)


def test_instances_are_the_pods_of_the_moment(cluster: Cluster) -> None:
    system = discovered(system_of(cluster))
    assert len({one.name for one in system.instances}) == 3
    assert all(one.way is not None for one in system.instances)
    by_address = discovered(system_of(cluster, reach="address"))
    assert all(one.way is None and one.url is not None for one in by_address.instances)
    assert {one.name for one in by_address.instances} == {one.name for one in system.instances}


def test_a_pods_log_is_read(cluster: Cluster) -> None:
    system = discovered(system_of(cluster))
    reads = platform_of(system).can(ReadsLogs)  # type: ignore[type-abstract] # as above
    assert not isinstance(reads, Missing)
    whole = reads.read_log(system.instances[0], limit_bytes=1 << 20)
    assert whole.whole
    assert any("Server is ready to accept connections" in line for line in whole.lines)
    assert not reads.read_log(system.instances[0], limit_bytes=200).whole


@pytest.mark.parametrize("capability", [Starts, Pauses])
def test_what_a_pod_cannot_do_is_missing_with_the_reason(cluster: Cluster, capability: type[Any]) -> None:
    found = platform_of(system_of(cluster)).can(capability)
    assert isinstance(found, Missing)
    assert capability.__name__ in found.reason


@pytest.mark.parametrize("harm", ["stop", "kill"])
def test_a_pod_that_is_ended_is_replaced_by_another(cluster: Cluster, harm: str) -> None:
    system = discovered(system_of(cluster, "drill"))
    platform = platform_of(system)
    name = system.instances[0].name
    if harm == "stop":
        stops = platform.can(Stops)  # type: ignore[type-abstract] # as above
        assert not isinstance(stops, Missing)
        stopped = stops.stop(name, grace_s=15)
        assert (stopped.exit_code, stopped.killed) == (0, False)
        assert stopped.took_s < 15
    else:
        kills = platform.can(Kills)  # type: ignore[type-abstract] # as above
        assert not isinstance(kills, Missing)
        kills.kill(name)
    cluster.settle()
    names = {one.name for one in discovered(system_of(cluster, "drill")).instances}
    assert name not in names
    assert len(names) == 3


def test_a_component_is_scaled_and_rolled_out(cluster: Cluster) -> None:
    system = system_of(cluster, "drill")
    scales = platform_of(system).can(Scales)  # type: ignore[type-abstract] # as above
    rolls = platform_of(system).can(RollsOut)  # type: ignore[type-abstract] # as above
    assert not isinstance(scales, Missing)
    assert not isinstance(rolls, Missing)
    assert scales.scale("api", 2) == 3
    cluster.settle()
    assert len(discovered(system).instances) == 2
    assert scales.scale("api", 3) == 2
    cluster.settle()
    before = {one.name for one in discovered(system).instances}
    rolls.roll_out("api", {"metadata": {"annotations": {"drillbook.dev/rolled-out": "1"}}})
    cluster.settle()
    assert not before & {one.name for one in discovered(system).instances}


def test_the_gates_account_may_look_and_break_nothing(cluster: Cluster) -> None:
    assert allowed(cluster, "gate", LOOKING) == set(LOOKING)
    assert allowed(cluster, "gate", BREAKING + NEVER) == set()
    platform = platform_of(discovered(system_of(cluster)))
    assert isinstance(platform, KubernetesPlatform)
    with pytest.raises(PlatformRefused, match="403"):
        platform.kill(discovered(system_of(cluster)).instances[0].name)


def test_the_drills_account_may_break_what_drills_break_and_read_no_secret(cluster: Cluster) -> None:
    assert allowed(cluster, "drill", LOOKING + BREAKING) == {*LOOKING, *BREAKING}
    assert allowed(cluster, "drill", NEVER) == set()


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


@pytest.mark.parametrize("name", HERE)
def test_a_planted_defect_flips_exactly_what_it_names(cluster: Cluster, name: str, tmp_path: Path) -> None:
    row = HERE[name]
    ids = broken_on(row, "kubernetes")
    assert ids, "nothing that it breaks applies to Kubernetes"
    stage = row.get("stage", "smoke")
    environment: str | Path = preflight_environment(cluster) if stage == "preflight" else "kubernetes"
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone())
        stack.enter_context(planted(cluster, row))
        if says := row.get("api_says"):
            path = says["path"].format(namespace=cluster.namespace)
            told = cluster.folder / "environment.toml"
            environment = stack.enter_context(api_says(told, path, says["status"], folder=tmp_path))
        run = cluster.gate(tmp_path / "reports", "-m", stage, environment=environment)
    assert run.broken() == ids, run.output
    assert run.exit_status in {1, 10}


def test_what_is_not_discovered_is_one_hidden_instance_with_the_reason(tmp_path: Path) -> None:
    system = load(environment_at(tmp_path, "nowhere.kubeconfig")).systems["config-manager"]
    (instance,) = discovered(system).instances
    assert isinstance(instance.hidden, CannotObserve)


def environment_at(folder: Path, kubeconfig: str) -> Path:
    """Write an environment file beside a kubeconfig."""
    path = folder / "environment.toml"
    path.write_text(
        f'name = "broken-eye"\nplatform = "kubernetes"\n[kubernetes]\nkubeconfig = "{kubeconfig}"\n'
        '[systems.config-manager]\npostgres = { url = "postgresql://postgres/x", through = "platform" }\n'
        'redis = { url = "redis://redis-0.redis/0", through = "platform" }\n',
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
