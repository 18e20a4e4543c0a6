"""The pods of a system: one paged list for all its components, read once a round."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...model import CannotObserve
from .api import api_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model import System
    from .api import Api, Object

_EQUALS = re.compile(r"^(?P<label>[^\s=!,()]+)\s*==?\s*(?P<value>[^\s=!,()]+)$")


def pods_of(system: System, component: str) -> list[Object]:
    """Return the pods of a component.

    In a round all components are listed together, once, and only their own pods travel, however many others the
    namespace has; outside of a round the component is listed anew.

    Raises:
        CannotObserve: the list cannot be read, or the environment gives the component no label.
    """
    assert system.cluster is not None
    api, components = api_of(system.cluster), system.cluster.components
    if component not in components:
        raise CannotObserve(
            f"no label is named for {component}", hint=f'set {component} = "app=..." under kubernetes.components'
        )
    selector = components[component]
    if system.shared is None:
        return _listed(api, selector)
    wide = widest(selector, components)
    found = system.shared.once(f"pods {wide}", lambda: _listed(api, wide))
    return found if wide == selector else [pod for pod in found if _carries(pod, selector)]


def is_over(pod: Object) -> bool:
    """Return whether a pod has ended for good: a finished Job's, or one that was evicted and lies about."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def is_replica(pod: Object) -> bool:
    """Return whether a pod is meant to serve: what is over, or being deleted, its controller does not count either."""
    return not is_over(pod) and not pod["metadata"].get("deletionTimestamp")


def widest(selector: str, components: Mapping[str, str]) -> str:
    """Return one selector for this component and all others that carry the same label with another value.

    ``app=a`` beside ``app=b`` gives ``app in (a,b)``; a selector of another form stands for itself.
    """
    parsed = _EQUALS.match(selector)
    if parsed is None:
        return selector
    others = [found for other in components.values() if (found := _EQUALS.match(other))]
    values = sorted({other["value"] for other in others if other["label"] == parsed["label"]})
    return f"{parsed['label']} in ({','.join(values)})" if len(values) > 1 else selector


def _listed(api: Api, selector: str) -> list[Object]:
    return api.items(api.path("pods"), labelSelector=selector)


def _carries(pod: Object, selector: str) -> bool:
    parsed = _EQUALS.match(selector)
    return parsed is not None and (pod["metadata"].get("labels") or {}).get(parsed["label"]) == parsed["value"]
