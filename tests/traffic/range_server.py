"""A small keyed service for the tests, run as ``python range_server.py PORT DATA``: honest until told otherwise.

Its settings are changed at ``POST /settings``: ``status`` and ``delay_s`` of every answer, ``hang_up`` (take the
request, answer nothing), ``persist`` (false: acknowledge and keep in memory alone), ``apply_then_status`` (apply a
write, then answer this). SIGTERM ends it at once (``drain`` false) or when the requests in flight are done.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

SETTINGS: dict[str, float | bool | int] = {"persist": True, "drain": True}
DATA = Path(sys.argv[2])
VALUES: dict[str, str | None] = {}
LOCK = threading.Lock()
COUNTS = {"requests": 0, "connections": 0}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Count the connection."""
        with LOCK:
            COUNTS["connections"] += 1
        super().setup()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer health, counts or a value."""
        if self.path == "/counts":
            self.answer(200, dict(COUNTS))
        elif self.path == "/health":
            self.behave({"status": "healthy"})
        else:
            value = VALUES.get(self.key())
            self.behave({"value": value} if value is not None else {}, 200 if value is not None else 404)

    def do_POST(self) -> None:
        """Keep a value, or change the settings."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/settings":
            SETTINGS.update(json.loads(body))
            self.answer(200, {})
        elif self.path == "/echo":
            self.behave({"bytes": len(body)}, 201)
        else:
            if "status" not in SETTINGS:
                self.keep(self.key(), json.loads(body)["value"])
            self.behave({}, int(SETTINGS.get("apply_then_status", 201)))

    def do_DELETE(self) -> None:
        """Forget a value."""
        had = VALUES.get(self.key()) is not None
        self.keep(self.key(), None)
        self.behave({}, 204 if had else 404)

    def key(self) -> str:
        """Return the last step of the path."""
        return urlsplit(self.path).path.rsplit("/", 1)[-1]

    def keep(self, key: str, value: str | None) -> None:
        """Keep a value in memory and, unless told otherwise, on disk."""
        with LOCK:
            VALUES[key] = value
            if SETTINGS["persist"]:
                with DATA.open("a") as stream:
                    stream.write(json.dumps([key, value]) + "\n")

    def behave(self, body: dict[str, object], status: int = 200) -> None:
        """Answer as the settings say."""
        with LOCK:
            COUNTS["requests"] += 1
        time.sleep(float(SETTINGS.get("delay_s", 0)))
        if SETTINGS.get("hang_up"):
            self.close_connection = True
            return
        self.answer(int(SETTINGS.get("status", status)), body)

    def answer(self, status: int, body: dict[str, object]) -> None:
        """Answer honestly."""
        data = b"" if status == 204 else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Finishes what it took before it ends."""

    request_queue_size = 512
    daemon_threads = False
    block_on_close = True


def main() -> None:
    if DATA.exists():
        VALUES.update(json.loads(line) for line in DATA.read_text().splitlines())
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)

    def end(*_: object) -> None:
        if not SETTINGS["drain"]:
            os._exit(0)
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    server.serve_forever(poll_interval=0.02)
    server.server_close()


if __name__ == "__main__":
    main()
