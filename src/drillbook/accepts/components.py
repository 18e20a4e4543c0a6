"""Judges for a platform's list of components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met_if, rule, unknown

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..probes.components import Listing


def running(*components: str) -> Accepts[Listing]:
    """Accept a list in which every replica of these components runs and each has at least one."""

    def check(listing: Listing) -> Finding:
        return _all_running(listing, components)

    return rule(f"running: {', '.join(components)}", check)


def all_running() -> Accepts[Listing]:
    """Accept a list, not an empty one, in which every replica of every component runs; none was never made (CM-11)."""

    def check(listing: Listing) -> Finding:
        if listing.undeclared is not None:
            return unknown(f"what there should be is not known: {listing.undeclared}")
        return _all_running(listing, tuple(sorted({*listing.declared, *(one.component for one in listing.instances)})))

    return rule("every replica of every component runs", check)


def _all_running(listing: Listing, components: tuple[str, ...]) -> Finding:
    if not listing.instances:
        return unknown("the platform lists nothing")
    wanted = [found for found in listing.instances if found.component in components]
    absent = [name for name in components if name not in {found.component for found in wanted}]
    down = [f"{found.name} {found.state}" for found in wanted if not found.running and found.because is None]
    problems = [f"{name} is not there" for name in absent] + down
    unseen = [found.because for found in wanted if found.because is not None]
    if unseen and not problems:
        return unknown("; ".join(unseen))
    return met_if(not problems, "; ".join(problems) or f"{len(wanted)} running")
