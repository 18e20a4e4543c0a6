"""Judges for what the Kubernetes API says: fields compared, never a command's exit status (runbook defect CM-49)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met, met_if, not_met, rule, unknown

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..probes.kubernetes import (
        Answered,
        ConfigMapState,
        NamespaceState,
        NodeList,
        PodList,
        PodState,
        WorkloadState,
    )
    from ..probes.redis import Topology

_ROLLED_OUT = "NewReplicaSetAvailable"
_SLOTS = 16384


def answered() -> Accepts[Answered]:
    """Accept an API server that says its version."""
    return rule("the API answers", lambda api: met_if(bool(api.version), f"version {api.version}"))


def active() -> Accepts[NamespaceState]:
    """Accept a namespace that is there and not on its way out."""
    return rule(
        "the namespace is there and Active",
        lambda found: met_if(found.phase == "Active", f"{found.name}: {found.phase or 'not there'}"),
    )


def nodes_ready() -> Accepts[NodeList]:
    """Accept nodes, at least one, that are all Ready and none cordoned (runbook defects CM-14, CM-49)."""

    def check(listing: NodeList) -> Finding:
        if not listing.nodes:
            return unknown("the API lists no node")
        bad = [f"{one.name} Ready={one.ready}" for one in listing.nodes if one.ready != "True"]
        bad += [f"{one.name} is cordoned" for one in listing.nodes if one.cordoned]
        return met_if(not bad, "; ".join(bad) or f"{len(listing.nodes)} Ready, none cordoned")

    return rule("every node is Ready and none is cordoned", check)


def replicas_ready(count: int) -> Accepts[WorkloadState]:
    """Accept a workload that asks for so many replicas and has all of them new and ready (runbook defect CM-12)."""

    def check(found: WorkloadState) -> Finding:
        observed = f"{found.name} asks for {found.wanted}, {found.updated} up to date, {found.ready} ready"
        if not found.found:
            return not_met(f"{found.name} is not there")
        if not found.observed:
            return not_met(f"{observed}; its controller has not seen the newest specification yet")
        return met_if(found.wanted == found.updated == found.ready == count, observed)

    return rule(f"{count} wanted, up to date and ready", check)


def rolled_out() -> Accepts[WorkloadState]:
    """Accept a Deployment whose newest roll-out has ended well: as ``kubectl rollout status`` judges, at once."""

    def check(found: WorkloadState) -> Finding:
        if not found.found:
            return not_met(f"{found.name} is not there")
        old = found.replicas - found.updated
        observed = f"{found.progress}: {found.updated} of {found.wanted} new, {old} old, {found.ready} ready"
        complete = found.observed and found.wanted == found.updated == found.ready == found.replicas
        return met_if(complete and found.progress == _ROLLED_OUT, observed)

    return rule("the newest roll-out is complete: all replicas new and ready, none old", check)


def pods_serve(*, exactly: int | None = None, restarts: int | None = None) -> Accepts[PodList]:
    """Accept pods that all run with every container ready. What is over or being deleted is no replica and not judged.

    Args:
        exactly: how many there must be; None for at least one.
        restarts: the most of any one; None for any.
    """

    def wrong(pod: PodState) -> str | None:
        if not pod.serves:
            return f"{pod.name} {pod.phase}, {pod.ready}/{pod.containers} ready" + (
                f" ({pod.waiting[:120]})" if pod.waiting else ""
            )
        if restarts is not None and pod.restarts > restarts:
            return f"{pod.name} restarted {pod.restarts} times"
        return None

    def check(listing: PodList) -> Finding:
        bad = [text for pod in listing.replicas if (text := wrong(pod))]
        count = len(listing.replicas)
        if not count or (exactly is not None and count != exactly):
            bad.insert(0, f"{count} pods")
        left = [f"{pod.name} ({'ending' if pod.ending else pod.phase})" for pod in listing.pods if not pod.is_replica]
        beside = f"; beside {', '.join(left)}" if left else ""
        return met_if(not bad, ("; ".join(bad) or f"{count} Running and ready") + beside)

    number = "every pod, at least one," if exactly is None else f"exactly {exactly} pods, each"
    return rule(f"{number} Running and ready" + ("" if restarts is None else f", at most {restarts} restarts"), check)


def config_map() -> Accepts[ConfigMapState]:
    """Accept a ConfigMap that is there with at least one key."""

    def check(found: ConfigMapState) -> Finding:
        return met_if(bool(found.keys), "not there" if found.keys is None else f"{len(found.keys)} keys")

    return rule("the ConfigMap is there and not empty", check)


def secret_in_use(secret: str, key: str) -> Accepts[PodList]:
    """Accept a pod that is ready although it cannot start without this key: Secrets themselves are never read.

    The service ends at once when the key does not decode (runbook defect CM-07), so a ready pod shows that as well.
    """
    wanted = f"{secret}/{key}"

    def check(listing: PodList) -> Finding:
        users = [pod for pod in listing.replicas if wanted in pod.secret_keys]
        missing = [pod for pod in users if pod.waiting.startswith("CreateContainerConfigError")]
        if missing:
            return not_met(f"{missing[0].name} cannot start: {missing[0].waiting[:160]}")
        if any(pod.serves for pod in users):
            return met(f"{sum(pod.serves for pod in users)} ready pods cannot start without {wanted}")
        return unknown(f"no ready pod refers to {wanted}, and this account may not read Secrets")

    return rule(f"{wanted} is there: a pod that needs it is ready", check)


def formed(replicas: int) -> Accepts[Topology]:
    """Accept servers that have found each other, by the mode they run in (runbook defect CM-13)."""

    def check(found: Topology) -> Finding:
        if found.failure is not None:
            return not_met(found.failure)
        if found.cluster_enabled:
            observed = f"cluster_state {found.cluster_state}, {found.slots} slots"
            return met_if(found.cluster_state == "ok" and found.slots == _SLOTS, observed)
        observed = f"{found.role} with {found.online} of {replicas - 1} replicas online"
        return met_if(found.role == "master" and found.online == replicas - 1, observed)

    return rule(f"{replicas} servers work together: a cluster with all slots, or one primary and its replicas", check)
