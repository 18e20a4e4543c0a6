"""A lab in a namespace of its own, for tests: brought up and removed with the commands that users type."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock

from drillbook.environment import load
from drillbook.model import System
from drillbook.polling import wait_until

from ..running import ROOT, Run, gate

HINT = "a kubeconfig that reaches a cluster, kubectl, and the image of lab/kubernetes/Dockerfile on its nodes"
SETTLE_S = 60
QUIET_S = 7
SCRAPED_S = 30
_NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "drillbook-dead-node"},
    "spec": {"unschedulable": True, "taints": [{"key": "drillbook.dev/dead", "effect": "NoExecute"}]},
}


@dataclass
class Cluster:
    """One lab: its namespace, its state directory, and what tests do to it."""

    namespace: str
    state: Path
    rounds: int = 0
    dirty: bool = False
    """Whether something was planted since all copies were last replaced by ones without defects."""

    @property
    def folder(self) -> Path:
        """Where the lab keeps its files."""
        return self.state / "lab" / "kubernetes" / "config-manager"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace with the rights of the person who runs the tests."""
        done = subprocess.run(
            ["kubectl", "--namespace", self.namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def system(self, account: str = "gate", **table: str) -> System:
        """Return the system as an environment file gives it, seen by ``gate``, ``drill``, or ``tester``: who tests."""
        facts = tomllib.loads((self.folder / "environment.toml").read_text("utf-8"))
        where = facts["systems"]["config-manager"]["kubernetes"]
        del where["acts_with"]
        if account == "tester":
            del where["kubeconfig"]
        else:
            where["kubeconfig"] = where["kubeconfig"].replace("gate.kubeconfig", f"{account}.kubeconfig")
        where |= table
        path = self.folder / "environment-of-test.toml"
        path.write_text(tomli_w.dumps(facts), "utf-8")
        return load(path).systems["config-manager"]

    def gate(self, reports: Path, *arguments: str, environment: str | Path = "kubernetes") -> Run:
        """Run the gate as users do."""
        variables = {"DRILLBOOK_STATE_DIR": str(self.state)}
        return gate(environment, *arguments, reports=reports, variables=variables)

    def lab(self, *arguments: str) -> str:
        """Run ``drillbook lab`` on Kubernetes; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "lab", *arguments, "--on", "kubernetes"],
            cwd=ROOT,
            env={**os.environ, "DRILLBOOK_STATE_DIR": str(self.state)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def renew(self, defects: list[str]) -> None:
        """Replace all copies of the service by new ones with these defects, and wait until the old ones are gone."""
        self.rounds += 1
        self.dirty = bool(defects)
        planted = f"LLM_CONFIG_DEFECT={','.join(defects)}"
        self.kubectl("set", "env", "deployment/llm-config-manager", planted, f"ROUND={self.rounds}")
        self.settle()
        self._await_scraped()

    def heal(self) -> None:
        """See that nothing is planted any more, and that Prometheus knows the copies that are there."""
        if self.dirty:
            self.renew([])
        else:
            self._await_scraped()

    def settle(self) -> None:
        """Wait until every controller has what it wants and no pod is on its way out."""
        wait_until(self._is_settled, what="all pods to settle", timeout_s=SETTLE_S, every_s=0.3)

    def quiet(self) -> None:
        """Wait until nothing about any pod has changed for a while: readiness follows with a delay."""
        seen: list[str] = []

        def same() -> bool:
            seen.append(str(self._pods()))
            count = int(QUIET_S / 0.5)
            return len(seen) > count and len(set(seen[-count:])) == 1

        wait_until(same, what="the pods to come to rest", timeout_s=SETTLE_S, every_s=0.5)

    def _await_scraped(self) -> None:
        wait_until(self._is_scraped, what="Prometheus to have asked the copies, and no others", timeout_s=SCRAPED_S)

    def _is_scraped(self) -> bool:
        """Say whether Prometheus has asked the copies that are there now, and only them: old ones stay up a while."""
        targets = f"/api/v1/namespaces/{self.namespace}/services/prometheus:9090/proxy/api/v1/targets?state=active"
        try:
            rows: list[dict[str, Any]] = json.loads(self.kubectl("get", "--raw", targets))["data"]["activeTargets"]
        except AssertionError:  # Prometheus does not answer, or not yet
            return False
        copies = json.loads(self.kubectl("get", "pods", "-l", "app=llm-config-manager", "--output=json"))["items"]
        asked = {row["labels"]["instance"] if row["health"] != "unknown" else "" for row in rows}
        return bool(asked) and asked == {f"{copy['status'].get('podIP')}:9090" for copy in copies}

    def _is_settled(self) -> bool:
        rows = json.loads(self.kubectl("get", "statefulsets,deployments", "--output=json"))["items"]
        wanted = sum(int(row["spec"]["replicas"]) for row in rows)
        done = all(
            row["status"].get("readyReplicas", 0) == row["status"].get("updatedReplicas", 0) == row["spec"]["replicas"]
            and row["status"].get("observedGeneration") == row["metadata"]["generation"]
            for row in rows
        )
        return done and len(self._pods()) == wanted

    def _pods(self) -> list[Any]:
        rows = json.loads(self.kubectl("get", "pods", "--output=json"))["items"]
        return [
            (
                row["metadata"]["name"],
                row["status"].get("phase"),
                row["metadata"].get("deletionTimestamp"),
                [one["ready"] for one in row["status"].get("containerStatuses", [])],
            )
            for row in rows
        ]


def is_there() -> bool:
    """Say whether kubectl reaches a cluster."""
    if shutil.which("kubectl") is None:
        return False
    asked = ["kubectl", "version", "--request-timeout=5s"]
    return subprocess.run(asked, capture_output=True, timeout=20, check=False).returncode == 0


@contextlib.contextmanager
def brought_up(state: Path) -> Iterator[Cluster]:
    """Bring up a lab in a new namespace, and remove it."""
    cluster = Cluster(f"drillbook-test-{secrets.token_hex(3)}", state)
    cluster.lab("up", "config-manager", "--namespace", cluster.namespace)
    try:
        yield cluster
    finally:
        cluster.lab("down")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold what all labs of a cluster share, its nodes, against the tests of other workers."""
    with FileLock(Path("/tmp") / f"drillbook-nodes-{os.getuid()}.lock"):  # noqa: S108 - shared by all workers on purpose
        yield


@contextlib.contextmanager
def planted(cluster: Cluster, row: Mapping[str, Any]) -> Iterator[None]:
    """Plant a row of lab/defects.toml, and take it out again."""
    names = [one.partition("=")[0] for one in row.get("plant", [])]
    cluster.renew(names)
    cluster.dirty = True
    stopped = {name: {"postgres": 1, "redis": 3}[name] for name in row.get("stop", [])}
    try:
        for name in stopped:
            cluster.kubectl("scale", f"statefulset/{name}", "--replicas=0")
        for command in row.get("kubectl", []):
            cluster.kubectl(*shlex.split(command))
        if row.get("node"):
            cluster.kubectl("create", "-f", "-", stdin=json.dumps(_NODE))
        if stopped or row.get("kubectl"):
            cluster.quiet()
        yield
    finally:
        if row.get("node"):
            cluster.kubectl("delete", "node", _NODE["metadata"]["name"])  # type: ignore[index] # a literal above
        for name, count in stopped.items():
            cluster.kubectl("scale", f"statefulset/{name}", f"--replicas={count}")
        if row.get("kubectl"):
            cluster.kubectl("apply", "--kustomize", str(cluster.folder / "overlay"))
        for command in row.get("mend", []):
            cluster.kubectl(*shlex.split(command))
