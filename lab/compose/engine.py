"""The Docker engine and the Compose program of this machine."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import selectors
import shutil
import subprocess
import sysconfig
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import DockerClient

ANSWER_S = 10
_BUILD_S = 900
_TICK_S = 0.2
_SHOWN_LINES = 12
_INHERITED = ("HOME", "PATH", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "XDG_RUNTIME_DIR")
_INSTALL = "install Docker Engine with its Compose plugin, or pip install 'drillbook[compose]'"


def client(*, timeout_s: int = ANSWER_S) -> DockerClient:
    """Return a client of an engine that answers. Raises LabError."""
    try:
        import docker  # noqa: PLC0415 - only this platform needs it
    except ImportError:
        raise LabError("the Docker SDK is not installed; pip install 'drillbook[compose]'") from None
    try:
        found = docker.from_env(timeout=timeout_s)
        found.ping()
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("docker", "requests", "urllib3"):
            raise
        raise LabError(
            "no Docker engine answers; start it, so that `docker info` works for this user, or set DOCKER_HOST"
        ) from None
    return found


def ensure_image(name: str, context: Path, dockerfile: str, say: Callable[[str], None]) -> None:
    """Build an image unless it is there. Raises LabError with the end of what the build said.

    Through the engine's API: `docker compose build` asks for a plugin that many machines do not have.
    """
    engine = client(timeout_s=_BUILD_S)
    if engine.images.list(name=name):
        return
    said: collections.deque[str] = collections.deque(maxlen=_SHOWN_LINES)
    rows = engine.api.build(path=str(context), dockerfile=dockerfile, tag=name, rm=True, forcerm=True, decode=True)
    for row in rows:
        line = str(row.get("stream", "")).strip()
        if line.startswith("Step "):
            say(f"the image {name}: {line}")
        if line:
            said.append(line)
        if "error" in row:
            raise LabError(f"building {name} failed: {row['error']}\n" + "\n".join(said))


def digest_of(folders: tuple[Path, ...]) -> str:
    """Return a short name for what these files and folders hold."""
    found = hashlib.sha256()
    for folder in folders:
        paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
        for path in paths:
            if path.is_file() and path.suffix != ".pyc":
                found.update(f"{path.relative_to(folder.parent)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


class Compose:
    """Compose v2 on one project.

    Args:
        project: its name.
        directory: where its files are; any folder will do to take it down.
    """

    def __init__(self, project: str, directory: Path) -> None:
        self._project, self._directory = project, directory

    def run(self, *arguments: str, say: Callable[[str], None], limit_s: float) -> None:
        """Run a command to its end and say what it waits for. Raises LabError with the end of what it said."""
        process = subprocess.Popen(
            [*program(), "--progress", "plain", "--project-name", self._project, *arguments],
            cwd=self._directory if self._directory.is_dir() else "/",
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to answer: what is half up must be taken down
        )
        try:
            said = _follow(process, self._project, say, limit_s)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            raise LabError(f"docker compose {arguments[0]} failed:\n" + "\n".join(said))


@cache
def program() -> tuple[str, ...]:
    """Return the command that is Compose v2: the docker plugin, else the program of the wheel. Raises LabError."""
    wheel = Path(sysconfig.get_path("scripts")) / "docker-compose"
    for command in (("docker", "compose"), (str(wheel),), ("docker-compose",)):
        if shutil.which(command[0]) is None:
            continue
        asked = subprocess.run([*command, "version", "--format", "json"], capture_output=True, check=False, timeout=30)
        if asked.returncode == 0 and _is_v2(asked.stdout):
            return command
    raise LabError(f"there is no Compose v2; {_INSTALL}")


def _is_v2(answer: bytes) -> bool:
    try:
        found: dict[str, Any] = json.loads(answer)
        return int(str(found["version"]).removeprefix("v").split(".")[0]) >= 2  # noqa: PLR2004 - Compose v2
    except (ValueError, KeyError, TypeError):
        return False


def _environment(outer: Mapping[str, str]) -> dict[str, str]:
    """Return what the program needs; any other variable could change what the project's .env says."""
    kept = {name: value for name, value in outer.items() if name.upper() in _INHERITED}
    kept.update({name: value for name, value in outer.items() if name.startswith("DOCKER_")})
    return {**kept, "COMPOSE_MENU": "false"}


def _follow(process: subprocess.Popen[bytes], project: str, say: Callable[[str], None], limit_s: float) -> list[str]:
    """Read what it says until it ends; tell which containers it waits for. Raises LabError when it takes too long."""
    assert process.stdout is not None
    said: collections.deque[str] = collections.deque(maxlen=_SHOWN_LINES)
    states: dict[str, str] = {}
    rest, deadline = b"", time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if time.monotonic() > deadline:
                raise LabError(f"docker compose is not done after {limit_s:g} s; it said:\n" + "\n".join(said))
            if not selector.select(_TICK_S):
                continue
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                return list(said)
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace").strip()
                said.append(text)
                _note(states, text)
            say(_waited_for(states, f"{project}-"))


def _note(states: dict[str, str], line: str) -> None:
    """Keep the state of `Container NAME STATE`, `Image NAME STATE` and their like."""
    words = line.split()
    if len(words) >= 3 and words[0] in ("Container", "Image", "Network", "Volume"):  # noqa: PLR2004 - kind, name, state
        states[words[1]] = " ".join(words[2:]).lower()


def _waited_for(states: Mapping[str, str], prefix: str) -> str:
    """Return what takes its time: images that are pulled, containers that are not healthy or not gone yet."""
    for state, said in (("pulling", "the image {}"), ("waiting", "{} to be healthy"), ("stopping", "{} to stop")):
        names = sorted(name.removeprefix(prefix) for name, found in states.items() if found.startswith(state))
        if names:
            return said.format(", ".join(names))
    return "Docker Compose"
