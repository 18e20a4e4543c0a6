"""What pods use, as metrics.k8s.io tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model import CannotObserve
from ..capabilities import Usage

if TYPE_CHECKING:
    from .api import Api

_METRICS = "/apis/metrics.k8s.io/v1beta1"
_HINT = "kubectl top pods: it needs metrics-server, and knows a pod some 15 s after its start"
_SUFFIXES = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def of_pod(api: Api, name: str) -> Usage:
    """Return the sum over a pod's containers.

    Raises:
        CannotObserve: nobody serves metrics.k8s.io, or it knows nothing of the pod.
    """
    found = api.get(f"{_METRICS}/namespaces/{api.cluster.namespace}/pods/{name}")
    if found is None:
        raise CannotObserve(f"metrics.k8s.io knows no pod {name}, or nobody serves it", hint=_HINT)
    used = [container["usage"] for container in found.get("containers") or []]
    if not used:
        raise CannotObserve(f"metrics.k8s.io has no figures for {name}", hint=_HINT)
    return Usage(round(sum(_number(one["memory"]) for one in used)), cpu_share=sum(_number(one["cpu"]) for one in used))


def _number(quantity: str) -> float:
    """Turn a quantity of Kubernetes (``250m``, ``64Mi``) into a number."""
    digits = quantity.rstrip("".join(_SUFFIXES))
    return float(digits) * _SUFFIXES.get(quantity[len(digits) :], 1.0)
