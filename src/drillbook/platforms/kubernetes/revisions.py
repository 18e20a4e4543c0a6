"""Earlier revisions of a Deployment: its ReplicaSets keep the templates of the pods."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ...model import CannotObserve
from ..capabilities import PlatformRefused

if TYPE_CHECKING:
    from .api import Api, Object

_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_HINT = "kubectl rollout history shows the revisions that there are"


def template_before(api: Api, path: str) -> Object:
    """Return the pods' template that a Deployment had before its present one.

    Args:
        api: whose rights are used.
        path: the Deployment's.

    Raises:
        PlatformRefused: it is no Deployment, it is paused, or it has no earlier revision.
        CannotObserve: the API does not answer.
    """
    if "/deployments/" not in path:
        raise PlatformRefused(f"{path} keeps no earlier revision that could be put back", hint="name a Deployment")
    found = api.get(path)
    if found is None:
        raise PlatformRefused(f"there is no {path}", hint="kubectl get deployments")
    if found["spec"].get("paused"):
        raise PlatformRefused(f"{path} is paused", hint="kubectl rollout resume")
    now = _revision(found)
    owned = [one for one in api.items(api.path("replicasets", group="apps")) if _is_of(one, found["metadata"]["uid"])]
    earlier = [one for one in owned if _revision(one) < now]
    if not earlier:
        raise PlatformRefused(f"{path} has no revision before {now}", hint=_HINT)
    template: Object = copy.deepcopy(max(earlier, key=_revision)["spec"]["template"])
    (template["metadata"].get("labels") or {}).pop(_HASH, None)
    return template


def _is_of(replica_set: Object, uid: str) -> bool:
    owners = replica_set["metadata"].get("ownerReferences") or []
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)


def _revision(found: Object) -> int:
    text = (found["metadata"].get("annotations") or {}).get(_REVISION, "")
    if not str(text).isdigit():
        raise CannotObserve(f"{found['metadata']['name']} bears no revision yet", hint="wait for its controller")
    return int(text)
