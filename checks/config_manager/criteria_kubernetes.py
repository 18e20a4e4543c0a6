"""The rows that only a Kubernetes cluster can answer: its nodes, the namespace, workloads, pods and their logs."""

from __future__ import annotations

from typing import Any

from drillbook.accepts import kubernetes, logs
from drillbook.model import Criterion, Severity, Stage
from drillbook.probes.kubernetes import ClusterInfo, ConfigMap, Nodes, OwnNamespace, Pods, Workload
from drillbook.probes.logs import Logs
from drillbook.probes.redis import RedisTopology

from .criteria import START_MESSAGES

_KUBERNETES = frozenset({"kubernetes"})
_NAME = "llm-config-manager"
_CRASH_ADVICE = "config-manager.troubleshoot.crash-logs-kubernetes"
_KUBERNETES_ADVICE = "config-manager.troubleshoot.missing-config-kubernetes"
_POSTGRES_ADVICE = "config-manager.troubleshoot.postgres-not-ready"
_REDIS_ADVICE = "config-manager.troubleshoot.redis-not-ready"

_application = Workload("api")
_pods = Pods("api")
_logs = Logs(seek=START_MESSAGES)

STARTED: tuple[Criterion[Any], ...] = (
    Criterion(
        "config-manager.startup.kubernetes-cluster-info",
        ClusterInfo(),
        kubernetes.answered(),
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.startup.kubernetes-namespace",
        OwnNamespace(),
        kubernetes.active(),
        _KUBERNETES_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.startup.kubernetes-nodes-ready",
        Nodes(),
        kubernetes.nodes_ready(),
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.startup.kubernetes-postgres-ready",
        Workload("postgres"),
        kubernetes.replicas_ready(1),
        _POSTGRES_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.startup.kubernetes-redis-ready",
        Workload("redis"),
        kubernetes.replicas_ready(3),
        _REDIS_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.startup.kubernetes-redis-cluster-formed",
        RedisTopology(),
        kubernetes.formed(3),
        _REDIS_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.startup.kubernetes-application-ready",
        _application,
        kubernetes.replicas_ready(3),
        _CRASH_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.startup.kubernetes-application-pods",
        _pods,
        kubernetes.pods_serve(exactly=3, restarts=0),
        _CRASH_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.restart.kubernetes-rollout-status",
        _application,
        kubernetes.rolled_out(),
        _CRASH_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.restart.kubernetes-pods-running",
        _pods,
        kubernetes.pods_serve(),
        _CRASH_ADVICE,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.logs.no-errors-kubernetes",
        _logs,
        logs.no_errors_in_tail(),
        _CRASH_ADVICE,
        severity=Severity.WARNING,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.logs.quick-kubernetes",
        _logs,
        logs.readable(),
        severity=Severity.WARNING,
        platforms=_KUBERNETES,
    ),
)

PREFLIGHT: tuple[Criterion[Any], ...] = (
    Criterion(
        "config-manager.preflight.kubernetes-configmap",
        ConfigMap(f"{_NAME}-config"),
        kubernetes.config_map(),
        _KUBERNETES_ADVICE,
        stage=Stage.PREFLIGHT,
        platforms=_KUBERNETES,
    ),
    Criterion(
        "config-manager.preflight.encryption-key-kubernetes",
        _pods,
        kubernetes.secret_in_use(f"{_NAME}-secrets", "encryption-key"),
        _KUBERNETES_ADVICE,
        stage=Stage.PREFLIGHT,
        platforms=_KUBERNETES,
    ),
)
