"""Prometheus itself: what it watches, and whether it gets through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..model import CannotObserve, Instance, Json, System, Target
from .base import ReadingProbe
from .http import request
from .reach import reached

_PATH = "/api/v1/targets?state=active"


@dataclass(frozen=True, slots=True)
class Scraped:
    """One address that Prometheus asks for metrics."""

    address: str
    health: str
    """up, down, or unknown before the first attempt."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """The active targets of one job."""

    job: str
    targets: tuple[Scraped, ...]


@dataclass(frozen=True)
class Targets(ReadingProbe[Watched]):
    """The active targets of one job."""

    job: str
    reading: ClassVar[type[Watched]] = Watched
    timeout_s: ClassVar[float] = 15.0  # the way there, and one request

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the Prometheus that the environment names."""
        return (Target(system, "prometheus"),)

    def source(self, target: Target) -> str:
        """Return ``GET <address>``."""
        return f"GET {target.system.prometheus_url or 'prometheus'}{_PATH}"

    def observe(self, target: Target) -> Watched:
        """Ask. Raises CannotObserve when Prometheus does not answer: it is the eye, not the patient."""
        system = target.system
        mend = f"start Prometheus, or set systems.{system.name}.prometheus.url"
        if system.prometheus_url is None:
            raise CannotObserve("the environment names no Prometheus", mend=mend)
        address, blame = reached(system, "prometheus", system.prometheus_url)
        watcher = Target(system, "prometheus", Instance("prometheus", address))
        answer = request(watcher, "GET", address + _PATH, access=system.prometheus_access)
        if answer.failure is not None:
            blame()
        rows = answer.get("data.activeTargets")
        if not isinstance(rows, list):
            raise CannotObserve(f"Prometheus: {answer.summary()}, no list of targets", mend=mend)
        found = [_scraped(row) for row in rows if isinstance(row, dict) and _job(row) == self.job]
        return Watched(self.job, tuple(found))


def _job(row: dict[str, Json]) -> Json:
    labels = row.get("labels")
    return labels.get("job") if isinstance(labels, dict) else None


def _scraped(row: dict[str, Any]) -> Scraped:
    return Scraped(str(row.get("scrapeUrl")), str(row.get("health")), str(row.get("lastError") or ""))
