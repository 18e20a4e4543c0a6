"""What the Kubernetes API says of a namespace: its workloads, pods, configuration, and the cluster's nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..model import CannotObserve, System, Target
from ..platforms.kubernetes.settings import Cluster
from .base import ReadingProbe

if TYPE_CHECKING:
    from ..platforms.kubernetes import Api

V = TypeVar("V")
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The version that the API server says it is."""

    version: str


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A namespace; phase is None when there is none."""

    name: str
    phase: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its condition Ready, and whether new pods may be put on it."""

    name: str
    ready: str
    cordoned: bool


@dataclass(frozen=True, slots=True)
class NodeList:
    """All nodes of the cluster."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """A Deployment or StatefulSet by its own figures; ``found`` is False when there is none."""

    name: str
    found: bool
    wanted: int = 0
    replicas: int = 0
    ready: int = 0
    updated: int = 0
    observed: bool = False
    """Whether the figures are of the newest specification."""
    progress: str = ""
    """A Deployment's reason for its condition Progressing."""


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod by its fields, not by kubectl's summary (runbook defect CM-49)."""

    name: str
    phase: str
    ready: int
    containers: int
    restarts: int
    ending: bool
    waiting: str
    """Why a container waits; empty when none does."""
    secret_keys: tuple[str, ...]
    """``secret/key`` of every reference that a container cannot start without. Names alone: no value is ever read."""

    is_ready: bool = True
    """The pod's own condition Ready: a lost node or a readiness gate says no while every container says yes."""

    @property
    def is_replica(self) -> bool:
        """Whether it is meant to serve: not when it is over (a finished Job's, an evicted one) or being deleted."""
        return self.phase not in ("Succeeded", "Failed") and not self.ending

    @property
    def serves(self) -> bool:
        """Whether every container runs and is ready, and the pod itself."""
        return self.phase == "Running" and 0 < self.containers == self.ready and self.is_ready and not self.ending


@dataclass(frozen=True, slots=True)
class PodList:
    """The pods of one component."""

    pods: tuple[PodState, ...]

    @property
    def replicas(self) -> tuple[PodState, ...]:
        """Those that are meant to serve."""
        return tuple(pod for pod in self.pods if pod.is_replica)


@dataclass(frozen=True, slots=True)
class ConfigMapState:
    """A ConfigMap: the names of its keys, None when there is none."""

    name: str
    keys: tuple[str, ...] | None


class ClusterProbe(ReadingProbe[V]):
    """A probe that reads one place of the API."""

    timeout_s: ClassVar[float] = 15.0  # connecting, and two questions on a busy host

    def blind(self, system: System) -> str | None:
        """Return why there is no cluster to ask."""
        return None if system.place.held_as(Cluster) is not None else "the environment names no cluster"

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the namespace as one target."""
        where = system.place.held_as(Cluster)
        return () if where is None else (Target(system, where.namespace),)

    def source(self, target: Target) -> str:
        """Return ``kubectl get ...``, for a person to repeat."""
        return f"kubectl {self.command(_cluster(target))}"

    def observe(self, target: Target) -> V:
        """Ask. Raises CannotObserve when the API does not answer or does not let us."""
        from ..platforms.kubernetes import api_of  # noqa: PLC0415 - platforms are loaded when used

        return self.read(api_of(_cluster(target)))

    def command(self, cluster: Cluster) -> str:
        """Return what a person would type. Subclasses say."""
        raise NotImplementedError

    def read(self, api: Api) -> V:
        """Read. Subclasses say."""
        raise NotImplementedError


@dataclass(frozen=True)
class ClusterInfo(ClusterProbe[Answered]):
    """Whether the API answers this account."""

    reading: ClassVar[type[Answered]] = Answered

    def command(self, cluster: Cluster) -> str:
        """Return the command."""
        return "version" + (f" --context {cluster.context}" if cluster.context else "")

    def read(self, api: Api) -> Answered:
        """Read the server's version."""
        return Answered(str((api.get("/version") or {}).get("gitVersion", "")))


@dataclass(frozen=True)
class OwnNamespace(ClusterProbe[NamespaceState]):
    """The namespace that the environment names."""

    reading: ClassVar[type[NamespaceState]] = NamespaceState

    def command(self, cluster: Cluster) -> str:
        """Return the command."""
        return f"get namespace {cluster.namespace}"

    def read(self, api: Api) -> NamespaceState:
        """Read the namespace."""
        name = api.cluster.namespace
        found = api.get(f"/api/v1/namespaces/{name}")
        return NamespaceState(name, None if found is None else str(found["status"].get("phase", "")))


@dataclass(frozen=True)
class Nodes(ClusterProbe[NodeList]):
    """Every node of the cluster; needs the right to list nodes, which no Role can give (a ClusterRole can)."""

    reading: ClassVar[type[NodeList]] = NodeList

    def command(self, cluster: Cluster) -> str:  # noqa: ARG002 - nodes belong to no namespace
        """Return the command."""
        return "get nodes"

    def read(self, api: Api) -> NodeList:
        """Read all nodes."""
        return NodeList(tuple(_node(found) for found in api.items("/api/v1/nodes")))


@dataclass(frozen=True)
class Workload(ClusterProbe[WorkloadState]):
    """The controller of a component, as the environment names it."""

    component: str
    reading: ClassVar[type[WorkloadState]] = WorkloadState

    def command(self, cluster: Cluster) -> str:
        """Return the command."""
        found = cluster.components.get(self.component)
        return f"get {(found and found.path) or self.component} -n {cluster.namespace_of(self.component)}"

    def read(self, api: Api) -> WorkloadState:
        """Read its specification and status. Raises CannotObserve where the environment names none."""
        workload = api.cluster.components.get(self.component)
        if workload is None or workload.path is None:
            raise CannotObserve(
                f"no workload is named for {self.component}",
                hint=f'set {self.component} = {{ workload = "deployments/NAME" }} under kubernetes.components',
            )
        found = api.get(api.at(workload.namespace).path(workload.kind, workload.name, group="apps"))
        if found is None:
            return WorkloadState(workload.name, found=False)
        status = found.get("status") or {}
        conditions = {one["type"]: one for one in status.get("conditions") or []}
        return WorkloadState(
            workload.name,
            found=True,
            wanted=int(found["spec"].get("replicas", 1)),
            replicas=int(status.get("replicas", 0)),
            ready=int(status.get("readyReplicas", 0)),
            updated=int(status.get("updatedReplicas", 0)),
            observed=status.get("observedGeneration") == found["metadata"].get("generation"),
            progress=str(conditions.get("Progressing", {}).get("reason", "")),
        )


@dataclass(frozen=True)
class Pods(ClusterProbe[PodList]):
    """The pods of one component."""

    component: str
    reading: ClassVar[type[PodList]] = PodList

    def command(self, cluster: Cluster) -> str:
        """Return the command."""
        found = cluster.components.get(self.component)
        whose = "" if found is None else f" -l {found.selector}" if found.path is None else f" # of {found.path}"
        return f"get pods -n {cluster.namespace_of(self.component)}{whose}"

    def observe(self, target: Target) -> PodList:
        """Read all of them, page by page, with the other components' in one list. Raises CannotObserve."""
        from ..platforms.kubernetes import pods_of  # noqa: PLC0415 - platforms are loaded when used

        _cluster(target)
        return PodList(tuple(_pod(found) for found in pods_of(target.system, self.component)))


@dataclass(frozen=True)
class ConfigMap(ClusterProbe[ConfigMapState]):
    """A ConfigMap by name."""

    name: str
    reading: ClassVar[type[ConfigMapState]] = ConfigMapState

    def command(self, cluster: Cluster) -> str:
        """Return the command."""
        return f"get configmap {self.name} -n {cluster.namespace}"

    def read(self, api: Api) -> ConfigMapState:
        """Read the names of its keys."""
        found = api.get(api.path("configmaps", self.name))
        return ConfigMapState(self.name, None if found is None else tuple(sorted(found.get("data") or {})))


def _cluster(target: Target) -> Cluster:
    found = target.system.place.held_as(Cluster)
    if found is None:
        raise CannotObserve("the environment names no cluster", hint='set platform = "kubernetes"')
    return found


def _node(found: Object) -> Node:
    conditions = {one["type"]: one["status"] for one in found["status"].get("conditions") or []}
    cordoned = bool(found["spec"].get("unschedulable", False))
    return Node(str(found["metadata"]["name"]), str(conditions.get("Ready", "absent")), cordoned)


def _pod(found: Object) -> PodState:
    from ..platforms.kubernetes import is_ready  # noqa: PLC0415 - only a cluster pays for it

    states = found["status"].get("containerStatuses") or []
    waiting = [one["state"]["waiting"] for one in states if "waiting" in one["state"]]
    return PodState(
        name=str(found["metadata"]["name"]),
        phase=str(found["status"].get("phase", "")),
        ready=sum(bool(one["ready"]) for one in states),
        containers=len(found["spec"]["containers"]),
        restarts=sum(int(one["restartCount"]) for one in states),
        ending="deletionTimestamp" in found["metadata"],
        waiting=": ".join(filter(None, (waiting[0].get("reason"), waiting[0].get("message")))) if waiting else "",
        secret_keys=tuple(_secret_keys(found)),
        is_ready=is_ready(found),
    )


def _secret_keys(pod: Object) -> list[str]:
    sources = [
        (one.get("valueFrom") or {}).get("secretKeyRef")
        for container in pod["spec"]["containers"]
        for one in container.get("env") or []
    ]
    return [f"{one['name']}/{one['key']}" for one in sources if one and not one.get("optional")]
