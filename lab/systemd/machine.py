"""One systemd host: what lies where, what is put into it, how it starts and how it goes away."""

from __future__ import annotations

import dataclasses
import json
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import clock
from ..config_manager.processes import new_encryption_key
from ..directory import write_private
from ..errors import LabError
from ..ports import HOST, free_port
from ..registry import state_folder
from . import docker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..options import Options

UNITS = {
    "api": "llm-config-manager.service",
    "postgres": "postgresql@15-main.service",
    "redis": "redis-server.service",
}
INSIDE = {"ssh": 22, "api": 8080, "metrics": 9090, "postgres": 5432, "redis": 6379}
ALIAS = "drillbook-lab-systemd"
DEFECT = "/etc/systemd/system/llm-config-manager.service.d/defect.conf"
_READY_S = 90.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Machine:
    """A systemd host that was started.

    Attributes:
        system: what runs on it.
        container: its name.
        folder: its directory on this machine: keys, secrets, environment file.
        ports: port on this machine by what answers there.
        version: what the service says it is.
        defects: what was planted.
        started_at: when it was ready.
    """

    system: str
    container: str
    folder: str
    ports: dict[str, int]
    version: str
    defects: tuple[str, ...]
    started_at: str = ""

    @property
    def environment(self) -> Path:
        """The environment file that leads to everything else."""
        return Path(self.folder) / "environment.toml"


def folder_of(system: str) -> Path:
    """Return where the host of a system is remembered."""
    return state_folder().absolute() / "lab" / f"{system}.systemd"


def remembered(system: str) -> Machine | None:
    """Return what was remembered of the host, whether it still runs or not."""
    try:
        found = json.loads((folder_of(system) / "record.json").read_text("utf-8"))
        return Machine(**{**found, "defects": tuple(found["defects"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def runs(machine: Machine) -> bool:
    """Return whether its container runs."""
    try:
        found = docker.call("inspect", "--format", "{{.State.Running}}", machine.container, what="the systemd host")
    except LabError:
        return False
    return found == "true"


def create(system: str, options: Options, waiting: Callable[[str], None]) -> Machine:
    """Make the host's directory, start the container, and wait until the service is ready.

    Args:
        system: what runs on it.
        options: version and defects; there is one instance.
        waiting: told what is waited for.

    Raises:
        LabError: it did not come up; nothing of it is left.
    """
    waiting("a Docker engine")
    docker.require_engine()
    waiting("the image (two minutes the first time)")
    docker.build()
    folder = folder_of(system)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    machine = Machine(
        system=system,
        container=f"drillbook-{system}-systemd-{secrets.token_hex(3)}",
        folder=str(folder),
        ports={name: free_port() for name in INSIDE},
        version=options.version,
        defects=tuple(defect.partition("=")[0] for defect in options.defects),
        started_at=clock.now(),
    )
    write_private(folder / "record.json", json.dumps(dataclasses.asdict(machine), indent=2) + "\n")
    try:
        _start(machine)
        for what, look in _signs(machine):
            waiting(what)
            _wait(machine, what, look)
    except BaseException:
        destroy(machine)
        raise
    return machine


def destroy(machine: Machine) -> None:
    """Remove the container with its volumes, and its directory on this machine. Raises LabError."""
    docker.call("rm", "--force", "--volumes", machine.container, what="removing the systemd host")
    shutil.rmtree(machine.folder, ignore_errors=True)


def _start(machine: Machine) -> None:
    """Create the container, put the keys and secrets into it, start it."""
    publish = [word for name, port in machine.ports.items() for word in ("-p", f"{HOST}:{port}:{INSIDE[name]}")]
    docker.call(
        "create", "--name", machine.container, "--hostname", "config-host",
        "--label", f"{docker.LABEL}={machine.system}", *_for_systemd(), *publish, docker.IMAGE,
        what="the systemd host",
    )  # fmt: skip
    docker.call("cp", "-", f"{machine.container}:/", what="keys and secrets", stdin=_seed(machine))
    docker.call("start", machine.container, what="the systemd host")


def _for_systemd() -> list[str]:
    """Return what systemd needs as PID 1 in a container, by the engine's version of control groups."""
    version = docker.call("info", "--format", "{{.CgroupVersion}}", what="a Docker engine")
    where = "/sys/fs/cgroup/systemd" if version == "1" else "/sys/fs/cgroup"
    tmpfs = [word for place in ("/run", "/run/lock", "/tmp") for word in ("--tmpfs", place)]  # noqa: S108 - inside
    return ["--cgroupns", "host", "-v", f"{where}:{where}", *tmpfs, "--stop-signal", "SIGRTMIN+3"]


def _seed(machine: Machine) -> bytes:
    """Make keys and passwords, write this machine's side of them, and return the host's side as an archive."""
    folder = Path(machine.folder)
    database, cache = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    for name in ("identity", "host_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{ALIAS} {name}", "-f", str(folder / name)],  # noqa: S607 - on the PATH
            check=True,
            stdin=subprocess.DEVNULL,
        )
    write_private(
        folder / "database-url", f"postgresql://llmconfig:{database}@{HOST}:{machine.ports['postgres']}/llm_config"
    )
    write_private(folder / "cache-url", f"redis://:{cache}@{HOST}:{machine.ports['redis']}/0")
    _write_reaching(machine)
    defaults = {
        "LLM_CONFIG_ENCRYPTION_KEY": new_encryption_key(),
        "LLM_CONFIG_DATABASE_URL": f"postgresql://llmconfig:{database}@{HOST}/llm_config",
        "LLM_CONFIG_CACHE_URL": f"redis://:{cache}@{HOST}:6379/0",
        "LLM_CONFIG_VERSION": machine.version,
    }
    members = [
        ("etc/default/llm-config-manager", "".join(f"{key}={value}\n" for key, value in defaults.items()), 0o600),
        ("etc/llm-config-database.password", f"{database}\n", 0o600),
        ("etc/redis/lab.conf", f"requirepass {cache}\n", 0o600),
        ("etc/ssh/ssh_host_ed25519_key", (folder / "host_key").read_text("ascii"), 0o600),
        ("etc/ssh/lab_authorized_keys", (folder / "identity.pub").read_text("ascii"), 0o644),
        ("etc/drillbook-marker", "lab\nsystemd\n", 0o644),
    ]
    if machine.defects:
        members.append(
            (DEFECT.lstrip("/"), f"[Service]\nEnvironment=LLM_CONFIG_DEFECT={','.join(machine.defects)}\n", 0o644)
        )
    (folder / "host_key").unlink()
    return docker.archive([(name, text.encode(), mode) for name, text, mode in members])


def _write_reaching(machine: Machine) -> None:
    """Write how the host is reached: its key, and an entry for ssh."""
    folder = Path(machine.folder)
    kind, key = (folder / "host_key.pub").read_text("ascii").split()[:2]
    write_private(folder / "known_hosts", f"[{HOST}]:{machine.ports['ssh']} {kind} {key}\n")
    lines = {
        "HostName": HOST,
        "Port": machine.ports["ssh"],
        "User": "drillbook",
        "IdentityFile": f'"{folder / "identity"}"',
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{folder / "known_hosts"}"',
        "StrictHostKeyChecking": "yes",
    }
    text = "".join(f"  {key} {value}\n" for key, value in lines.items())
    write_private(folder / "ssh_config", f"Host {ALIAS}\n{text}")


def _signs(machine: Machine) -> list[tuple[str, Callable[[], bool]]]:
    """Return what must be seen, in the order of the boot."""
    return [
        ("sshd", lambda: _greets(machine.ports["ssh"], b"", b"SSH-")),
        ("PostgreSQL", lambda: _active(machine, UNITS["postgres"])),
        ("Redis", lambda: _active(machine, UNITS["redis"])),
        (
            "the service",
            lambda: _greets(machine.ports["api"], b"GET /ready HTTP/1.0\r\n\r\n", b"HTTP/1.1 200"),
        ),
        ("the end of the boot", lambda: _active(machine, "multi-user.target")),
    ]


def _wait(machine: Machine, what: str, look: Callable[[], bool]) -> None:
    end = time.monotonic() + _READY_S
    while not look():
        if time.monotonic() > end:
            raise LabError(f"waited {_READY_S:g} s for {what}; the host says:\n{_journal_end(machine)}")
        if not runs(machine):
            raise LabError("the systemd host has ended; does this engine let systemd run as PID 1?")
        time.sleep(_LOOK_EVERY_S)


def _greets(port: int, say: bytes, expected: bytes) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(say)
            return connection.recv(len(expected)).startswith(expected)
    except OSError:
        return False


def _active(machine: Machine, unit: str) -> bool:
    try:
        return execute(machine, "systemctl", "show", "-P", "ActiveState", unit) == "active"
    except LabError:
        return False


def execute(machine: Machine, *command: str, stdin: bytes | None = None) -> str:
    """Run a command as root on the host and return its output. Raises LabError."""
    keep = ["-i"] if stdin is not None else []
    return docker.call("exec", *keep, machine.container, *command, what=command[0], stdin=stdin)


def _journal_end(machine: Machine) -> str:
    try:
        return execute(machine, "journalctl", "--no-pager", "-n", "30", "-o", "cat")
    except LabError as error:
        return str(error)
