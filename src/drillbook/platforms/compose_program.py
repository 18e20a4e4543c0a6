"""Compose v2 itself, for what the engine's API cannot do: it reads a project's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .capabilities import PlatformRefused

if TYPE_CHECKING:
    from ..model import ComposeProject

_VERSION_S = 10
_UP_S = 120
_INHERITED = ("HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR")


def why_not(project: ComposeProject) -> str | None:
    """Return why Compose cannot act on a project's files from here, or None."""
    if project.directory is None:
        return "the environment does not say where the project's files are; set directory under [compose]"
    if _program() is None:
        return "there is no Compose v2 here; install Docker's plugin, or pip install 'drillbook[compose]'"
    return None


def up(project: ComposeProject, service: str, *, copies: int) -> None:
    """Have so many copies of a service, the ones that are there left as they are. Raises PlatformRefused."""
    words = ["up", "--detach", "--no-deps", "--no-recreate", "--no-build", f"--scale={service}={copies}", service]
    reason = why_not(project)
    if reason is not None:
        raise PlatformRefused(f"scale {service}: {reason}", mend="see above")
    command = [*(_program() or ()), "--progress", "quiet", "--project-name", project.name, *words]
    try:
        done = subprocess.run(
            command,
            cwd=project.directory,
            env=_environment(project.host),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_UP_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformRefused(f"scale {service}: docker compose: {error}", mend="docker compose ps") from None
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        raise PlatformRefused(f"scale {service}: docker compose: {said[-1]}", mend="docker compose ps")


def _environment(host: str | None) -> dict[str, str]:
    """Return what the program needs; any other variable could change what the project's .env says."""
    kept = {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("DOCKER_")}
    return kept if host is None else {**kept, "DOCKER_HOST": host}


@cache
def _program() -> tuple[str, ...] | None:
    """Return the command that is Compose v2: the docker plugin, else the program of the wheel."""
    wheel = Path(sysconfig.get_path("scripts")) / "docker-compose"
    for command in (("docker", "compose"), (str(wheel),), ("docker-compose",)):
        if shutil.which(command[0]) is None:
            continue
        asked = subprocess.run(
            [*command, "version", "--short"], capture_output=True, text=True, timeout=_VERSION_S, check=False
        )
        if asked.returncode == 0 and not asked.stdout.strip().removeprefix("v").startswith("1."):
            return command
    return None
