"""One lab on Compose: its project directory, and how it comes, changes and goes."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import shutil
import tempfile
import time
import tomllib
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import clock
from ..config_manager.processes import SYSTEM, new_encryption_key
from ..directory import is_held, write_private
from ..errors import LabError
from ..options import Options
from ..ports import HOST, free_block
from ..toml_file import write_environment
from . import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from docker.models.containers import Container


SERVICE = "llm-config-manager"
PREFIX = "drillbook-compose-"
MARKED_AS = ("lab", "compose")
COMPOSE_FILE = "docker-compose.yml"
_LAB = Path(__file__).resolve().parents[1]
_FILES = _LAB / "config_manager" / "compose"
_DOCKERFILE = "config_manager/compose/Dockerfile"
_UP_S = 900.0  # pulling images is the most of it; health checks give up after 30 s each
_DOWN_S = 120.0
_SCRAPED_S = 30.0
_LOOK_EVERY_S = 0.25
_SINGLES = ("ENTRY_PORT", "BALANCER_PORT", "POSTGRES_PORT", "REDIS_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT")
_BACKEND = "copies"  # as haproxy.cfg calls them


@dataclass(frozen=True)
class Project:
    """A Compose project of ours.

    Attributes:
        name: Compose's name for it.
        directory: where its compose file and .env are.
    """

    name: str
    directory: Path

    @property
    def environment(self) -> Path:
        """The environment file that leads to everything else."""
        return self.directory / "environment.toml"

    @property
    def compose(self) -> engine.Compose:
        """Compose v2 on this project."""
        return engine.Compose(self.name, self.directory)

    def containers(self) -> list[Container]:
        """Return all containers of the project. Raises LabError."""
        label = f"com.docker.compose.project={self.name}"
        found: list[Container] = engine.client().containers.list(all=True, filters={"label": label})
        return sorted(found, key=lambda one: str(one.name))

    def copies(self) -> list[Container]:
        """Return the containers of the service itself. Raises LabError."""
        return [one for one in self.containers() if one.labels.get("com.docker.compose.service") == SERVICE]


def up(options: Options, say: Callable[[str], None], *, held: bool = False) -> Project:
    """Bring a lab up under a name of its own. Raises LabError; nothing of it is left then.

    Args:
        options: its make-up.
        say: is told what is waited for.
        held: whether it ends with this process: should that be killed, the next one sweeps it away.
    """
    engine.client()
    engine.program()
    image = f"llm-config-manager:lab-{engine.digest_of((_LAB / 'config_manager' / 'service', _FILES / 'Dockerfile'))}"
    engine.ensure_image(image, _LAB, _DOCKERFILE, say)
    name = f"drillbook-{secrets.token_hex(3)}"
    project = Project(name, Path(tempfile.mkdtemp(prefix=PREFIX)))
    try:
        if held:
            _hold(project)
        _write(project, options, image)
        _raise_up(project, options, say)
    except BaseException:
        down(project, say)
        raise
    return project


def of_environment(path: Path) -> Project:
    """Return the project that an environment file of a lab leads to. Raises LabError."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))["systems"][SYSTEM]["compose"]
        return Project(found["project"], Path(found["directory"]))
    except (OSError, ValueError, KeyError) as error:
        raise LabError(f"{path} is not the environment file of a lab on Compose: {error}") from None


def plant(project: Project, defects: tuple[str, ...], say: Callable[[str], None], *, logging: str) -> None:
    """Replace the copies of the service by ones with these defects, and wait until they serve. Raises LabError.

    Args:
        project: whose.
        defects: as a user names them; none heals.
        say: is told what is waited for.
        logging: the engine's driver for their logs; ``none`` loses them.
    """
    options = Options(int(values(project)["INSTANCES"]), defects=defects)
    _set(project, DEFECT=_defects(options, None), LOG_DRIVER=logging)
    project.compose.run("kill", SERVICE, say=say, limit_s=_DOWN_S)  # they are replaced, not shut down
    if _is_alike(options):
        _compose_up(project, say, "--force-recreate", f"--scale={SERVICE}={options.instances}")
    else:
        project.compose.run("rm", "--force", "--stop", SERVICE, say=say, limit_s=_DOWN_S)
        _one_by_one(project, options, say)
    _wait_until_scraped(project, options, say)


def down(project: Project, say: Callable[[str], None]) -> None:
    """Remove its containers, networks, volumes and directory. Raises LabError."""
    project.compose.run("down", "--volumes", "--remove-orphans", "--timeout=10", say=say, limit_s=_DOWN_S)
    shutil.rmtree(project.directory, ignore_errors=True)


def sweep(say: Callable[[str], None]) -> list[Project]:
    """Take down this user's labs whose holder was killed. Returns them. Raises LabError."""
    swept = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        ours = folder.is_dir() and folder.stat().st_uid == os.geteuid()
        if ours and (folder / "lock").exists() and not is_held(folder) and (folder / "environment.toml").exists():
            project = of_environment(folder / "environment.toml")
            down(project, say)
            swept.append(project)
    return swept


def _hold(project: Project) -> None:
    """Hold the directory's lock to the end of this process."""
    lock = os.open(project.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)


def _raise_up(project: Project, options: Options, say: Callable[[str], None]) -> None:
    if _is_alike(options):
        project.compose.run("up", "--detach", "--wait", "--no-build", say=say, limit_s=_UP_S)
    else:
        project.compose.run("up", "--detach", "--wait", "postgres", "redis", say=say, limit_s=_UP_S)
        _one_by_one(project, options, say)
        project.compose.run("up", "--detach", "--wait", "--no-build", "--no-recreate", say=say, limit_s=_UP_S)
    _wait_until_scraped(project, options, say)


def _one_by_one(project: Project, options: Options, say: Callable[[str], None]) -> None:
    """Make the copies one after the other, each with its own defects: Compose gives all of a service the same."""
    for number, name in enumerate(options.names, start=1):
        _set(project, DEFECT=_defects(options, name))
        _compose_up(project, say, "--no-recreate", f"--scale={SERVICE}={number}")
    _set(project, DEFECT=_defects(options, None))


def _compose_up(project: Project, say: Callable[[str], None], *flags: str) -> None:
    words = ("up", "--detach", "--wait", "--no-build", "--no-deps", *flags, SERVICE)
    project.compose.run(*words, say=say, limit_s=_UP_S)


def _is_alike(options: Options) -> bool:
    return len({options.defects_of(name) for name in options.names}) == 1


def _defects(options: Options, name: str | None) -> str:
    """Return the defects of one copy, or those that all have."""
    if name is not None:
        return ",".join(options.defects_of(name))
    common = set.intersection(*(set(options.defects_of(one)) for one in options.names))
    return ",".join(sorted(common))


def _write(project: Project, options: Options, image: str) -> None:
    """Write the project directory: the compose file and what it mounts, .env, and Drillbook's environment file."""
    for path in sorted(_FILES.iterdir()):
        shutil.copyfile(path, project.directory / path.name)
        (project.directory / path.name).chmod(0o644)  # read inside containers, by other users
    count = options.instances
    block = free_block(2 * count + len(_SINGLES))
    singles = {name: str(block + 2 * count + place) for place, name in enumerate(_SINGLES)}
    values = {
        "ENCRYPTION_KEY": new_encryption_key(),
        "DB_PASSWORD": secrets.token_hex(16),
        "REDIS_PASSWORD": secrets.token_hex(16),
        "SERVICE_IMAGE": image,
        "SERVICE_CONTEXT": str(_LAB),
        "DRILLBOOK_MARKER": f"'{' '.join(MARKED_AS)}'",
        "INSTANCES": str(count),
        "VERSION": options.version,
        "DEFECT": _defects(options, None),
        "API_PORTS": _span(block, count),
        "METRICS_PORTS": _span(block + count, count),
        **singles,
    }
    _save(project, values)
    _write_environment(project, options, values)


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def _save(project: Project, values: dict[str, str]) -> None:
    write_private(project.directory / ".env", "".join(f"{name}={value}\n" for name, value in values.items()))


def values(project: Project) -> dict[str, str]:
    """Return what the project's .env says."""
    lines = (project.directory / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def _set(project: Project, **changes: str) -> None:
    _save(project, {**values(project), **changes})


def _write_environment(project: Project, options: Options, values: dict[str, str]) -> None:
    """Write the environment file; secrets stand in it as references only."""
    database = f"postgresql://llm_config_user:{values['DB_PASSWORD']}@{HOST}:{values['POSTGRES_PORT']}/llm_config"
    write_private(project.directory / "database-url", database)
    cache = f"redis://:{values['REDIS_PASSWORD']}@{HOST}:{values['REDIS_PORT']}/0"
    write_private(project.directory / "cache-url", cache)
    facts = {
        "name": "lab",
        "platform": "compose",
        "systems": {
            SYSTEM: {
                "version": options.version,
                "compose": {
                    "project": project.name,
                    "directory": project.directory,
                    "services": {"api": SERVICE},
                    "balancers": {"api": f"tcp://{HOST}:{values['BALANCER_PORT']}/{_BACKEND}"},
                },
                "mutations": {"allowed": True, "namespace": "drillbook"},
                "components": {  # the instances of the API are asked of the engine
                    "api": {"url": f"http://{HOST}:{values['ENTRY_PORT']}", "ports": {"http": 8080, "metrics": 9090}},
                    "postgres": {"kind": "postgres", "url": {"file": project.directory / "database-url"}},
                    "redis": {"kind": "redis", "url": {"file": project.directory / "cache-url"}},
                    "prometheus": {"kind": "prometheus", "url": f"http://{HOST}:{values['PROMETHEUS_PORT']}"},
                },
            }
        },
        # The marker is a label of the containers.
        "disruption": {"allowed": True, "at_most": {"instances": 8, "share": 1.0}},
    }
    write_environment(project.environment, facts)


def _wait_until_scraped(project: Project, options: Options, say: Callable[[str], None]) -> None:
    """Wait until Prometheus has asked each of the copies, whatever it got. Raises LabError."""
    began = datetime.fromisoformat(clock.now()).timestamp()
    url = f"http://{HOST}:{values(project)['PROMETHEUS_PORT']}/api/v1/targets?state=active"
    deadline = time.monotonic() + _SCRAPED_S
    while time.monotonic() < deadline:
        fresh = sum(_is_fresh(target, began) for target in _targets(url))
        if fresh == options.instances == len(list(_targets(url))):
            return
        say(f"Prometheus, which has asked {fresh} of {options.instances} copies")
        time.sleep(_LOOK_EVERY_S)
    raise LabError(f"Prometheus has not asked all {options.instances} copies within {_SCRAPED_S:g} s")


def _targets(url: str) -> Iterable[dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            found: list[dict[str, Any]] = json.load(answer)["data"]["activeTargets"]
    except (OSError, ValueError, http.client.HTTPException):
        return []
    return found


def _is_fresh(target: dict[str, Any], began: float) -> bool:
    at = str(target.get("lastScrape", "")).rstrip("Z").split(".")[0]
    return not at.startswith("0001-") and datetime.fromisoformat(f"{at}+00:00").timestamp() >= began - 1
