"""The pods of a system: one paged list for all its components of a namespace, read once a round."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ...model import CannotObserve
from .api import api_of
from .settings import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...model import System
    from .api import Api, Object
    from .settings import Workload

_EQUALS = re.compile(r"^(?P<label>[^\s=!,()]+)\s*==?\s*(?P<value>[^\s=!,()]+)$")
_AT_ONCE = 8


def pods_of(system: System, component: str) -> list[Object]:
    """Return the pods of a component; none where its controller is not there.

    In a round all components of a namespace are listed together, once, and only their own pods travel, however many
    others the namespace has; outside of a round the component is listed anew.

    Raises:
        CannotObserve: the list cannot be read, or the environment names no workload for the component.
    """
    cluster = system.place.held_as(Cluster)
    assert cluster is not None
    workload = cluster.components.get(component)
    if workload is None:
        raise CannotObserve(
            f"no workload is named for {component}",
            hint=f'set {component} = {{ workload = "deployments/NAME" }} under kubernetes.components',
        )
    api = api_of(cluster)
    if system.shared is None:
        selector = _selector(api, workload)
        return [] if selector is None else _listed(api, workload.namespace, selector)
    selectors = system.shared.once("selectors", lambda: _selectors(api, cluster.components))
    selector = selectors[component]
    if selector is None:
        return []
    there = [
        one
        for name, one in selectors.items()
        if one is not None and cluster.components[name].namespace == workload.namespace
    ]
    wide = widest(selector, there)
    found = system.shared.once(f"pods {wide} in {workload.namespace}", lambda: _listed(api, workload.namespace, wide))
    return found if wide == selector else [pod for pod in found if _carries(pod, selector)]


def is_over(pod: Object) -> bool:
    """Return whether a pod has ended for good: a finished Job's, or one that was evicted and lies about."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def is_replica(pod: Object) -> bool:
    """Return whether a pod is meant to serve: what is over, or being deleted, its controller does not count either."""
    return not is_over(pod) and not pod["metadata"].get("deletionTimestamp")


def widest(selector: str, selectors: Iterable[str]) -> str:
    """Return one selector for this component and all others that select by the same label with another value.

    ``app=a`` beside ``app=b`` gives ``app in (a,b)``; a selector of another form stands for itself.
    """
    parsed = _EQUALS.match(selector)
    if parsed is None:
        return selector
    others = [found for other in selectors if (found := _EQUALS.match(other))]
    values = sorted({other["value"] for other in others if other["label"] == parsed["label"]})
    return f"{parsed['label']} in ({','.join(values)})" if len(values) > 1 else selector


def _selectors(api: Api, components: Mapping[str, Workload]) -> dict[str, str | None]:
    """Return the selector of every component, the controllers asked together; None where one is not there."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = threads.map(lambda workload: _selector(api, workload), components.values())
        return dict(zip(components, found, strict=True))


def _selector(api: Api, workload: Workload) -> str | None:
    """Return how a component's pods are told, as its controller tells them; None where there is no such controller."""
    if workload.path is None:
        return workload.selector
    found = api.get(api.at(workload.namespace).path(workload.kind, workload.name, group="apps"))
    return None if found is None else _as_text(found["spec"]["selector"])


def _as_text(selector: Object) -> str:
    """Return a controller's selector as a list's parameter.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
    """
    words = [f"{label}={value}" for label, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        key, values = one["key"], ",".join(one.get("values") or [])
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        words.append(forms.get(one["operator"], f"!{key}"))
    return ",".join(words)


def _listed(api: Api, namespace: str, selector: str) -> list[Object]:
    return api.items(api.at(namespace).path("pods"), labelSelector=selector)


def _carries(pod: Object, selector: str) -> bool:
    parsed = _EQUALS.match(selector)
    return parsed is not None and (pod["metadata"].get("labels") or {}).get(parsed["label"]) == parsed["value"]
