"""The capabilities of Kubernetes, over the raw API."""

from __future__ import annotations

import datetime as dt
import signal
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...model import CannotObserve, Instance
from .. import lines
from ..capabilities import (
    EXECUTE_S,
    BearsMarks,
    Discovers,
    Executed,
    Executes,
    InstanceState,
    Kills,
    Lists,
    LogText,
    Missing,
    PlatformRefused,
    Reaches,
    ReadsLogs,
    ReportsUsage,
    Restarts,
    RollsBack,
    RollsOut,
    Scales,
    Stopped,
    Stops,
    TargetGone,
    Usage,
)
from ..claims import KeepsClaim
from . import execute, revisions, usage
from .api import Api, Object, api_of
from .claim import NamespaceClaim
from .forward import PodWay
from .last_words import LastWords
from .marks import NamespaceMarks
from .pods import is_over, is_replica, pods_of
from .rights import Right, refused
from .settings import Cluster
from .watch import Changed, Listed, watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import Component, System, Way
    from .settings import Workload

C = TypeVar("C")
_GONE_S = 10.0
_OF_WORKLOADS = (Scales, RollsOut, Restarts, RollsBack)
_HINT = "check the rights and the state: kubectl auth can-i --list, kubectl get pods"
_TAIL_LINES = 20000
_MOST_LOG_BYTES = 64 << 20
_SEARCH_S = 5.0
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"


class KubernetesPlatform:
    """Pods of a system's namespaces."""

    OFFERS = frozenset(
        {
            *(Lists, ReadsLogs, Discovers, Reaches, BearsMarks, KeepsClaim),
            *(Stops, Kills, Scales, RollsOut, Restarts, RollsBack, Executes, ReportsUsage),
        }
    )

    def __init__(self, system: System) -> None:
        self._system = system
        self._where = system.place.held_as(Cluster)

    def place(self, of: str | None = None) -> str:
        """Return where a component is, in words: a namespace of one cluster is one place."""
        found = self._where
        if found is None:
            return f"the unnamed namespace of {self._system.name}"
        cluster = (
            found.server or f"context {found.context or 'current'} of {found.kubeconfig or 'the usual kubeconfig'}"
        )
        return f"namespace {found.namespace_of(of)} of {cluster}"

    def components(self) -> tuple[str, ...]:
        """Return the components of which the environment names the namespace or the workload."""
        return () if self._where is None else tuple(self._where.components)

    def can(self, capability: type[C], of: str | None = None) -> C | Missing:
        """Return the capability, or Missing with the reason; what needs a right of its own is asked of the API."""
        where, component = self._where, of or self._system.main
        if where is None:
            return Missing(f"{self._system.name}: the environment has no [kubernetes] table")
        if capability in (Lists, ReadsLogs, Discovers, Reaches):
            return cast("C", self)
        try:
            if capability is BearsMarks:
                return cast("C", NamespaceMarks(self._api().at(where.namespace_of(of))))
            if capability is KeepsClaim:
                return cast("C", NamespaceClaim(self._act_api().at(where.namespace_of(of))))
            reason = self._why_not(capability, component, where.namespace_of(component))
        except (CannotObserve, PlatformRefused) as error:
            reason = error.reason
        return cast("C", self) if reason is None else Missing(reason)

    def _why_not(self, capability: type[Any], component: str, namespace: str) -> str | None:
        """Return why this account cannot do it to a component, or None. Raises CannotObserve, PlatformRefused."""
        if capability in _OF_WORKLOADS and not self._workload(component).path:
            return f"no workload is named for {component}, whose pods an operator holds"
        rights = self._rights(capability, component)
        if not rights:
            return f"a pod has no {capability.__name__}: it is replaced, never started again or frozen through the API"
        api = self._api() if capability is ReportsUsage else self._act_api()
        return next(filter(None, (refused(api.at(namespace), right) for right in rights)), None)

    def _rights(self, capability: type[Any], component: str) -> tuple[Right, ...]:
        """Return what a capability needs beyond looking at pods; nothing for one that Kubernetes does not have."""
        found = cast("Cluster", self._where).components.get(component)
        kind, name = ("deployments", "") if found is None else (found.kind, found.name)
        change = Right("patch", kind, "apps", name=name)
        known: dict[Any, tuple[Right, ...]] = {
            Stops: (Right("delete", "pods"),),
            Kills: (Right("delete", "pods"),),
            Scales: tuple(Right(verb, kind, "apps", "scale", name) for verb in ("get", "patch")),
            RollsOut: (change,),
            Restarts: (change,),
            RollsBack: (change, Right("get", kind, "apps", name=name), Right("list", "replicasets", "apps")),
            Executes: (Right("create", "pods", subresource="exec"), Right("get", "pods", subresource="exec")),
            ReportsUsage: (Right("get", "pods", "metrics.k8s.io"),),
        }
        return known.get(capability, ())

    # -- looking

    def discover(self, component: Component) -> tuple[Instance, ...]:
        """Return a component's pods that are meant to serve. Raises CannotObserve."""
        api, name = self._api(), component.name
        pods = sorted(filter(is_replica, self._pods(name)), key=_name)
        return tuple(_instance(api.at(api.cluster.namespace_of(name)), pod, component.ports) for pod in pods)

    def reach(self, component: str, host: str) -> Way | None:
        """Return the way to a component's pod: the one that ``host`` names, else the first that is ready.

        What is over, or on its way out, is no way in. Raises CannotObserve when no pod is left.
        """
        api = self._api()
        if api.cluster.reach == "address":
            return None
        pods = sorted(filter(is_replica, self._pods(component)), key=_name)
        named = [pod for pod in pods if _name(pod) == host.partition(".")[0]]
        ready = [pod for pod in pods if is_ready(pod)]
        chosen = named or ready or pods
        if not chosen:
            raise CannotObserve(f"no pod of {component} is there", hint="kubectl get pods")
        return PodWay(api.at(api.cluster.namespace_of(component)), _name(chosen[0]))

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Return the pods of all components, those that are over left out: they serve nobody. Raises CannotObserve."""
        return tuple(
            _state(pod, component)
            for component in self._api().cluster.components
            for pod in sorted(self._pods(component), key=_name)
            if not is_over(pod)
        )

    def read_log(self, instance: Instance, *, limit_bytes: int, since_s: float | None = None) -> LogText:
        """Read the end of the pod's log, with the kubelet's own times. Raises CannotObserve when there is none."""
        api = self._api()
        path = self._at(api, instance.name).path("pods", f"{instance.name}/log")
        # limitBytes keeps the beginning of what it cuts, so the end is cut out here.
        query: dict[str, Any] = {"tailLines": _TAIL_LINES, "limitBytes": _MOST_LOG_BYTES, **_log_since(since_s)}
        answer = api.send("GET", path, **query)
        if not answer.ok:
            raise CannotObserve(f"GET {path}: {answer.status}", hint="kubectl get pods")
        if len(answer.text) >= _MOST_LOG_BYTES:
            raise CannotObserve(f"GET {path}: the last lines are more than {_MOST_LOG_BYTES} bytes", hint="log less")
        found, times = lines.stamped(lines.split(answer.text))
        whole = len(found) < _TAIL_LINES
        if since_s is not None:
            before = sum(at < since_s for at in times)
            found, times = found[before:], times[before:]
        return lines.last(found, limit_bytes, whole=whole, written_s=times)

    def search_log(self, instance: Instance, texts: tuple[str, ...], *, since_s: float) -> LogText:
        """Search the pod's log since a moment, as far as the kubelet has kept it. Raises CannotObserve."""
        api = self._api()
        path = self._at(api, instance.name).path("pods", f"{instance.name}/log")
        found = api.lines(path, silence_s=_SEARCH_S, **_log_since(since_s))
        return lines.holding_stamped(found, texts, since_s)

    def usage(self, name: str) -> Usage:
        """Return what metrics.k8s.io says of a pod: an average over its last window. Raises CannotObserve."""
        return usage.of_pod(self._at(self._api(), name), name)

    # -- acting

    @property
    def shows_stopping(self) -> bool:
        """An instance that was told to stop is listed as stopping."""
        return True

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Delete the pod with this grace and return when it is gone; its controller puts another in its place.

        The exit code is the one of its container as the kubelet last reported it, if it did before the pod was gone.
        """
        api, began = self._acting_on(name), time.monotonic()
        with LastWords(self._api().at(api.cluster.namespace), name) as log:
            uid = self._delete(api, name, round(grace_s))
            pod = self._see_it_go(api, name, uid, grace_s + _GONE_S)
            took_s = time.monotonic() - began
        codes = _exit_codes(pod) if pod else []
        code = _as_signal(codes[-1]) if codes else None
        return Stopped(code, killed=code == -signal.SIGKILL, took_s=took_s, said=log.lines)

    def kill(self, name: str) -> None:
        """Delete the pod without grace and return when it is gone. Raises PlatformRefused, CannotObserve."""
        api = self._acting_on(name)
        self._see_it_go(api, name, self._delete(api, name, 0), _GONE_S)

    def replicas(self, component: str) -> int:
        """Return how many replicas are asked for. Raises CannotObserve; TargetGone when there is no such controller."""
        path = self._workload_path(component) + "/scale"
        found = self._act_api().get(path)
        if found is None:
            raise TargetGone(f"GET {path}: 404, there is no such controller any more", hint=_HINT)
        return int(found["spec"].get("replicas", 0))

    def scale(self, component: str, replicas: int) -> int:
        """Ask for so many replicas; return how many were asked for before. Raises PlatformRefused, CannotObserve."""
        before = self.replicas(component)
        self._patch(self._act_api(), self._workload_path(component) + "/scale", {"spec": {"replicas": replicas}})
        return before

    def roll_out(self, component: str, template: dict[str, Any]) -> None:
        """Change the pods' template, which replaces every pod. Raises PlatformRefused."""
        self._patch(self._act_api(), self._workload_path(component), {"spec": {"template": template}})

    def restart(self, name: str) -> None:
        """Replace every pod of a component, as ``kubectl rollout restart`` does; a pod alone is not restarted.

        Raises PlatformRefused.
        """
        cluster = cast("Cluster", self._where)
        if name not in cluster.components:
            known = ", ".join(cluster.components)
            raise PlatformRefused(f"restart {name}: a pod is replaced with all of its component", hint=f"name {known}")
        at = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        self.roll_out(name, {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}})

    def roll_back(self, component: str) -> None:
        """Put the pods' template of the revision before back, as ``kubectl rollout undo`` does, and return at once.

        Raises PlatformRefused.
        """
        api, path = self._act_api(), self._workload_path(component)
        try:
            there = api.at(api.cluster.namespace_of(component))
            template = revisions.template_before(there, path)
        except CannotObserve as error:
            raise PlatformRefused(f"roll back {component}: {error.reason}", hint=error.hint) from None
        change = [{"op": "replace", "path": "/spec/template", "value": template}]
        self._patch(api, path, change, content_type=_JSON_PATCH)

    def execute(self, name: str, command: tuple[str, ...], *, limit_s: float = EXECUTE_S) -> Executed:
        """Run a command in a pod's first container. Raises PlatformRefused; what takes too long may go on in there."""
        return execute.in_pod(self._acting_on(name), name, command, limit_s=limit_s)

    # -- inside

    def _api(self) -> Api:
        assert self._where is not None
        return api_of(self._where)

    def _at(self, api: Api, pod: str) -> Api:
        """Return the connection in a pod's namespace; where the system has several, they are looked through.

        Raises:
            CannotObserve: they cannot be read, or several have a pod of this name, so that another might be meant.
        """
        components = api.cluster.components
        if len({one.namespace for one in components.values()} | {api.cluster.namespace}) == 1:
            return api
        found = {
            one.namespace for name, one in components.items() if any(_name(row) == pod for row in self._pods(name))
        }
        if len(found) > 1:
            there = " and ".join(sorted(found))
            raise CannotObserve(f"there is a pod {pod} in {there}", hint="give the workloads names that differ")
        return api.at(next(iter(found), api.cluster.namespace))

    def _acting_on(self, pod: str) -> Api:
        """Return the connection with the rights to break things, in a pod's namespace. Raises PlatformRefused."""
        api = self._act_api()
        try:
            return self._at(api, pod)
        except CannotObserve as error:
            raise PlatformRefused(f"{pod}: {error.reason}", hint=error.hint) from None

    def _pods(self, component: str) -> list[Object]:
        return pods_of(self._system, component)

    def _act_api(self) -> Api:
        """Return the connection with the rights to break things, which looking never uses."""
        cluster = cast("Cluster", self._where)
        try:
            looking = self._api()
            return looking if cluster.acts_with is None else api_of(cluster.acting(looking.server))
        except CannotObserve as error:
            raise PlatformRefused(error.reason, hint=error.hint) from None

    def _workload(self, component: str) -> Workload:
        """Return what of the cluster is a component. Raises PlatformRefused where none is named."""
        components = cast("Cluster", self._where).components
        if component not in components:
            known = ", ".join(components) or "none"
            raise PlatformRefused(f"no workload is named for {component}", hint=f"there are {known}")
        return components[component]

    def _workload_path(self, component: str) -> str:
        """Return the path of the controller behind a component. Raises PlatformRefused where none is named."""
        found = self._workload(component)
        if found.path is None:
            raise PlatformRefused(f"no workload is named for {component}", hint="an operator holds its pods")
        return self._api().at(found.namespace).path(found.kind, found.name, group="apps")

    def _delete(self, api: Api, name: str, grace_s: int) -> str:
        path = api.path("pods", name)
        try:
            pod = api.get(path)
            if pod is None:
                raise PlatformRefused(f"delete {name}: there is no such pod", hint=_HINT)
            uid = str(pod["metadata"]["uid"])
            options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": grace_s}
            answer = api.send("DELETE", path, {**options, "preconditions": {"uid": uid}})
        except CannotObserve as error:
            raise PlatformRefused(f"delete {name}: {error.reason}", hint=error.hint) from None
        if not answer.ok:
            raise PlatformRefused(f"delete {name}: {answer.status}", hint=_HINT)
        return uid

    @staticmethod
    def _see_it_go(api: Api, name: str, uid: str, limit_s: float) -> Object | None:
        """Watch this very pod until it is gone, and return it as it was last seen.

        One of the same name (a StatefulSet's next) is another. Raises PlatformRefused, CannotObserve.
        """
        last = None
        for seen in watch(api, api.path("pods"), limit_s=limit_s, fieldSelector=f"metadata.name={name}"):
            items = seen.items if isinstance(seen, Listed) else (seen.item,)
            mine = next((pod for pod in items if pod["metadata"]["uid"] == uid), None)
            last = mine or last
            if (isinstance(seen, Listed) and mine is None) or (isinstance(seen, Changed) and mine and seen.gone):
                return last
        raise PlatformRefused(f"delete {name}: it is still there after {limit_s:g} s", hint="kubectl describe pod")

    @staticmethod
    def _patch(api: Api, path: str, patch: Object | list[Object], *, content_type: str = _MERGE) -> None:
        try:
            answer = api.send("PATCH", path, patch, content_type=content_type)
        except CannotObserve as error:
            raise PlatformRefused(f"PATCH {path}: {error.reason}", hint=error.hint) from None
        if not answer.ok:
            raise PlatformRefused(f"PATCH {path}: {answer.status}", hint=_HINT)


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _instance(api: Api, pod: Object, ports: Mapping[str, int]) -> Instance:
    forwards, metrics = api.cluster.reach == "port-forward", ports.get("metrics")
    host = _name(pod) if forwards else pod["status"].get("podIP", _name(pod))
    return Instance(
        _name(pod),
        f"http://{host}:{ports['http']}",
        None if metrics is None else f"http://{host}:{metrics}/metrics",
        way=PodWay(api, _name(pod)) if forwards else None,
    )


def _log_since(since_s: float | None) -> dict[str, str]:
    """Return what asks for a log with times; the API takes whole seconds, each line's own time tells the rest."""
    if since_s is None:
        return {"timestamps": "true"}
    begin = dt.datetime.fromtimestamp(int(since_s), dt.UTC)
    return {"timestamps": "true", "sinceTime": begin.strftime("%Y-%m-%dT%H:%M:%SZ")}


def is_ready(pod: Object) -> bool:
    """Return whether a pod's own condition Ready is true."""
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _state(pod: Object, component: str) -> InstanceState:
    """Return a pod as an instance: running only when it is Ready too, as a Running pod may serve nobody."""
    codes = _exit_codes(pod)
    started = [one["state"]["running"].get("startedAt") for one in _containers(pod) if "running" in one["state"]]
    if pod["metadata"].get("deletionTimestamp"):
        state = "stopping"
    elif codes and not started:
        state = "exited"
    else:
        state = "running" if is_ready(pod) else "starting"
    return InstanceState(
        _name(pod),
        component,
        state,
        exit_code=_as_signal(codes[-1]) if state == "exited" and codes else None,
        started_at=started[0] if started else None,
        uid=str(pod["metadata"]["uid"]),
    )


def _containers(pod: Object) -> list[Object]:
    found: list[Object] = pod["status"].get("containerStatuses") or []
    return found


def _exit_codes(pod: Object) -> list[int]:
    return [int(one["state"]["terminated"]["exitCode"]) for one in _containers(pod) if "terminated" in one["state"]]


def _as_signal(code: int) -> int:
    return 128 - code if code > 128 else code  # noqa: PLR2004 - a shell's way to say "ended by signal"


PLATFORM = KubernetesPlatform
