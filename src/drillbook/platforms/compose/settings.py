"""Which Compose project a system is, on which engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...tables import Strict
from ..border import Border, maybe_text, text, texts

if TYPE_CHECKING:
    from ...model import Json
    from ...tables import Resolver
    from ..border import Data


class ComposeTable(Strict):
    """A Docker Compose project: where its containers are found, and its files."""

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    directory: Path | None = None
    host: str | None = Field(default=None, pattern=r"^(unix|tcp|ssh|npipe)://")
    services: dict[str, str] = Field(default_factory=dict)
    """The service of each component that is called otherwise."""
    balancers: dict[str, Annotated[str, Field(pattern=r"^tcp://[A-Za-z0-9_.-]+:[1-9][0-9]{0,4}/[A-Za-z0-9_.:-]+$")]] = (
        Field(default_factory=dict)
    )
    """By component: HAProxy's runtime API and the backend of its replicas."""


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """A Docker Compose project."""

    name: str
    directory: Path | None = None
    """Where its compose file and .env are; None when the environment names no such place."""
    host: str | None = None
    """The engine's address (``unix://...``, ``tcp://...``); None for what DOCKER_HOST says, or the usual socket."""
    services: Mapping[str, str] = field(default_factory=dict)
    """The service of each component that is called otherwise."""
    balancers: Mapping[str, str] = field(default_factory=dict)
    """By component: HAProxy's runtime API and backend (``tcp://HOST:PORT/BACKEND``), where there is one to drain."""

    def pinned(self, _instances: tuple[str, ...] = ()) -> dict[str, Json]:
        """Return project and engine; its files are no part of the way back."""
        engine = self.host or os.environ.get("DOCKER_HOST") or None
        return {
            "project": self.name,
            "engine": engine,
            **({"services": dict(self.services)} if self.services else {}),
            **({"balancers": dict(self.balancers)} if self.balancers else {}),
        }

    def component_of(self, service: str) -> str:
        """Return the component that a service is."""
        return next((name for name, own in self.services.items() if own == service), service)

    def service_of(self, component: str) -> str:
        """Return the service of a component."""
        return self.services.get(component, component)


def _settings(table: ComposeTable, resolver: Resolver, _key: str) -> ComposeProject:
    """Return the project; its directory is meant from where the environment file is."""
    directory = None if table.directory is None else resolver.base / table.directory
    return ComposeProject(table.project, directory, table.host, table.services, table.balancers)


def _read(data: Data) -> ComposeProject:
    return ComposeProject(
        text(data, "project"),
        host=maybe_text(data, "engine"),
        services=_by_component(data, "services", "service"),
        balancers=_by_component(data, "balancers", "balancer"),
    )


def _by_component(data: Data, key: str, before: str) -> dict[str, str]:
    """Return a table by component; a version before had one value, for the API."""
    if key in data:
        return texts(data, key)
    return {"api": text(data, before)} if data.get(before) is not None else {}


BORDER = Border(
    ComposeTable,
    _settings,
    _read,
    twice=lambda table, key: [(f"{key}.services.{name}", service) for name, service in table.services.items()],
)
