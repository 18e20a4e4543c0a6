"""Which host systemd runs a system on, and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...tables import Strict
from ..border import Border, files_in, named_files, text, texts

if TYPE_CHECKING:
    from ...model import Json
    from ...tables import Resolver
    from ..border import Data


class SystemdTable(Strict):
    """The host on which systemd runs the system, and the unit of each component."""

    host: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:\[\]-]*$")
    units: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_.\\@-]*$")]] = Field(min_length=1)
    ssh_config: Path | None = None
    identity: Path | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True)
class SystemdHost:
    """One host.

    Attributes:
        host: what ssh takes (``[user@]host[:port]`` or a name of ssh_config), or ``local`` for the runner itself.
        units: the unit of each component, by component; the service's own instance bears its component's name.
        ssh_config: instead of the user's own.
        identity: the private key's file; else what ssh finds.
        known_hosts: instead of the user's own.
    """

    host: str
    units: Mapping[str, str]
    ssh_config: Path | None = None
    identity: Path | None = None
    known_hosts: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is the machine that Drillbook runs on."""
        return self.host == "local"

    def pinned(self, _instances: tuple[str, ...] = ()) -> dict[str, Json]:
        """Return the host, its units and the files of the way there."""
        files = {"ssh_config": self.ssh_config, "identity": self.identity, "known_hosts": self.known_hosts}
        return {"host": self.host, "units": dict(self.units), **named_files(files)}


def _settings(table: SystemdTable, resolver: Resolver, _key: str) -> SystemdHost:
    """Return the host; its files are meant relative to the environment file."""
    files = (table.ssh_config, table.identity, table.known_hosts)
    return SystemdHost(table.host, dict(table.units), *(path and resolver.base / path.expanduser() for path in files))


def _read(data: Data) -> SystemdHost:
    return SystemdHost(
        text(data, "host"), texts(data, "units"), **files_in(data, "ssh_config", "identity", "known_hosts")
    )


def _twice(table: SystemdTable, key: str) -> list[tuple[str, str]]:
    units = ((part, unit if "." in unit else f"{unit}.service") for part, unit in table.units.items())
    return [(f"{key}.units.{part}", unit) for part, unit in units]


BORDER = Border(SystemdTable, _settings, _read, _twice)
