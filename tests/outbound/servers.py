"""A service that insists on things (TLS, client certificates, logins, headers), and a forward proxy to reach it by."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

METRICS = "# TYPE config_operations counter\nconfig_operations_total 3\n"
TARGETS = {
    "status": "success",
    "data": {"activeTargets": [{"labels": {"job": "config"}, "scrapeUrl": "http://a", "health": "up"}]},
}


class Service(ThreadingHTTPServer):
    """A small configs API with health, metrics and Prometheus' targets beside it.

    Args:
        tls: makes it an HTTPS server.
        needs: header names with the value that each request must carry and the status that it gets otherwise.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, tls: ssl.SSLContext | None = None, needs: dict[str, tuple[str, int]] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._tls = tls
        self.needs = needs or {}
        self.entries: dict[str, str] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.port: int = self.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands on the request's own thread, so that a client that is refused holds nobody up."""
        if self._tls is not None:
            try:
                request = self._tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        with contextlib.suppress(OSError), request:
            super().finish_request(request, client_address)
            if self._tls is not None:
                request.unwrap()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients that are refused end in the middle."""


class Handler(BaseHTTPRequestHandler):
    """Answers, after the insisting."""

    server: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        """Read the body, check the headers, answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(
            (self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        )
        for name, (value, status) in self.server.needs.items():
            if self.headers.get(name) != value:
                return self._send(status, {"error": f"{name} is wanted"})
        return self._answer(urlsplit(self.path).path, body)

    do_GET = do_HEAD = do_POST = do_DELETE = handle_any

    def _answer(self, path: str, body: bytes) -> None:
        entries = self.server.entries
        match self.command, path:
            case "GET", "/health":
                self._send(200, {"status": "healthy"})
            case "GET", "/metrics":
                self._send(200, METRICS)
            case "GET", "/api/v1/targets":
                self._send(200, TARGETS)
            case "POST", _:
                entries[path] = json.loads(body)["value"]
                self._send(201, {"value": entries[path]})
            case "DELETE", _:
                self._send(204 if entries.pop(path, None) else 404, "")
            case _ if path in entries:
                self._send(200, {"value": entries[path]})
            case _:
                self._send(404, {})

    def _send(self, status: int, body: object) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status in range(300, 400):
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet."""


class Proxy:
    """A forward proxy: CONNECT, and requests with absolute addresses. It takes every name for this machine.

    Args:
        login: the value of Proxy-Authorization that it insists on.
        answer: what it answers by itself, instead of passing anything on.
    """

    def __init__(self, login: str | None = None, answer: bytes | None = None) -> None:
        self.login, self.answer = login, answer
        self.asked: list[str] = []
        self.tunnels: list[str] = []
        """The whole heads of CONNECT requests, which are for the proxy alone."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head, rest = _head(client)
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            self.asked.append(first)
            if method == "CONNECT":
                self.tunnels.append(head.decode("latin-1"))
            if self.login is not None and f"Proxy-Authorization: {self.login}" not in lines:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            if self.answer is not None:
                client.sendall(self.answer)
                return
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            with socket.create_connection(("127.0.0.1", parts.port or 80)) as service:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
                    path = target.removeprefix(f"{parts.scheme}://{parts.netloc}")
                    head = "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close"]).encode("latin-1")
                    service.sendall(head + b"\r\n\r\n")
                service.sendall(rest)
                pump_both(client, service)


class Terminator:
    """TLS before a server on this machine that speaks none; where that one refuses, so does this."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context, self._behind = context, port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection(("127.0.0.1", self._behind)) as far,
            self._context.wrap_socket(client, server_side=True) as near,
        ):
            pump_both(near, far)


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    found = b""
    while b"\r\n\r\n" not in found:
        part = client.recv(65536)
        if not part:
            raise ConnectionError
        found += part
    head, _, rest = found.partition(b"\r\n\r\n")
    return head, rest


def pump_both(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until both ends are done."""
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    _pump(near, far)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serving(make: Callable[[], Service]) -> Iterator[Service]:
    """Run a service until the end of the block."""
    service = make()
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join(5)
