"""Compose v2 itself, for what the engine's API cannot do: it reads a project's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...model import CannotObserve
from ..capabilities import PlatformRefused

if TYPE_CHECKING:
    from .settings import ComposeProject

_VERSION_S = 10
_UP_S = 120
_READ_S = 5
_INHERITED = ("HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR")


def why_not(project: ComposeProject) -> str | None:
    """Return why Compose cannot act on a project's files from here, or None."""
    if project.directory is None:
        return "the environment does not say where the project's files are; set directory under [compose]"
    if _program() is None:
        return "there is no Compose v2 here; install Docker's plugin, or pip install 'drillbook[compose]'"
    return None


def up(project: ComposeProject, service: str, *, replicas: int) -> None:
    """Have so many replicas of a service, the ones that are there left as they are. Raises PlatformRefused."""
    words = ["up", "--detach", "--no-deps", "--no-recreate", "--no-build", f"--scale={service}={replicas}", service]
    reason = why_not(project)
    if reason is not None:
        raise PlatformRefused(f"scale {service}: {reason}", hint="see above")
    try:
        _run(project, ["--progress", "quiet", *words], limit_s=_UP_S)
    except _Failed as error:
        raise PlatformRefused(f"scale {service}: docker compose: {error}", hint="docker compose ps") from None


def services(project: ComposeProject) -> tuple[str, ...]:
    """Return the services that a project's files declare, those of the active profiles. Raises CannotObserve."""
    reason = why_not(project)
    if reason is not None:
        raise CannotObserve(reason, hint="see above")
    try:
        text = _run(project, ["config", "--services"], limit_s=_READ_S)
    except _Failed as error:
        raise CannotObserve(
            f"docker compose config: {error}", hint=f"run docker compose config --services in {project.directory}"
        ) from None
    return tuple(sorted(text.split()))


class _Failed(Exception):
    """Compose did not do what it was asked for; the text says why."""


def _run(project: ComposeProject, words: list[str], *, limit_s: int) -> str:
    """Run Compose in the project's directory; return what it prints. Raises _Failed with its last line."""
    try:
        done = subprocess.run(
            [*(_program() or ()), "--project-name", project.name, *words],
            cwd=project.directory,
            env=_environment(project.host),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed(str(error)) from None
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).split("\n") if line.strip()]
        raise _Failed(said[-1] if said else f"exit status {done.returncode}")
    return done.stdout


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
