"""Judges for what Prometheus watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met_if, not_met, rule, unknown

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..probes.prometheus import Watched


def one_up() -> Accepts[Watched]:
    """Accept at least one target that is up; UNKNOWN while none is and some were never asked yet."""

    def check(watched: Watched) -> Finding:
        if not watched.targets:
            return not_met(f"Prometheus watches nothing of job {watched.job}")
        up = [one for one in watched.targets if one.health == "up"]
        observed = f"{len(up)} of {len(watched.targets)} up"
        down = next((one for one in watched.targets if one.health == "down"), None)
        if not up and down is None:
            return unknown(f"{observed}, none was asked yet")
        return met_if(bool(up), observed + (f", {down.address}: {down.error}" if down else ""))

    return rule("at least one active target of the job is up", check)
