"""Judges for metrics pages."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from . import met, not_met, rule, unknown

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..probes.metrics import Exposition


def reachable() -> Accepts[Exposition]:
    """Accept a metrics page that answers 200 and exposes at least one family."""

    def check(page: Exposition) -> Finding:
        if page.answer.status != 200:  # noqa: PLR2004 - RFC 9110
            return not_met(page.answer.summary())
        if not page.families:
            return unknown("200, but the page exposes nothing")
        return met(f"{page.answer.summary()}, {len(page.families)} families")

    return rule("status 200 with metric families", check)


def families(*names: str) -> Accepts[Exposition]:
    """Accept a page with all these families, each with samples that are numbers.

    An absent family is NOT_MET; one without samples, or with NaN alone, is UNKNOWN: it says nothing.
    """

    def check(page: Exposition) -> Finding:
        if page.answer.status != 200:  # noqa: PLR2004 - RFC 9110
            return not_met(page.answer.summary())
        for name in names:
            if name not in page.families:
                close = difflib.get_close_matches(name, page.families, n=1)
                nearest = f"; nearest: {close[0]}" if close else ""
                return not_met(f"{len(page.families)} families, not {name}{nearest}")
        for name in names:
            if page.families[name].samples == 0:
                return unknown(f"{name} is there but has no samples")
            if page.families[name].numbers == 0:
                return unknown(f"{name} has no sample that is a number (NaN)")
        return met(", ".join(f"{name} ({page.families[name].samples} samples)" for name in names))

    return rule(f"families {' and '.join(names)}, with samples", check)
