"""Plays the pods of a cluster: three good copies, and what lies about beside them in every cluster that is in use."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

AT = "2026-11-21T10:00:00Z"
APP = "llm-config-manager"
Pod = dict[str, Any]


def pod(name: str, app: str = APP, *, phase: str = "Running", ready: bool = True, **meta: str) -> Pod:
    """Return a pod as the API shows it; one that was evicted has no container statuses any more."""
    state: dict[str, Any] = {"running": {"startedAt": AT}}
    if phase == "Succeeded":
        state = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    containers = [{"name": "main", "ready": ready, "restartCount": 0, "state": state}]
    status = {"phase": phase, "podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {
        "metadata": {"name": name, "uid": f"uid-of-{name}", "labels": {"app": app}, **meta},
        "spec": {"containers": [{"name": "main"}]},
        "status": status if phase == "Failed" else {**status, "containerStatuses": containers},
    }


def evicted() -> Pod:
    found = pod("a-evicted", phase="Failed", ready=False)
    found["status"] |= {"reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}
    return found


def finished(phase: str = "Succeeded") -> Pod:
    return pod("a-migration", phase=phase, ready=False)


def being_deleted(*, ready: bool = True) -> Pod:
    return pod("a-old", ready=ready, deletionTimestamp=AT)


@contextlib.contextmanager
def cluster_of(pods: list[Pod], folder: Path) -> Iterator[Path]:
    """Serve these pods; return a kubeconfig."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            label = parse_qs(urlsplit(self.path).query)["labelSelector"][0]
            found = [one for one in pods if one["metadata"]["labels"]["app"] in label]
            body = json.dumps({"items": found, "metadata": {}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        named = {"cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}, "name": "c"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [named],
            "users": [{"name": "u", "user": {"token": "nobodys-token"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config), "utf-8")
        yield path
        server.shutdown()
