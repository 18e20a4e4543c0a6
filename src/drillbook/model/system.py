"""Where things run: systems, their running copies, and the facts that judging needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .secret import Secret
from .systemd_host import SystemdHost


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a component that answers over HTTP."""

    name: str
    url: str | None = None
    metrics_url: str | None = None
    log: Path | None = None
    headers: Mapping[str, str | Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a deploy needs before it begins."""

    ports: tuple[int, ...]
    resolve: tuple[str, ...]
    external_url: str | None


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
    systemd: SystemdHost | None = None
    data_dir: Path = Path("/var/lib")
    preflight: Preflight = Preflight(ports=(), resolve=(), external_url=None)
    scratch_namespace: str | None = None
    """Where mutating probes may write; None when the environment allows no writes."""
    max_rps: float | None = None
    load_max_rps: float | None = None
    """The most load that may be sent; None when the environment allows none."""


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
