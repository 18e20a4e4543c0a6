"""What `up` waits for: every controller's copies ready, and Prometheus to have asked each of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from ..errors import LabError
from ..progress import Progress
from .address import SERVICE

if TYPE_CHECKING:
    from .kubectl import Kubectl

READY_S = 150.0
SCRAPED_S = 30.0
LOOK_S = 0.5
_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
_BUILD = """\
build the service's image and give it to the cluster's nodes, from the root of the checkout:
  docker build -t drillbook/config-manager:0.1.0 -f lab/kubernetes/Dockerfile lab
then for instance: kind load docker-image drillbook/config-manager:0.1.0"""


def until_ready(kubectl: Kubectl) -> None:
    """Wait until every controller has all its copies ready. Raises LabError."""
    progress, end = Progress("up"), time.monotonic() + READY_S
    while True:
        rows = kubectl.json("get", "statefulsets,deployments")["items"]
        open_ones = [
            f"{row['metadata']['name']} {_ready(row)}/{row['spec']['replicas']}" for row in rows if not _is_ready(row)
        ]
        if rows and not open_ones:
            progress.done()
            return
        progress.on(", ".join(open_ones))
        progress.tick()
        pods = kubectl.json("get", "pods")["items"]
        stuck = sorted({reason for pod in pods for reason in _waiting(pod)} & _NO_IMAGE)
        if stuck:
            progress.done()
            raise LabError(f"{stuck[0]} for {', '.join(sorted(_images_missing(pods)))}; {_BUILD}")
        if time.monotonic() > end:
            progress.done()
            raise LabError(f"not ready after {READY_S:g} s: {', '.join(open_ones)}; see kubectl describe pods")
        time.sleep(LOOK_S)


def until_scraped(kubectl: Kubectl) -> None:
    """Wait until Prometheus has asked every pod of the service, whatever it got. Raises LabError."""
    progress, end = Progress("up"), time.monotonic() + SCRAPED_S
    wanted = int(kubectl.json("get", "deployment", SERVICE)["spec"]["replicas"])
    place = f"/api/v1/namespaces/{kubectl.namespace}/services/prometheus:http/proxy/api/v1/targets?state=active"
    while True:
        targets = json.loads(kubectl.run("get", "--raw", place))["data"]["activeTargets"]
        asked = sum(one["health"] in ("up", "down") for one in targets)
        if asked == wanted == len(targets):
            progress.done()
            return
        progress.on(f"Prometheus, which has asked {asked} of {wanted} pods")
        progress.tick()
        if time.monotonic() > end:
            progress.done()
            raise LabError(f"Prometheus has not asked all {wanted} pods within {SCRAPED_S:g} s")
        time.sleep(LOOK_S)


def _ready(row: dict[str, Any]) -> int:
    return int(row["status"].get("readyReplicas", 0))


def _is_ready(row: dict[str, Any]) -> bool:
    wanted = int(row["spec"]["replicas"])
    return _ready(row) == wanted and int(row["status"].get("updatedReplicas", 0)) == wanted


def _waiting(pod: dict[str, Any]) -> list[str]:
    states = [one["state"] for one in pod["status"].get("containerStatuses", [])]
    return [state["waiting"].get("reason", "") for state in states if "waiting" in state]


def _images_missing(pods: list[dict[str, Any]]) -> set[str]:
    return {
        str(one["image"])
        for pod in pods
        for one in pod["status"].get("containerStatuses", [])
        if one["state"].get("waiting", {}).get("reason") in _NO_IMAGE
    }
