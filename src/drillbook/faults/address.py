"""How an undo finds its target again: plain data, from which any process can reach the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..platforms import PlatformRefused

if TYPE_CHECKING:
    from ..model import Json, System


def address_of(system: System) -> dict[str, Json]:
    """Return where a system's instances are reached, with absolute paths and without secrets.

    Raises:
        PlatformRefused: the environment does not say.
    """
    if system.platform == "systemd":
        where = system.systemd
        if where is None:
            raise PlatformRefused(f"{system.name}: the environment names no systemd host", mend="name it as systemd")
        files = {"ssh_config": where.ssh_config, "identity": where.identity, "known_hosts": where.known_hosts}
        named: dict[str, Json] = {name: str(path.absolute()) for name, path in files.items() if path is not None}
        return {"host": where.host, "units": dict(where.units), **named}
    if system.control is None:
        raise PlatformRefused(f"{system.name}: the environment names no control socket", mend="name it as control")
    return {"control": str(system.control.absolute())}
