"""A host on which systemd runs a system, and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


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
