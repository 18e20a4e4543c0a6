"""Install the loggers, let each write the same four entries, and keep what they wrote under ``samples/``.

usage: python tests/dialects/write_samples.py [NAME ...]

It needs python, node, go, cargo, java with mvn, and the servers nginx, haproxy, redis-server and postgres on PATH; what
is not there is said and its kept sample stays. ``samples/index.json`` says when each was written, and by which command.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).parent
SAMPLES = HERE / "samples"
PACKAGES = (
    "structlog", "loguru", "uvicorn", "gunicorn", "ecs-logging", "python-json-logger", "opentelemetry-sdk",
)  # fmt: skip
PYTHON = (
    "python-basic", "python-dashes", "python-brackets", "python-padded", "python-json", "structlog-console",
    "structlog-json", "loguru", "uvicorn", "gunicorn", "ecs-python", "otel-python",
)  # fmt: skip
NODE = ("pino", "bunyan", "winston-json", "winston-simple")
GO = (
    "zap-json", "zap-console", "zerolog-json", "zerolog-console", "logrus-text", "logrus-terminal", "logrus-json",
    "klog", "log15-logfmt", "log15-json", "slog-text", "slog-json",
)  # fmt: skip
RUST = ("tracing-text", "tracing-colours", "tracing-spans", "tracing-json", "env-logger")
JAVA = ("log4j", "log4j-default", "ecs", "gelf", "logback", "spring-boot", "jul")
_BUILD_TIMEOUT_S = 900
_RUN_TIMEOUT_S = 60
_READY_TIMEOUT_S = 20.0


def main() -> int:
    """Write every sample, or those that are named. Return 1 if one could not be written."""
    wanted = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as room:
        for build, names in GROUPS:
            chosen = [name for name in names if not wanted or name in wanted]
            if not chosen:
                continue
            try:
                run = build(Path(room))
                for name in chosen:
                    keep(name, Path(room), run)
            except (OSError, subprocess.SubprocessError) as error:
                failed = 1
                print(f"{', '.join(chosen)}: {type(error).__name__}: {error}")  # noqa: T201 - a script for a terminal
    return failed


def keep(name: str, room: Path, run: Callable[[str], str]) -> None:
    """Run one logger and keep what it wrote, with the time it wrote it."""
    begin = dt.datetime.now(dt.UTC)
    text = run(name).replace(str(HERE), "/srv").replace(str(room), "/srv")
    end = dt.datetime.now(dt.UTC)
    (SAMPLES / f"{name}.log").write_text(text, encoding="utf-8", newline="")
    path = SAMPLES / "index.json"
    index = json.loads(path.read_text()) if path.exists() else {}
    index[name] = {"from": begin.isoformat(), "to": end.isoformat()}
    path.write_text(json.dumps(dict(sorted(index.items())), indent=1) + "\n")
    print(f"{name}: {len(text.splitlines())} lines")  # noqa: T201 - as above


def python(room: Path) -> Callable[[str], str]:
    """Install Python's loggers into an environment of their own."""
    subprocess.run([sys.executable, "-m", "venv", room / "venv"], check=True, timeout=_BUILD_TIMEOUT_S)
    interpreter = room / "venv/bin/python"
    _build([interpreter, "-m", "pip", "install", "--quiet", *PACKAGES], room)
    return lambda name: _output([interpreter, "-W", "ignore", HERE / "loggers/python/main.py", name])


def node(room: Path) -> Callable[[str], str]:
    """Install Node.js's loggers."""
    place = _copied("node", room)
    _build(["npm", "install", "--no-audit", "--no-fund", "--silent"], place)
    return lambda name: _output(["node", place / "main.js", name])


def go(room: Path) -> Callable[[str], str]:
    """Build Go's loggers."""
    place = _copied("go", room)
    _build(["go", "mod", "tidy"], place)
    _build(["go", "build", "-o", "loggers", "."], place)
    return lambda name: _output([place / "loggers", name])


def rust(room: Path) -> Callable[[str], str]:
    """Build Rust's loggers."""
    place = _copied("rust", room)
    _build(["cargo", "build", "--quiet"], place)
    return lambda name: _output([place / "target/debug/loggers", name])


def java(room: Path) -> Callable[[str], str]:
    """Build Java's loggers."""
    place = _copied("java", room)
    listing = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
    _build(["mvn", "-q", "-B", "compile", listing, "-Dmdep.outputFile=classpath"], place)
    classes = f"{place / 'target/classes'}:{(place / 'classpath').read_text()}"
    return lambda name: _output(["java", "-cp", classes, "Loggers", name])


def servers(room: Path) -> Callable[[str], str]:
    """Start servers on loopback and make them say something good and something bad."""
    room.chmod(0o755)
    started = {
        "nginx-error": nginx,
        "nginx-access": nginx,
        "haproxy": haproxy,
        "redis": redis,
        "postgresql": postgresql,
    }
    return lambda name: started[name](name, Path(tempfile.mkdtemp(dir=room)))


def nginx(name: str, place: Path) -> str:
    """Ask for a page that is there and for one whose upstream is not."""
    port, dead = _free_port(), _free_port()
    (place / "logs").mkdir()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    rooms = " ".join(f"{kind}_temp_path {place}/{kind};" for kind in kinds)
    (place / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {place}/pid; error_log {place}/nginx-error notice; events {{}}\n"
        f"http {{ {rooms} access_log {place}/nginx-access; server {{ listen 127.0.0.1:{port};"
        f" location / {{ return 200; }} location /down {{ proxy_pass http://127.0.0.1:{dead}; }} }} }}\n"
    )
    with _started(["nginx", "-p", place, "-c", place / "nginx.conf"]):
        _asked(port, "/")
        _asked(port, "/down")
        time.sleep(0.2)
    return (place / name).read_text()


def haproxy(name: str, place: Path) -> str:
    """Ask through a proxy whose only server is down: its log goes to standard output as raw lines."""
    port, dead = _free_port(), _free_port()
    (place / "cfg").write_text(
        "global\n log stdout format raw daemon\ndefaults\n log global\n mode http\n option httplog\n"
        " timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
        f"frontend api\n bind 127.0.0.1:{port}\n default_backend store\n"
        f"backend store\n server s1 127.0.0.1:{dead} check inter 200ms fall 1\n"
    )
    with _started(["haproxy", "-db", "-f", place / "cfg"], place / name):
        _asked(port, "/configs")
        time.sleep(1)
    return (place / name).read_text()


def redis(name: str, place: Path) -> str:
    """Start a server with a setting that it warns of."""
    port = _free_port()
    command: Sequence[str | Path] = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(place),
        "--save",
        "",
    ]
    with _started(command, place / name):
        _reached(port)
    return (place / name).read_text()


def postgresql(name: str, place: Path) -> str:
    """Ask for a table that is not there, and divide by zero."""
    port = _free_port()
    user = "postgres" if os.getuid() == 0 else None
    if user:
        os.chown(place, pwd.getpwnam(user).pw_uid, -1)
    subprocess.run(["initdb", "-D", place / "db", "-A", "trust", "-U", "postgres"], check=True, user=user,
                   cwd=place, capture_output=True, timeout=_RUN_TIMEOUT_S)  # fmt: skip
    command: Sequence[str | Path] = [
        "postgres",
        "-D",
        place / "db",
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "-k",
        str(place),
    ]
    with _started(command, place / name, user=user):
        _reached(port)
        for query in ("SELECT 1", "SELECT * FROM configs", "SELECT 'level=error'", "SELECT 1/0"):
            subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-c", query], check=False,
                           cwd=place, capture_output=True, timeout=_RUN_TIMEOUT_S)  # fmt: skip
    return (place / name).read_text()


GROUPS: tuple[tuple[Callable[[Path], Callable[[str], str]], tuple[str, ...]], ...] = (
    (python, PYTHON),
    (node, NODE),
    (go, GO),
    (rust, RUST),
    (java, JAVA),
    (servers, ("nginx-error", "nginx-access")),
    (servers, ("haproxy",)),
    (servers, ("redis",)),
    (servers, ("postgresql",)),
)


def _copied(language: str, room: Path) -> Path:
    return Path(shutil.copytree(HERE / "loggers" / language, room / language))


def _build(command: list[str | Path], place: Path) -> None:
    subprocess.run(command, cwd=place, check=True, timeout=_BUILD_TIMEOUT_S)


def _output(command: list[str | Path]) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_RUN_TIMEOUT_S)
    return done.stdout.decode()


@contextlib.contextmanager
def _started(command: Sequence[str | Path], output: Path | None = None, *, user: str | None = None) -> Iterator[None]:
    with (output or Path(os.devnull)).open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, user=user, cwd="/")
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_RUN_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _reached(port: int) -> None:
    until = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            time.sleep(0.5)
            return
        time.sleep(0.1)
    raise OSError(f"nothing listens on port {port}")


def _asked(port: int, path: str) -> None:
    _reached(port)
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()


if __name__ == "__main__":
    sys.exit(main())
