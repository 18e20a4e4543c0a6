"""How an undo finds its target again: plain data, from which any process, on any machine, can reach the platform.

Files in an address are those of the machine that wrote it; whoever undoes from another one puts its own in their place.
The API server of a cluster and the engine that DOCKER_HOST named stand in it: a kubeconfig whose context was changed
since then, or a shell without the variable, must not lead elsewhere.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from ..model import Cluster, ComposeProject, System, SystemdHost
from ..platforms import PlatformRefused
from ..platforms.kubernetes import api_of
from ..platforms.process.found import ProcessSettings, settings_of
from .undo import BadUndo, absolute_path, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..model import Json

    Data = Mapping[str, Json]


def address_of(system: System, *, pinned: Iterable[str] = ()) -> dict[str, Json]:
    """Return where a system's instances are reached, with absolute paths and without secrets.

    Args:
        system: whose.
        pinned: the instances of which these very processes are meant, whatever their names come to stand for.

    Raises:
        PlatformRefused: the environment does not say.
        CannotObserve: it cannot be found out which API server that is.
    """
    address = {"system": system.name, "platform": system.platform, **_WRITERS[system.platform](system)}
    processes = address.get("processes")
    if isinstance(processes, dict) and pinned:
        address["processes"] = _pinned(system, tuple(pinned))
    return address


def system_at(data: Data) -> System:
    """Return the system that an address leads to. Raises BadUndo."""
    platform = text(data, "platform")
    if platform not in _READERS:
        raise BadUndo(f"unknown platform {platform!r}; known: {', '.join(_READERS)}")
    return _READERS[platform](text(data, "system"), data)


def _write_process(system: System) -> dict[str, Json]:
    if system.control is not None:
        return {"control": str(system.control.absolute())}
    settings = settings_of(system.processes)
    if settings is None:
        raise PlatformRefused(
            f"{system.name}: the environment names no process", hint=f"name them under systems.{system.name}.process"
        )
    return {"host": socket.gethostname(), "processes": settings.to_data()}


def _pinned(system: System, names: tuple[str, ...]) -> dict[str, Json]:
    from ..platforms.process.processes import pinned  # noqa: PLC0415 - psutil is loaded where processes are found

    settings = settings_of(system.processes)
    assert settings is not None
    return pinned(settings, names).to_data()


def _write_compose(system: System) -> dict[str, Json]:
    if system.compose is None:
        raise PlatformRefused(f"{system.name}: the environment names no project", hint="set project under [compose]")
    found = system.compose
    engine = found.host or os.environ.get("DOCKER_HOST") or None
    return {"project": found.name, "engine": engine, "service": found.service, "balancer": found.balancer}


def _write_systemd(system: System) -> dict[str, Json]:
    where = system.systemd
    if where is None:
        raise PlatformRefused(f"{system.name}: the environment names no systemd host", hint="name it as systemd")
    files = {"ssh_config": where.ssh_config, "identity": where.identity, "known_hosts": where.known_hosts}
    return {"host": where.host, "units": dict(where.units), **_named(files)}


def _write_kubernetes(system: System) -> dict[str, Json]:
    cluster = system.cluster
    if cluster is None:
        raise PlatformRefused(f"{system.name}: the environment names no namespace", hint="add a [kubernetes] table")
    files = {"kubeconfig": cluster.kubeconfig, "acts_with": cluster.acts_with}
    context: dict[str, Json] = {} if cluster.context is None else {"context": cluster.context}
    where: dict[str, Json] = {"server": api_of(cluster).server, "namespace": cluster.namespace, **context}
    return {**where, "components": dict(cluster.components), **_named(files)}


def _read_process(name: str, data: Data) -> System:
    if "control" in data:
        return System(name, "process", control=absolute_path(data, "control"))
    host = text(data, "host")
    if host != socket.gethostname():  # state on a shared disk: the same commands would start a second service here
        raise BadUndo(f"its processes are on {host}, and this is {socket.gethostname()}; recover there")
    try:
        return System(name, "process", processes=ProcessSettings.from_data(data.get("processes")))
    except ValueError as error:
        raise BadUndo(f"expected how the processes are found: {error}") from None


def _read_compose(name: str, data: Data) -> System:
    project = ComposeProject(
        text(data, "project"),
        host=_maybe(data, "engine"),
        service=text(data, "service"),
        balancer=_maybe(data, "balancer"),
    )
    return System(name, "compose", compose=project)


def _read_systemd(name: str, data: Data) -> System:
    files = _files(data, "ssh_config", "identity", "known_hosts")
    return System(name, "systemd", systemd=SystemdHost(text(data, "host"), _table(data, "units"), **files))


def _read_kubernetes(name: str, data: Data) -> System:
    files = _files(data, "kubeconfig", "acts_with")
    cluster = Cluster(
        text(data, "namespace"),
        kubeconfig=files.get("kubeconfig"),
        acts_with=files.get("acts_with"),
        context=_maybe(data, "context"),
        server=text(data, "server"),
        components=_table(data, "components"),
    )
    return System(name, "kubernetes", cluster=cluster)


_WRITERS: dict[str, Callable[[System], dict[str, Json]]] = {
    "process": _write_process,
    "compose": _write_compose,
    "systemd": _write_systemd,
    "kubernetes": _write_kubernetes,
}
_READERS: dict[str, Callable[[str, Data], System]] = {
    "process": _read_process,
    "compose": _read_compose,
    "systemd": _read_systemd,
    "kubernetes": _read_kubernetes,
}


def _named(files: Mapping[str, Path | None]) -> dict[str, Json]:
    return {name: str(path.absolute()) for name, path in files.items() if path is not None}


def _files(data: Data, *names: str) -> dict[str, Path]:
    return {name: absolute_path(data, name) for name in names if name in data}


def _maybe(data: Data, key: str) -> str | None:
    return None if data.get(key) is None else text(data, key)


def _table(data: Data, key: str) -> dict[str, str]:
    found = data.get(key)
    if not isinstance(found, dict) or not found:
        raise BadUndo(f"expected {key} to be a table of texts, got {found!r}")
    return {name: text(found, name) for name in found}
