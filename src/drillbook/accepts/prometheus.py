"""Judges for what Prometheus watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met, not_met, rule, unknown

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..probes.prometheus import Watched


def all_up() -> Accepts[Watched]:
    """Accept targets that are all up, one at least; UNKNOWN while none is down and some were never asked yet.

    The runbook's own command shows them and looks at none: defect CM-19.
    """

    def check(watched: Watched) -> Finding:
        if not watched.targets:
            return not_met(f"Prometheus watches nothing of job {watched.job}")
        up = [one for one in watched.targets if one.health == "up"]
        observed = f"{len(up)} of {len(watched.targets)} up"
        down = next((one for one in watched.targets if one.health == "down"), None)
        if down is not None:
            return not_met(f"{observed}, {down.address}: {down.error}")
        if len(up) < len(watched.targets):
            return unknown(f"{observed}, the others were not asked yet")
        return met(observed)

    return rule("all active targets of the job are up, one at least", check)
