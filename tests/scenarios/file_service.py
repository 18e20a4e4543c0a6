"""A Config Manager that keeps its data in files: ``python -P file_service.py PORT FOLDER``; it needs no database."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(sys.argv[2])
BEGAN = time.monotonic()


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")


def health() -> dict[str, object]:
    names = ["storage", "cache", *os.environ.get("ALSO", "").split()]
    checks = {name: {"component": name, "status": "healthy", "last_check": now(), "duration_ms": 1} for name in names}
    uptime = round(time.monotonic() - BEGAN, 3)
    return {"status": "healthy", "checks": checks, "timestamp": now(), "uptime_seconds": uptime, "version": "1.0"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/health":
            self.answer(200, health())
            return
        try:
            self.answer(200, {"value": self.file().read_text()})
        except FileNotFoundError:
            self.answer(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        written = self.file().with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
        written.write_text(body["value"])
        written.replace(self.file())
        self.answer(201, {"value": body["value"]})

    def do_DELETE(self) -> None:
        try:
            self.file().unlink()
        except FileNotFoundError:
            self.answer(404, {})
        else:
            self.answer(200, {})

    def file(self) -> Path:
        return FOLDER / (urlsplit(self.path).path.replace("/", "_") + ".value")

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
