"""Where things run: systems, their running copies, and the facts that judging needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from .access import Access, Tls
from .observation import CannotObserve
from .secret import Secret
from .sharing import Shared
from .systemd_host import SystemdHost


class Way(Protocol):
    """How to reach what has no address on this machine: a port-forward."""

    def local(self, url: str) -> str:
        """Return the address here that leads to ``url``. Raises CannotObserve."""
        ...

    def check(self, url: str) -> None:
        """After a failed request: raise CannotObserve when the way broke, not what it leads to."""
        ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """A namespace of a Kubernetes cluster, and what of it is ours."""

    namespace: str
    kubeconfig: Path | None = None
    """None means what kubectl would take."""
    acts_with: Path | None = None
    """The kubeconfig of the account that may break things; None means that the one which looks may."""
    context: str | None = None
    server: str | None = None
    """The API server that it must be; None for the one that kubeconfig and context name."""
    components: Mapping[str, str] = field(default_factory=dict)
    """The label that the pods of each component carry."""
    reach: Literal["port-forward", "address"] = "port-forward"
    api_port: int = 8080
    metrics_port: int = 9090


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a component that answers over HTTP."""

    name: str
    url: str | None = None
    metrics_url: str | None = None
    log: Path | None = None
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    way: Way | None = None
    """None where the address can be reached as it stands."""
    hidden: CannotObserve | None = None
    """Why nothing can be said about it: every reading of it is UNKNOWN with this reason."""
    tls: Tls | None = None
    metrics_access: Access | None = None
    """How its metrics page is asked; None for as the instance itself."""
    direct: bool = False
    """Whether no proxy may stand between: Drillbook found the address by itself."""

    @property
    def access(self) -> Access:
        """How requests to it are sent."""
        return Access(self.headers, self.tls, self.direct)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a deploy needs before it begins."""

    ports: tuple[int, ...]
    resolve: tuple[str, ...]
    external_url: str | None


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """A Docker Compose project, and which of its services is the system itself."""

    name: str
    directory: Path | None = None
    """Where its compose file and .env are; None when the environment names no such place."""
    host: str | None = None
    """The engine's address (``unix://...``, ``tcp://...``); None for what DOCKER_HOST says, or the usual socket."""
    service: str = "llm-config-manager"
    port: int = 8080
    metrics_port: int = 9090
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    balancer: str | None = None
    """HAProxy's runtime API and the backend of the copies (``tcp://HOST:PORT/BACKEND``); None without one to drain."""


@dataclass(frozen=True, slots=True)
class System:
    """One service with its dependencies, as the environment describes it."""

    name: str
    platform: str
    instances: tuple[Instance, ...] = ()
    entry: Instance | None = None
    """Where users come in (a load balancer); None when they reach the instances themselves."""
    postgres_url: str | Secret | None = None
    redis_url: str | Secret | None = None
    control: Path | None = None
    processes: object = None
    """What the platform of ordinary processes knows of them; its own, and opaque here."""
    marker: Path | None = None
    """The file that says as what its place may be disrupted; None for the one that the environment names for all."""
    cluster: Cluster | None = None
    discovered: bool = False
    """Whether the instances come from the platform at each round, because the environment names none."""
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    """What requests to discovered instances carry."""
    tls: Tls | None = None
    """What discovered instances are asked with; None when they speak plain HTTP."""
    metrics_access: Access | None = None
    """How the metrics pages of discovered instances are asked; None for as the instances themselves."""
    forwarded: frozenset[str] = frozenset()
    """The components that are reached through the platform."""
    systemd: SystemdHost | None = None
    data_dir: Path = Path("/var/lib")
    preflight: Preflight = Preflight(ports=(), resolve=(), external_url=None)
    scratch_namespace: str | None = None
    """Where mutating probes may write; None when the environment allows no writes."""
    max_rps: float | None = None
    """The most requests a second to the API, whoever of ours sends them; None for no limit."""
    load_max_rps: float | None = None
    """The most load that may be sent, never above ``max_rps``; None when the environment allows none."""
    prometheus_url: str | None = None
    prometheus_access: Access = field(default_factory=Access)
    compose: ComposeProject | None = None
    shared: Shared | None = field(default=None, compare=False, repr=False)
    """What the probes of one round share; None outside of a round, where everything is read anew."""

    @property
    def ways_in(self) -> tuple[Instance, ...]:
        """Where clients come in: the entry, or else every instance."""
        return (self.entry,) if self.entry else self.instances


@dataclass(frozen=True, slots=True)
class Target:
    """What one probe looks at: a system, and one of its instances where the probe reads instances."""

    system: System
    name: str
    instance: Instance | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that judging may know besides observations; journalled, so that judging again gives the same."""

    platform: str
    expected_version: str | None
    clock_skew_s: float
    rto_objective_s: float | None = None
    rpo_objective_s: float | None = None
