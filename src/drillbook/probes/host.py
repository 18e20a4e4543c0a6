"""The machine that Drillbook runs on, before a deploy: disk, memory, load, ports, name resolution, the outside."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ..model import CannotObserve, Instance, System, Target
from . import remote_host
from .base import ReadingProbe
from .blindness import other_machine
from .http import Answer, request

if TYPE_CHECKING:
    from pathlib import Path

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Resources:
    """Free disk and memory in bytes; load as a share of all processors."""

    disk_free: int
    disk_path: str
    memory_available: int
    load_share: float


class MachineProbe(ReadingProbe[V]):
    """A probe of the machine."""

    def blind(self, system: System) -> str | None:
        """Return why the machine cannot be looked at."""
        return other_machine(system)

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return this machine."""
        return (Target(system, "host"),)


@dataclass(frozen=True)
class HostResources(MachineProbe[Resources]):
    """Free space where the data will be, available memory, one-minute load per processor."""

    reading: ClassVar[type[Resources]] = Resources
    together: ClassVar[bool] = True

    def source(self, target: Target) -> str:
        """Return the calls that were made."""
        return f"statvfs {_existing(target.system.data_dir)}, /proc/meminfo, /proc/loadavg"

    def observe(self, target: Target) -> Resources:
        """Read the kernel's figures."""
        if run := remote_host.on_host(target.system):
            return Resources(*remote_host.resources(run, target.system.data_dir))
        import psutil  # noqa: PLC0415 - only preflight needs it

        path = _existing(target.system.data_dir)
        try:
            return Resources(
                disk_free=psutil.disk_usage(str(path)).free,
                disk_path=str(path),
                memory_available=psutil.virtual_memory().available,
                load_share=os.getloadavg()[0] / (os.cpu_count() or 1),
            )
        except OSError as error:
            raise CannotObserve(str(error), hint="run the preflight on the host itself") from None


@dataclass(frozen=True, slots=True)
class PortStates:
    """Which of the asked ports were free and which were taken."""

    free: tuple[int, ...]
    taken: tuple[int, ...]


@dataclass(frozen=True)
class Ports(MachineProbe[PortStates]):
    """Try to listen on each port that the deploy needs."""

    reading: ClassVar[type[PortStates]] = PortStates
    together: ClassVar[bool] = True

    def source(self, target: Target) -> str:
        """Return the ports that were tried."""
        return f"bind to ports {', '.join(map(str, target.system.preflight.ports))}"

    def observe(self, target: Target) -> PortStates:
        """Bind and release. Raises CannotObserve for an empty list and for a port that we may not bind."""
        if not target.system.preflight.ports:
            raise CannotObserve(
                "the environment names no ports", hint=f"set systems.{target.system.name}.preflight.ports"
            )
        if run := remote_host.on_host(target.system):
            heard = remote_host.listening(run)
            asked = target.system.preflight.ports
            return PortStates(tuple(port for port in asked if port not in heard), tuple(p for p in asked if p in heard))
        states = {port: _is_free(port) for port in target.system.preflight.ports}
        return PortStates(
            free=tuple(port for port, free in states.items() if free),
            taken=tuple(port for port, free in states.items() if not free),
        )


@dataclass(frozen=True, slots=True)
class Resolutions:
    """Which names resolved and which did not, with the reason."""

    resolved: tuple[str, ...]
    failed: dict[str, str]


@dataclass(frozen=True)
class Names(MachineProbe[Resolutions]):
    """Resolve the names of the real dependencies (not of a stranger's host, runbook defect CM-06)."""

    reading: ClassVar[type[Resolutions]] = Resolutions
    together: ClassVar[bool] = True

    def source(self, target: Target) -> str:
        """Return the names."""
        return f"resolve {', '.join(target.system.preflight.resolve)}"

    def observe(self, target: Target) -> Resolutions:
        """Ask the system's resolver. Raises CannotObserve for an empty list."""
        if not target.system.preflight.resolve:
            raise CannotObserve(
                "the environment names no hosts to resolve",
                hint=f"set systems.{target.system.name}.preflight.resolve to the dependencies' names",
            )
        if run := remote_host.on_host(target.system):
            known = remote_host.resolved(run, target.system.preflight.resolve)
            lost = {name: "the host's resolver does not know it" for name, found in known.items() if not found}
            return Resolutions(tuple(name for name, found in known.items() if found), lost)
        resolved: list[str] = []
        failed: dict[str, str] = {}
        for name in target.system.preflight.resolve:
            try:
                socket.getaddrinfo(name, None)
                resolved.append(name)
            except OSError as error:
                failed[name] = str(error.strerror or error)
        return Resolutions(tuple(resolved), failed)


@dataclass(frozen=True)
class External(MachineProbe[Answer]):
    """One HEAD request to the outside, where the environment says that a deploy needs it."""

    reading: ClassVar[type[Answer]] = Answer

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return this machine, when an outside address is named."""
        url = system.preflight.external_url
        return (Target(system, "host", Instance("outside", url)),) if url else ()

    def source(self, target: Target) -> str:
        """Return ``HEAD <address>``."""
        return f"HEAD {target.system.preflight.external_url}"

    def observe(self, target: Target) -> Answer:
        """Send it once."""
        if run := remote_host.on_host(target.system):
            return remote_host.head(run, target.system.preflight.external_url or "")
        return request(target, "HEAD", target.system.preflight.external_url or "")


def _existing(path: Path) -> Path:
    """Return the nearest existing folder at or above a path: what will hold it (runbook defect CM-03)."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _is_free(port: int) -> bool:
    """Bind to the port on all addresses; both a listener and a wildcard listener make that fail."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise CannotObserve(
                f"port {port}: {error.strerror}", hint="run the preflight with the service's rights"
            ) from None
    return True
