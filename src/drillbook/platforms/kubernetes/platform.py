"""The capabilities of Kubernetes, over the raw API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...model import CannotObserve, Instance
from ...polling import TimedOut, wait_until
from ..capabilities import (
    Discovers,
    InstanceState,
    Kills,
    Lists,
    LogText,
    Missing,
    PlatformRefused,
    Reaches,
    ReadsLogs,
    RollsOut,
    Scales,
    Stopped,
    Stops,
)
from .api import Api, Object, api_of
from .forward import PodWay
from .pods import pods_of

if TYPE_CHECKING:
    from ...model import Cluster, System, Way

C = TypeVar("C")
_GONE_S = 10.0
_MEND = "check the rights and the state: kubectl auth can-i --list, kubectl get pods"
_TAIL_LINES = 20000
_MERGE = "application/merge-patch+json"
_KINDS = {"postgres": "statefulsets", "redis": "statefulsets"}


class KubernetesPlatform:
    """Pods of one namespace."""

    def __init__(self, system: System) -> None:
        self._system = system

    def can(self, capability: type[C]) -> C | Missing:
        """Return the capability, or Missing with the reason."""
        if self._system.cluster is None:
            return Missing(f"{self._system.name}: the environment has no [kubernetes] table")
        if capability in (Lists, ReadsLogs, Stops, Kills, Discovers, Reaches, Scales, RollsOut):
            return cast("C", self)
        return Missing(
            f"a pod has no {capability.__name__}: it is replaced, never started again or frozen through the API"
        )

    # -- looking

    def discover(self) -> tuple[Instance, ...]:
        """Return the API's pods that are meant to serve. Raises CannotObserve."""
        api = self._api()
        pods = [pod for pod in self._pods("api") if not pod["metadata"].get("deletionTimestamp") and not _is_over(pod)]
        return tuple(self._instance(api, pod) for pod in sorted(pods, key=_name))

    def reach(self, component: str, host: str) -> Way | None:
        """Return the way to a component's pod: the one that ``host`` names, else the first that is ready."""
        api = self._api()
        if api.cluster.reach == "address":
            return None
        pods = sorted(self._pods(component), key=_name)
        named = [pod for pod in pods if _name(pod) == host.partition(".")[0]]
        ready = [pod for pod in pods if _is_ready(pod)]
        chosen = named or ready or pods
        if not chosen:
            raise CannotObserve(f"no pod of {component} is there", mend="kubectl get pods")
        return PodWay(api, _name(chosen[0]))

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Return the pods of all components. Raises CannotObserve."""
        return tuple(
            _state(pod, component)
            for component in self._api().cluster.components
            for pod in sorted(self._pods(component), key=_name)
        )

    def read_log(self, instance: Instance, *, limit_bytes: int) -> LogText:
        """Read the end of the pod's log. Raises CannotObserve when there is none."""
        api = self._api()
        path = api.path("pods", f"{instance.name}/log")
        answer = api.send("GET", path, tailLines=_TAIL_LINES, limitBytes=limit_bytes)
        if not answer.ok:
            raise CannotObserve(f"GET {path}: {answer.status}", mend="kubectl get pods")
        lines = answer.text.splitlines()
        whole = len(lines) < _TAIL_LINES and len(answer.text) < limit_bytes
        return LogText(tuple(lines), whole=whole)

    # -- acting

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Delete the pod with this grace and return when it is gone; its controller puts another in its place.

        The exit code is the one of its container as the kubelet last reported it; 0 when it was gone before that.
        """
        api, began = self._act_api(), time.monotonic()
        uid = self._delete(api, name, round(grace_s))
        last: list[int] = []

        def gone() -> bool:
            pod = self._pod(api, name, uid)
            last.extend(_exit_codes(pod) if pod else [])
            return pod is None

        self._wait(gone, name, grace_s + _GONE_S)
        took_s = time.monotonic() - began
        code = last[-1] if last else 0
        return Stopped(_as_signal(code), killed=code == 137, took_s=took_s)  # noqa: PLR2004 - 128 + SIGKILL

    def kill(self, name: str) -> None:
        """Delete the pod without grace and return when it is gone. Raises PlatformRefused, CannotObserve."""
        api = self._act_api()
        uid = self._delete(api, name, 0)
        self._wait(lambda: self._pod(api, name, uid) is None, name, _GONE_S)

    def scale(self, component: str, replicas: int) -> int:
        """Ask for so many copies; return how many were asked for before. Raises PlatformRefused, CannotObserve."""
        path = self._workload(component) + "/scale"
        api = self._act_api()
        before = api.get(path)
        if before is None:
            raise PlatformRefused(f"scale {component}: there is no {path}", mend=_MEND)
        self._patch(api, path, {"spec": {"replicas": replicas}})
        return int(before["spec"].get("replicas", 0))

    def roll_out(self, component: str, template: dict[str, Any]) -> None:
        """Change the pods' template, which replaces every pod. Raises PlatformRefused."""
        self._patch(self._act_api(), self._workload(component), {"spec": {"template": template}})

    # -- inside

    def _api(self) -> Api:
        assert self._system.cluster is not None
        return api_of(self._system.cluster)

    def _pods(self, component: str) -> list[Object]:
        return pods_of(self._system, component)

    def _act_api(self) -> Api:
        try:
            return self._api()
        except CannotObserve as error:
            raise PlatformRefused(error.reason, mend=error.mend) from None

    def _instance(self, api: Api, pod: Object) -> Instance:
        cluster = api.cluster
        host = _name(pod) if cluster.reach == "port-forward" else pod["status"].get("podIP", _name(pod))
        return Instance(
            _name(pod),
            f"http://{host}:{cluster.api_port}",
            f"http://{host}:{cluster.metrics_port}/metrics",
            headers=self._system.headers,
            way=PodWay(api, _name(pod)) if cluster.reach == "port-forward" else None,
        )

    def _workload(self, component: str) -> str:
        """Return the path of the controller behind a component; its name is the value of the component's label."""
        cluster = cast("Cluster", self._system.cluster)
        name = cluster.components.get(component, component).rpartition("=")[2]
        return self._api().path(_KINDS.get(component, "deployments"), name, group="apps")

    def _delete(self, api: Api, name: str, grace_s: int) -> str:
        path = api.path("pods", name)
        try:
            pod = api.get(path)
            if pod is None:
                raise PlatformRefused(f"delete {name}: there is no such pod", mend=_MEND)
            uid = str(pod["metadata"]["uid"])
            options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": grace_s}
            answer = api.send("DELETE", path, {**options, "preconditions": {"uid": uid}})
        except CannotObserve as error:
            raise PlatformRefused(f"delete {name}: {error.reason}", mend=error.mend) from None
        if not answer.ok:
            raise PlatformRefused(f"delete {name}: {answer.status}", mend=_MEND)
        return uid

    @staticmethod
    def _pod(api: Api, name: str, uid: str) -> Object | None:
        """Return this very pod; one of the same name (a StatefulSet's next) is another."""
        pod = api.get(api.path("pods", name))
        return pod if pod is not None and pod["metadata"]["uid"] == uid else None

    @staticmethod
    def _wait(gone: Any, name: str, limit_s: float) -> None:
        try:
            wait_until(gone, what=f"the end of {name}", timeout_s=limit_s, every_s=0.1)
        except TimedOut as error:
            raise PlatformRefused(f"delete {name}: {error}", mend="kubectl describe pod") from None

    @staticmethod
    def _patch(api: Api, path: str, patch: Object) -> None:
        try:
            answer = api.send("PATCH", path, patch, content_type=_MERGE)
        except CannotObserve as error:
            raise PlatformRefused(f"PATCH {path}: {error.reason}", mend=error.mend) from None
        if not answer.ok:
            raise PlatformRefused(f"PATCH {path}: {answer.status}", mend=_MEND)


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _is_over(pod: Object) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def _is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _state(pod: Object, component: str) -> InstanceState:
    """Return a pod as an instance: running only when it is Ready too, as a Running pod may serve nobody."""
    codes = _exit_codes(pod)
    started = [one["state"]["running"].get("startedAt") for one in _containers(pod) if "running" in one["state"]]
    if pod["metadata"].get("deletionTimestamp"):
        state = "stopping"
    elif _is_over(pod) or (codes and not started):
        state = "exited"
    else:
        state = "running" if _is_ready(pod) else "starting"
    return InstanceState(
        _name(pod),
        component,
        state,
        exit_code=_as_signal(codes[-1]) if state == "exited" and codes else None,
        started_at=started[0] if started else None,
    )


def _containers(pod: Object) -> list[Object]:
    found: list[Object] = pod["status"].get("containerStatuses") or []
    return found


def _exit_codes(pod: Object) -> list[int]:
    return [int(one["state"]["terminated"]["exitCode"]) for one in _containers(pod) if "terminated" in one["state"]]


def _as_signal(code: int) -> int:
    return 128 - code if code > 128 else code  # noqa: PLR2004 - a shell's way to say "ended by signal"
