"""Commands on a host: over SSH with one shared connection, or here; every way to fail has a reason and a limit."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model import CannotObserve
from .trips import TIMED_OUT, Said, Trips

if TYPE_CHECKING:
    from .systemd.settings import SystemdHost

CONNECT_S = 3
"""How long a host may take to greet."""
COMMAND_S = 4
"""How long a command may take on the host itself."""
_PERSIST_S = 30
_SSH_FAILED = 255
_PRIVATE = 0o700
_LONGEST_SOCKET = 104 - 18  # ssh adds a suffix while it binds
_HINTS = {
    "Permission denied": "check the user and the identity: systems.*.systemd.host, identity, ssh_config",
    "Host key verification failed": "compare the host's key and add it to known_hosts; it is never accepted unseen",
    "Could not resolve hostname": "check the name in systems.*.systemd.host",
    "Connection refused": "start sshd on the host, or check host and port",
    "timed out": "check that the host is up and that its SSH port is reachable from here",
    "No such file": "check the paths in systems.*.systemd",
}
_HINT = "try the same with ssh by hand: ssh -o BatchMode=yes HOST true"


class Shell:
    """Runs POSIX shell scripts on one host. Instances are shared: see ``shell_of``.

    Args:
        where: the host.
    """

    def __init__(self, where: SystemdHost) -> None:
        self.where = where
        self._connecting = threading.Lock()
        self._connected = False
        self._failure: tuple[float, CannotObserve] | None = None
        self._host: Any = None
        self._trips = Trips(self._send, COMMAND_S, where.host)

    def ask(self, script: str) -> Said:
        """Return what a read-only script said; what others ask at the same time goes over in the same round trip.

        Raises:
            CannotObserve: as ``run``.
        """
        return self._trips.ask(script)

    def run(self, script: str, *, limit_s: float = COMMAND_S) -> Said:
        """Run a script and return what it said, whatever its exit status.

        Args:
            script: POSIX shell; runs with ``LC_ALL=C``.
            limit_s: how long it may take on the host; connecting comes on top.

        Raises:
            CannotObserve: the host cannot be reached, does not let us in, or takes too long.
        """
        said = self._send(script, limit_s)
        if said.status == TIMED_OUT:
            raise CannotObserve(f"{self.where.host}: no answer within {limit_s:g} s", hint="look at the host's load")
        return said

    def load(self) -> None:
        """Load what a command needs, so that none is missing when it counts. Raises CannotObserve."""
        self._testinfra()

    def _send(self, script: str, limit_s: float) -> Said:
        """Run a script; one that took too long has ended with TIMED_OUT and what it had said by then."""
        command = f"LC_ALL=C timeout {limit_s:g} sh -c {shlex.quote(script)}"
        if self._connected:
            return self._run(command)
        asked_at = time.monotonic()
        with self._connecting:  # the first one opens the connection that all share, or fails for all who wait
            if self._failure is not None and self._failure[0] >= asked_at:
                raise CannotObserve(self._failure[1].reason, hint=self._failure[1].hint)
            if not self._connected:
                try:
                    return self._run(command)
                except CannotObserve as broken:
                    self._failure = (time.monotonic(), broken)
                    raise
        return self._run(command)

    def _run(self, command: str) -> Said:
        host = self._testinfra()
        try:
            result = host.run(command)
        except RuntimeError as error:  # what testinfra makes of ssh's own failures; the result is its argument
            result = error.args[0] if error.args else None
        except OSError as error:
            raise CannotObserve(f"{self.where.host}: {error}", hint=_HINT) from None
        if not hasattr(result, "rc"):
            raise CannotObserve(f"{self.where.host}: ssh ended without a word", hint=_HINT)
        if result.rc == _SSH_FAILED and not self.where.is_local:
            self._connected = False
            raise self._unreachable(result.stderr)
        self._connected = True
        return Said(result.rc, result.stdout, result.stderr)

    def _unreachable(self, stderr: str) -> CannotObserve:
        lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("@")]
        known = next((line for line in reversed(lines) if any(word in line for word in _HINTS)), None)
        said = known or (lines[-1] if lines else "ssh ended without a word")
        hint = next((text for word, text in _HINTS.items() if word in said), _HINT)
        return CannotObserve(f"ssh {self.where.host}: {said}", hint=hint)

    def _testinfra(self) -> Any:
        if self._host is None:
            try:
                import testinfra  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; only systemd hosts need it
            except ModuleNotFoundError:
                raise CannotObserve("testinfra is not installed", hint="pip install 'drillbook[systemd]'") from None
            self._host = testinfra.get_host(*self._address(), **self._options())
        return self._host

    def _address(self) -> tuple[str]:
        return ("local://",) if self.where.is_local else (f"ssh://{self.where.host}",)

    def _options(self) -> dict[str, Any]:
        """Return testinfra's options: one shared connection, no prompt, limits for silence."""
        if self.where.is_local:
            return {}
        extra = {"BatchMode": "yes", "ConnectTimeout": CONNECT_S, "ServerAliveInterval": 2, "ServerAliveCountMax": 2}
        if self.where.known_hosts is not None:
            extra["UserKnownHostsFile"] = f'"{self.where.known_hosts}"'
        if self.where.identity is not None:
            extra["IdentitiesOnly"] = "yes"
        path = _control_path(self.where)
        return {
            "ssh_config": None if self.where.ssh_config is None else str(self.where.ssh_config),
            "ssh_identity_file": None if self.where.identity is None else str(self.where.identity),
            "controlpath": None if path is None else shlex.quote(path).replace("%", "%%"),
            "controlpersist": 0 if path is None else _PERSIST_S,
            "timeout": CONNECT_S,
            "ssh_extra_args": " ".join(f"-o {shlex.quote(f'{name}={value}')}" for name, value in extra.items()),
        }


_shells: dict[str, Shell] = {}
_guard = threading.Lock()


def shell_of(where: SystemdHost) -> Shell:
    """Return the one shell of a host: its connection is shared by all who ask."""
    with _guard:
        return _shells.setdefault(_key(where), Shell(where))


def _key(where: SystemdHost) -> str:
    """Return a short name for how the host is reached: another key must not ride on an open connection."""
    parts = (where.host, where.ssh_config, where.identity, where.known_hosts)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


def _control_path(where: SystemdHost) -> str | None:
    """Return where ssh keeps the shared connection's socket, or None where that cannot be private."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"drillbook-ssh-{os.geteuid()}"
    path = f"{base}/{_key(where)}-%C"
    if len(path) - len("%C") + 40 > _LONGEST_SOCKET:
        return None
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        found = base.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == _PRIVATE and found.st_uid == os.geteuid()
    return path if private else None
