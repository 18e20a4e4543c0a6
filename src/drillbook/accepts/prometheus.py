"""Judges for what Prometheus watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met, not_met, rule_with_facts, unknown

if TYPE_CHECKING:
    from ..model import Accepts, Facts, Finding
    from ..probes.prometheus import Scraped, Watched

_INTERVALS = 3
"""A target that was last asked so many of its intervals ago is asked no more: what is said of it is of another day."""


def all_up() -> Accepts[Watched]:
    """Accept targets that are all up by a scrape of the last intervals, one target at least.

    UNKNOWN while none is down and some were never asked yet, or not for some intervals. The runbook's own command shows
    the targets and looks at none: defect CM-19.
    """

    def check(watched: Watched, facts: Facts) -> Finding:
        if not watched.targets:
            return not_met(f"Prometheus watches nothing of job {watched.job}")
        stale = [one for one in watched.targets if _is_stale(one, facts.clock_skew_s)]
        up = [one for one in watched.targets if one.health == "up"]
        observed = f"{len(up)} of {len(watched.targets)} up"
        down = next((one for one in watched.targets if one.health == "down" and one not in stale), None)
        if down is not None:
            return not_met(f"{observed}, {down.address}: {down.error}")
        if stale:
            return unknown(f"{observed}, and {stale[0].address} {_asked(stale[0])}")
        if len(up) < len(watched.targets):
            return unknown(f"{observed}, the others were not asked yet")
        return met(observed)

    expected = "all active targets of the job are up by a scrape of the last intervals, one at least"
    return rule_with_facts(lambda _facts: expected, check)


def _is_stale(target: Scraped, clock_skew_s: float) -> bool:
    """Say whether a target was asked too long ago, or by a clock too far from ours; not for one never asked yet."""
    if target.age_s is None:
        return target.health in ("up", "down")
    return abs(target.age_s) > _INTERVALS * target.every_s + clock_skew_s


def _asked(target: Scraped) -> str:
    if target.age_s is None:
        return "was asked nobody knows when"
    when = f"{target.age_s:.0f} s ago" if target.age_s >= 0 else f"{-target.age_s:.0f} s in the future, by our clock,"
    return f"was asked {when} and is to be asked every {target.every_s:g} s"
