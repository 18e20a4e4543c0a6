"""Prometheus itself: what it watches, and whether it gets through.

The answer's form is the one of https://prometheus.io/docs/prometheus/latest/querying/api/: ``warnings`` mean that the
data may be incomplete (Thanos leaves out what a sidecar does not tell), ``infos`` do not.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .. import clock
from ..kinds import Kind
from ..model import CannotObserve, Instance, Json, System, Target
from ..tables import PageTable
from .http import Answer, request
from .reach import AddressedProbe, address_of, reached

KIND = Kind("prometheus", PageTable, port=9090, stands_for="the monitoring")
_PATH = "/api/v1/targets?state=active"
_OK = 200
_SAID = 200
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS_S = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)
_INTERVAL_S = 60.0
"""Prometheus' own default, for one that does not say it (before 2.28)."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """One address that Prometheus asks for metrics."""

    address: str
    health: str
    """up, down, or unknown before the first attempt."""
    error: str = ""
    age_s: float | None = None
    """Since it was asked last, by this machine's clock; None when Prometheus does not say."""
    every_s: float = _INTERVAL_S
    """How often it is to be asked."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The active targets of one job."""

    job: str
    targets: tuple[Scraped, ...]


@dataclass(frozen=True)
class Targets(AddressedProbe[Watched]):
    """The active targets of one job."""

    job: str
    of: str = field(default="prometheus", repr=False)
    """Which component."""
    reading: ClassVar[type[Watched]] = Watched
    what: ClassVar[str] = "Prometheus"
    timeout_s: ClassVar[float] = 15.0  # the way there, and one request

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the Prometheus that the environment names."""
        return (Target(system, self.of),)

    def source(self, target: Target) -> str:
        """Return ``GET <address>``."""
        return f"GET {address_of(target, self.of) or self.of}{_PATH}"

    def observe(self, target: Target) -> Watched:
        """Ask. Raises CannotObserve when Prometheus does not answer in full: it is the eye, not the patient."""
        system = target.system
        hint = f"start Prometheus, or set systems.{system.name}.components.{self.of}.url"
        url = address_of(target, self.of)
        if not url:
            raise CannotObserve("the environment names no Prometheus", hint=hint)
        address, blame = reached(system, self.of, url)
        watcher = Target(system, self.of, Instance(self.of, address))
        answer = request(watcher, "GET", address + _PATH, access=system.components[self.of].access)
        if answer.failure is not None:
            blame()
        rows = _whole(answer, hint)
        now = dt.datetime.now(dt.UTC)
        return Watched(self.job, tuple(_scraped(row, now) for row in rows if _labels(row).get("job") == self.job))


def _whole(answer: Answer, hint: str) -> list[dict[str, Any]]:
    """Return the targets. Raises CannotObserve for an answer that is none, or that is not all there is."""
    status, rows = answer.get("status"), answer.get("data.activeTargets")
    if answer.status != _OK or status != "success":
        said = answer.get("error") or (f"status {status}" if status else "no answer of Prometheus' API")
        raise CannotObserve(f"Prometheus: {answer.summary()}, {str(said)[:_SAID]}", hint=hint)
    warnings = answer.get("warnings")
    if warnings:
        first = warnings[0] if isinstance(warnings, list) else warnings
        raise CannotObserve(
            f"Prometheus warns that its answer may be incomplete: {str(first)[:_SAID]}",
            hint="mend what it warns of, or name a Prometheus that sees all targets itself",
        )
    if not isinstance(rows, list):
        raise CannotObserve(f"Prometheus: {answer.summary()}, no list of targets", hint=hint)
    targets = [row for row in rows if isinstance(row, dict) and isinstance(row.get("labels"), dict)]
    if len(targets) < len(rows):
        raise CannotObserve("Prometheus lists a target without labels: whose it is cannot be told", hint=hint)
    return targets


def _labels(row: dict[str, Any], kind: str = "labels") -> dict[str, Json]:
    found = row.get(kind)
    return found if isinstance(found, dict) else {}


def _scraped(row: dict[str, Any], now: dt.datetime) -> Scraped:
    interval = row.get("scrapeInterval") or _labels(row, "discoveredLabels").get("__scrape_interval__")
    return Scraped(
        str(row.get("scrapeUrl")),
        str(row.get("health")),
        str(row.get("lastError") or ""),
        _age_s(row.get("lastScrape"), now),
        _seconds(interval) or _INTERVAL_S,
    )


def _age_s(text: Json, now: dt.datetime) -> float | None:
    """Return the seconds since a moment; None for a text that is none, and for the year 1, which means never."""
    try:
        at = clock.parse(str(text))
    except (ValueError, OverflowError):
        return None
    return None if at.year == 1 else round((now - at).total_seconds(), 1)


def _seconds(text: Json) -> float | None:
    """Return the seconds of a duration as Prometheus writes it (``1m30s``), None for anything else."""
    found = _DURATION.fullmatch(str(text))
    if found is None:
        return None
    return sum(int(number) * unit for number, unit in zip(found.groups("0"), _UNITS_S, strict=True)) or None
