"""A service that answers as the test says, byte by byte if need be."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Reply = Callable[["Request"], bytes | None]


@dataclass
class Request:
    """One request: its place among all of the service, among those of its connection, and its head."""

    number: int
    on_connection: int
    head: str
    send: Callable[[bytes], object]


@dataclass
class Strange:
    """A service on 127.0.0.1 that sends what ``reply`` returns, and closes where that is None."""

    reply: Reply
    url: str = ""
    seen: list[Request] = field(default_factory=list)


def answer(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    """Return an answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status} As it is", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextlib.contextmanager
def strange(reply: Reply) -> Iterator[Strange]:
    """Run a service until the end of the block."""
    service = Strange(reply)
    lock = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        rbufsize = 0

        def handle(self) -> None:
            count = 0
            with contextlib.suppress(OSError):
                while head := self._head():
                    with lock:
                        request = Request(len(service.seen), count, head, self.wfile.write)
                        service.seen.append(request)
                    count += 1
                    sent = service.reply(request)
                    if sent is None:
                        return
                    self.wfile.write(sent)

        def _head(self) -> str:
            if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS handshake, which has no lines
                self.connection.recv(65536)
                return "TLS"
            lines = []
            while (line := self.rfile.readline().decode("latin-1")) not in {"", "\r\n"}:
                lines.append(line)
            return "".join(lines)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield service
        server.shutdown()
        thread.join(5)
