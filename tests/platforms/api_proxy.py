"""A proxy before the Kubernetes API that answers one path by itself: what the API itself cannot be made to say."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import socketserver
import ssl
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import tomli_w

from ..outbound.servers import pump_both


@contextlib.contextmanager
def api_says(
    environment: Path, path: str, status: int, *, folder: Path, body: str = "{}", since: str | None = None
) -> Iterator[Path]:
    """Return an environment file like this one whose API answers ``path`` with ``status``, and all else as it does.

    With ``since``, only what is asked for from this resource version on is answered so.
    """
    facts = tomllib.loads(environment.read_text("utf-8"))
    config = json.loads(Path(facts["systems"]["config-manager"]["kubernetes"]["kubeconfig"]).read_text("utf-8"))
    place = config["clusters"][0]["cluster"]
    tls = ssl.create_default_context(cadata=base64.b64decode(place["certificate-authority-data"]).decode())
    host, _, port = place["server"].removeprefix("https://").partition(":")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                part = self.request.recv(65536)
                if not part:
                    return
                head += part
            asked = urlsplit(head.split()[1].decode())
            if asked.path == path and since in (None, *parse_qs(asked.query).get("resourceVersion", [])):
                answer = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
                self.request.sendall(answer.encode())
                return
            if b"upgrade: websocket" not in head.lower():  # one request a connection, so that each is looked at
                head = re.sub(rb"(?im)^connection:.*\r\n", b"", head).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            with tls.wrap_socket(socket.create_connection((host, int(port or 443))), server_hostname=host) as far:
                far.sendall(head)
                pump_both(self.request, far)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{server.server_address[1]}"}
        kubeconfig, copy = folder / "proxied.kubeconfig", folder / "proxied.toml"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(config), "utf-8")
        facts["systems"]["config-manager"]["kubernetes"]["kubeconfig"] = str(kubeconfig)
        copy.write_text(tomli_w.dumps(facts), "utf-8")
        try:
            yield copy
        finally:
            server.shutdown()
