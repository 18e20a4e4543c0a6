"""The profile that the objectives are judged under, and the probe that runs it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from drillbook.model import CannotObserve, Target
from drillbook.probes.base import ReadingProbe
from drillbook.probes.metrics import Metrics
from drillbook.traffic.load import CacheCount, CacheReading, LoadProfile, LoadResult, run_load

if TYPE_CHECKING:
    from drillbook.model import Instance, System

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
HITS = "config_cache_hits_total"
MISSES = "config_cache_misses_total"
REQUEST_TIMEOUT_S = 5.0
_MARGIN_S = 15.0
"""For reading the counters of every instance before and after."""
_log = logging.getLogger("drillbook.load")


@dataclass(frozen=True)
class ConfigsLoad(ReadingProbe[LoadResult]):
    """Reads mostly, on the configs API, for the length that the objectives are judged over.

    The runbook names no window for its objectives (OD-07): these are the window.
    """

    rate_rps: float = 100.0
    duration_s: float = 30.0
    warm_up_s: float = 5.0
    reading: ClassVar[type[LoadResult]] = LoadResult

    @property
    def timeout_s(self) -> float:  # type: ignore[override] # the length of the load decides, row by row
        """The load's own limit and a margin, in seconds."""
        return self._profile().limit_s + _MARGIN_S

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the system as a whole: load goes to where its users come in."""
        return (Target(system, "load"),)

    def source(self, target: Target) -> str:
        """Return what is sent, how fast and how long."""
        rate_rps = min(self.rate_rps, target.system.load_max_rps or self.rate_rps)
        return f"load on /api/v1/configs at {rate_rps:g} rps for {self.duration_s:g} s"

    def observe(self, target: Target) -> LoadResult:
        """Send the load. Raises CannotObserve when the environment allows none, and as ``run_load`` does."""
        if target.system.load_max_rps is None:
            raise CannotObserve("the environment allows no load", hint="set [load] max_rps to judge this")
        profile = self._profile().at_most(target.system.load_max_rps)
        return run_load(profile, target.system, read_cache=lambda: read_cache(target.system), progress=_log.info)

    def _profile(self) -> LoadProfile:
        return LoadProfile(
            name="configs",
            locustfile=LOCUSTFILE,
            rate_rps=self.rate_rps,
            duration_s=self.duration_s,
            warm_up_s=self.warm_up_s,
            users=max(1, round(self.rate_rps * REQUEST_TIMEOUT_S)),
            timeout_s=REQUEST_TIMEOUT_S,
        )


def read_cache(system: System) -> CacheReading:
    """Read the cache's counters of every instance."""
    try:
        return CacheReading(tuple(_count(system, instance) for instance in system.instances))
    except CannotObserve as broken:
        return CacheReading(problem=broken.reason)


def _count(system: System, instance: Instance) -> CacheCount:
    page = Metrics().observe(Target(system, instance.name, instance))
    absent = [name for name in (HITS, MISSES) if name not in page.families or not page.families[name].numbers]
    if absent:
        raise CannotObserve(
            f"{instance.name}: {page.answer.summary()}, without samples of {' and '.join(absent)}",
            hint="check the metrics address in the environment file",
        )
    return CacheCount(instance.name, page.families[HITS].total, page.families[MISSES].total)
