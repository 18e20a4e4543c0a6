"""Where things run: systems, their running replicas, and the facts that judging needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from .access import Access, Tls
from .observation import CannotObserve
from .secret import Secret
from .sharing import Shared

S = TypeVar("S")


class Way(Protocol):
    """How to reach what has no address on this machine: a port-forward."""

    def local(self, url: str) -> str:
        """Return the address here that leads to ``url``. Raises CannotObserve."""
        ...

    def check(self, url: str) -> None:
        """After a failed request: raise CannotObserve when the way broke, not what it leads to."""
        ...


@dataclass(frozen=True, slots=True)
class Instance:
    """One running replica of a component that answers over HTTP."""

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
class Place:
    """Where a system runs. Opaque to everybody but its platform."""

    platform: str
    settings: Any = None
    """The platform's own, frozen; None where the environment names nothing that it could look at."""

    def held_as(self, kind: type[S]) -> S | None:
        """Return the settings to who knows their type; None where they are another platform's, or none."""
        return self.settings if isinstance(self.settings, kind) else None


@dataclass(frozen=True, slots=True)
class Component:
    """A named part of a system, and how it is reached."""

    name: str
    kind: str = "http"
    """Which probes fit, and what else its table may say."""
    url: str | Secret | None = None
    """Where its users come in; None when they reach the instances themselves."""
    access: Access = field(default_factory=Access)
    """How it and its instances are asked over HTTP."""
    through: Literal["direct", "platform"] = "direct"
    """Whether the address is reached as it stands, or by the platform's own way (a port-forward)."""
    instances: tuple[Instance, ...] = ()
    discovered: bool = False
    """Whether the instances come from the platform at each round, because the environment names none."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Where discovered instances listen: ``http``, and ``metrics`` where they have a metrics page."""
    metrics_url: str | None = None
    """The metrics page at its users' address."""
    metrics_access: Access | None = None
    """How the metrics pages are asked; None for as the component itself."""
    log: Path | None = None
    settings: Any = None
    """What its kind adds, validated by the kind's own model."""

    @property
    def entry(self) -> Instance | None:
        """Where its users come in, as an instance; None when they reach the instances themselves."""
        if self.url is None:
            return None
        url = self.url.reveal() if isinstance(self.url, Secret) else self.url
        return Instance(
            self.name,
            url,
            self.metrics_url,
            self.log,
            self.access.headers,
            tls=self.access.tls,
            metrics_access=self.metrics_access,
        )


@dataclass(frozen=True, slots=True)
class System:
    """One service with its components, as the environment describes it."""

    name: str
    place: Place
    components: Mapping[str, Component] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    """Optional components that the environment declares it does not have."""
    main: str = "api"
    """The component that a probe means which names none: the one that users come to."""
    data_dir: Path = Path("/var/lib")
    preflight: Preflight = Preflight(ports=(), resolve=(), external_url=None)
    bad_after_ms: float | None = None
    """From where on a client calls an answer bad; None for its own default."""
    scratch_namespace: str | None = None
    """Where mutating probes may write; None when the environment allows no writes."""
    load_max_rps: float | None = None
    """The most load that may be sent, never above the main component's ``max_rps``; None when none is allowed."""
    shared: Shared | None = field(default=None, compare=False, repr=False)
    """What the probes of one round share; None outside of a round, where everything is read anew."""

    @property
    def platform(self) -> str:
        """The name of the platform that it runs on."""
        return self.place.platform

    @property
    def api(self) -> Component:
        """The main component; an empty one where the environment says nothing about it."""
        return self.components.get(self.main) or Component(self.main)

    def component(self, name: str | None) -> Component | None:
        """Return a component by its name, the main one for None; None where the environment says nothing of it."""
        return self.api if name is None else self.components.get(name)

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The running replicas of the main component."""
        return self.api.instances

    @property
    def entry(self) -> Instance | None:
        """Where users come in (a load balancer); None when they reach the instances themselves."""
        return self.api.entry

    @property
    def ways_in(self) -> tuple[Instance, ...]:
        """Where clients come in: the entry, or else every instance."""
        return (self.entry,) if self.entry else self.instances

    @property
    def max_rps(self) -> float | None:
        """The most requests a second to the main component, whoever of ours sends them; None for no limit."""
        return self.api.access.max_rps

    def with_main(self, **changes: Any) -> System:
        """Return the same system with another main component: fields of ``Component`` that change."""
        return replace(self, components={**self.components, self.main: replace(self.api, **changes)})

    def at_most(self, max_rps: float | None) -> System:
        """Return the same system with another limit for requests to its main component."""
        return self.with_main(access=replace(self.api.access, max_rps=max_rps))


@dataclass(frozen=True, slots=True)
class Target:
    """What one probe looks at: a system, and one of its instances where the probe reads instances."""

    system: System
    name: str
    instance: Instance | None = None
    of: str | None = None
    """The component whose instance it is; None for the main one."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What a drill is judged by."""

    rto_s: float | None = None
    rpo_s: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that judging may know besides observations; journalled, so that judging again gives the same."""

    platform: str
    expected_version: str | None
    clock_skew_s: float
    rto_objective_s: float | None = None
    """For every drill without an objective of its own."""
    rpo_objective_s: float | None = None
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    """The objectives that have a name, of drills with one."""

    def rto_s(self, objective: str) -> float | None:
        """Return the longest downtime that a drill with this objective may take; None where none is set."""
        named = self.objectives.get(objective)
        return self.rto_objective_s if named is None or named.rto_s is None else named.rto_s

    def rpo_s(self, objective: str) -> float | None:
        """Return how much a drill with this objective may lose; None where none is set."""
        named = self.objectives.get(objective)
        return self.rpo_objective_s if named is None or named.rpo_s is None else named.rpo_s
