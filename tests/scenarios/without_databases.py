"""Two copies of a service that needs no database, and a keeper that holds them as the lab's keeper would."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drillbook.polling import wait_until
from lab.ports import free_port

SERVICE = Path(__file__).with_name("file_service.py")


class Keeper:
    """Holds the copies and speaks the control socket's language."""

    def __init__(self, folder: Path, also: str = "") -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("api-1", "api-2")}
        self.held: dict[str, subprocess.Popen[bytes]] = {}
        self.began: dict[str, str] = {}
        self.also = also

    def do(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "list":
                return {"processes": [self.row(name) for name in self.ports]}
            case "start":
                self.start(request["name"])
            case "signal":
                process = self.held[request["name"]]
                process.send_signal(getattr(signal, f"SIG{request['signal']}"))
                process.wait(5)
            case "stop":
                process, began = self.held[request["name"]], time.monotonic()
                process.terminate()
                return {"exit_code": process.wait(5), "killed": False, "took_s": time.monotonic() - began}
        return {}

    def start(self, name: str) -> None:
        command = [sys.executable, "-P", str(SERVICE), str(self.ports[name]), str(self.folder)]
        self.held[name] = subprocess.Popen(command, env={**os.environ, "ALSO": self.also})
        self.began[name] = dt.datetime.now(dt.UTC).isoformat()

    def row(self, name: str) -> dict[str, Any]:
        process = self.held[name]
        ended = process.poll()
        state = "running" if ended is None else "exited"
        row = {"name": name, "component": "api", "state": state, "exit_code": ended, "started_at": self.began[name]}
        return {**row, "pid": process.pid if ended is None else None}


@contextmanager
def running(folder: Path, more: str = "", also: str = "") -> Iterator[Path]:
    """Run it; give the environment file.

    Args:
        folder: for its data and its files.
        more: keys of the system's own table.
        also: further checks of its health document.
    """
    data = folder / "data"
    data.mkdir()
    keeper = Keeper(data, also)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            answer = keeper.do(json.loads(self.rfile.readline()))
            self.wfile.write(json.dumps({"ok": True, **answer}).encode() + b"\n")

    server = socketserver.ThreadingUnixStreamServer(str(folder / "control"), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in keeper.ports:
        keeper.start(name)
    try:
        wait_until(lambda: all(map(listens, keeper.ports.values())), what="the service", timeout_s=10)
        yield written(folder, keeper.ports, more)
    finally:
        for process in keeper.held.values():
            process.kill()
            process.wait(5)
        server.shutdown()
        server.server_close()


def listens(port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


def written(folder: Path, ports: dict[str, int], more: str) -> Path:
    (folder / "marker").write_text("files\n")
    instances = "".join(
        f'[[systems.config-manager.components.api.instances]]\nname = "{name}"\nurl = "http://127.0.0.1:{port}"\n'
        for name, port in ports.items()
    )
    path = folder / "files.toml"
    path.write_text(
        f'name = "files"\nplatform = "process"\n'
        f"[disruption]\nallowed = true\nat_most = {{ instances = 2 }}\n"
        f'[systems.config-manager]\nversion = "1.0"\nmutations = {{ allowed = true, namespace = "drillbook" }}\n'
        f'objectives = {{ "*" = {{ rto_s = 30, rpo_s = 0 }} }}\n'
        f'process = {{ control = "{folder}/control", marker = "marker" }}\n{more}{instances}'
    )
    return path
