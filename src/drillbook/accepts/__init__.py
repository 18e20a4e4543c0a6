"""Judges for readings: pure functions of a reading and the journalled facts. One file a probe family."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..model import Accepts, Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Facts

V = TypeVar("V")


def met(observed: str) -> Finding:
    """Return a finding that the criterion holds."""
    return Finding(Outcome.MET, observed)


def not_met(observed: str) -> Finding:
    """Return a finding that the criterion does not hold."""
    return Finding(Outcome.NOT_MET, observed)


def unknown(observed: str) -> Finding:
    """Return a finding that nothing can be said."""
    return Finding(Outcome.UNKNOWN, observed)


def met_if(holds: bool, observed: str) -> Finding:  # noqa: FBT001 - the question itself
    """Return MET or NOT_MET."""
    return met(observed) if holds else not_met(observed)


def escaped(text: str) -> str:
    r"""Return observed text on one line, with what does not print as Python writes it (``\x1b``, ``\u2028``)."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def rule(expected: str, check: Callable[[V], Finding]) -> Accepts[V]:
    """Make a judge that needs no facts."""
    return Accepts(lambda _facts: expected, lambda reading, _facts: check(reading))


def rule_with_facts(expected: Callable[[Facts], str], check: Callable[[V, Facts], Finding]) -> Accepts[V]:
    """Make a judge that needs the journalled facts."""
    return Accepts(expected, check)
