"""Which address of the service users on this machine can reach: it depends on the cluster's network."""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kubectl import Kubectl

SERVICE = "llm-config-manager"
_PORT = "http"
_ONE_TRY_S = 1.0
_ALL_TRIES_S = 5.0
_BETWEEN_S = 0.2
_NODES = 3


def find(kubectl: Kubectl) -> str | None:
    """Return ``http://host:port`` of the Service that answers from here, None when none does. Raises LabError.

    The cluster's inner address comes first, which only its nodes reach; then the nodes' own, as users outside the
    cluster have them; then the node that is this machine. A client on a node must not take the node's own address: an
    attempt while no pod is ready leaves a conntrack entry without translation behind (kube-proxy refuses it in INPUT,
    after loopback has confirmed it), and for two minutes each later attempt from the same source port is refused.
    """
    service = kubectl.json("get", "service", SERVICE)["spec"]
    port = next(row for row in service["ports"] if row["name"] == _PORT)
    outer = port.get("nodePort")
    hosts = [*_nodes(kubectl), "127.0.0.1"] if outer else []
    found = [(str(service["clusterIP"]), int(port["port"])), *((host, int(outer)) for host in hosts)]
    end = time.monotonic() + _ALL_TRIES_S  # kube-proxy may be a moment behind
    while time.monotonic() < end:
        for host, number in found:
            if _is_ours(host, number):
                return f"http://{host}:{number}"
        time.sleep(_BETWEEN_S)
    return None


def _nodes(kubectl: Kubectl) -> list[str]:
    rows = kubectl.json("get", "nodes")["items"]
    addresses = [one for row in rows for one in row["status"].get("addresses", [])]
    return [str(one["address"]) for one in addresses if one["type"] == "InternalIP"][:_NODES]


def _is_ours(host: str, port: int) -> bool:
    """Say whether the service's health page is there; a stranger on the same port has none."""
    connection = http.client.HTTPConnection(host, port, timeout=_ONE_TRY_S)
    try:
        connection.request("GET", "/health")
        body = json.loads(connection.getresponse().read(1 << 16))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(body, dict) and "uptime_seconds" in body
