"""Judges for HTTP answers."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING

from .. import clock
from ..model import Finding, Outcome
from . import met, met_if, not_met, rule, rule_with_facts, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model import Accepts, Facts, Json
    from ..probes.http import Answer, TwoAnswers

OK = 200
_SHOWN = 120
_DOUBT = 0.05
"""How probable so many good answers may at most be, for a share of bad ones to count as excluded."""


def status(*accepted: int) -> Accepts[Answer]:
    """Accept an answer with one of these statuses."""
    expected = f"status {' or '.join(map(str, accepted))}"
    return _each(lambda _facts: expected, lambda answer, _facts: met_if(answer.status in accepted, answer.summary()))


def field(path: str, *, equals: Json, with_status: int | None = None) -> Accepts[Answer]:
    """Accept an answer whose body has this value at a dotted path (and, if asked, this status)."""
    return fields({path: equals}, with_status=with_status)


def fields(wanted: Mapping[str, Json], *, with_status: int | None = None) -> Accepts[Answer]:
    """Accept an answer whose body has all these values (and, if asked, this status)."""
    expected = " and ".join(f"{path} == {json.dumps(value)}" for path, value in wanted.items())
    if with_status is not None:
        expected = f"{with_status} with {expected}"

    def check(answer: Answer, _facts: Facts) -> Finding:
        missing = _no_object(answer)
        if missing is not None:
            return missing
        found = [f"{path} == {shown(answer.get(path))}" for path in wanted]
        right = all(answer.get(path) == value for path, value in wanted.items())
        return met_if(right and with_status in {None, answer.status}, f"{', '.join(found)}; {answer.summary()}")

    return _each(lambda _facts: expected, check)


def body(expected: str, holds: Callable[[Answer, Facts], Finding]) -> Accepts[Answer]:
    """Make a judge of a JSON body; an answer without a JSON object is NOT_MET before ``holds`` is asked."""
    return _each(lambda _facts: expected, lambda answer, facts: _no_object(answer) or holds(answer, facts))


def timestamp(path: str, *, not_older_than_s: float) -> Accepts[Answer]:
    """Accept an RFC 3339 time (its zone included) near the time at which the answer was read.

    Older than ``not_older_than_s``, or further in the future than the environment's ``clock_skew_s``, is NOT_MET.
    """

    def check(answer: Answer, facts: Facts) -> Finding:
        missing = _no_object(answer)
        if missing is not None:
            return missing
        text = answer.get(path)
        try:
            found = clock.parse(str(text))
        except ValueError:
            return not_met(f"{path} == {shown(text)}, no RFC 3339 time with a zone")
        ahead_s = (found - clock.parse(answer.read_at)).total_seconds()
        observed = f"{path} == {shown(text)}, {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} us"
        return met_if(-not_older_than_s <= ahead_s <= facts.clock_skew_s, observed)

    return _each(
        lambda facts: (
            f"{path} is an RFC 3339 time at most {not_older_than_s:g} s old and at most {facts.clock_skew_s:g} s ahead"
        ),
        check,
    )


def is_recent_enough(text: object, read_at: str, facts: Facts) -> bool:
    """Say whether a text is an RFC 3339 time that is not further in the future than the clocks may differ."""
    try:
        return clock.parse(str(text)) <= clock.parse(read_at) + dt.timedelta(seconds=facts.clock_skew_s)
    except ValueError:
        return False


def number(path: str) -> Accepts[Answer]:
    """Accept a number of zero or more at a dotted path."""

    def check(answer: Answer, _facts: Facts) -> Finding:
        found = answer.get(path)
        return met_if(is_number(found) and float(str(found)) >= 0, f"{path} == {shown(found)}")

    return body(f"{path} is a number >= 0", check)


def increasing(path: str) -> Accepts[TwoAnswers]:
    """Accept two answers of which the second has the larger number; a smaller one is a restart in between."""

    def check(two: TwoAnswers) -> Finding:
        first, second = two.first.get(path), two.second.get(path)
        if not is_number(first) or not is_number(second):
            return not_met(
                f"{path} == {shown(first)}, then {shown(second)}; {two.first.summary()}, {two.second.summary()}"
            )
        before, after = float(str(first)), float(str(second))
        observed = f"{path} {before:g}, then {after:g} after {two.apart_ms:.0f} ms"
        if after < before:
            return not_met(f"{observed}: it went backwards (a restart, or two instances behind one address)")
        return met_if(after > before, observed)

    return rule(f"{path} grows between two reads", check)


def version(path: str) -> Accepts[Answer]:
    """Accept the version that the environment file or --expect-version names; UNKNOWN when neither does."""

    def check(answer: Answer, facts: Facts) -> Finding:
        if facts.expected_version is None:
            return unknown(f"{path} == {shown(answer.get(path))}, but nobody said which version should run")
        missing = _no_object(answer)
        if missing is not None:
            return missing
        found = answer.get(path)
        return met_if(found == facts.expected_version, f"{path} == {shown(found)}")

    return _each(
        lambda facts: f"{path} == {shown(facts.expected_version or 'the version given by --expect-version')}",
        check,
    )


def is_number(value: object) -> bool:
    """Say whether a JSON value is a number that can be compared (booleans, NaN and what overflows are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def shown(value: object) -> str:
    """Return a JSON value as short text."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _each(expected: Callable[[Facts], str], check: Callable[[Answer, Facts], Finding]) -> Accepts[Answer]:
    """Make a judge of every answer that a request got on connections of its own; the worst speaks for all."""

    def check_all(answer: Answer, facts: Facts) -> Finding:
        if not answer.again:
            return check(answer, facts)
        findings = [check(one, facts) for one in (answer, *answer.again)]
        times = len(findings)
        others = [one for one in findings if one.outcome is not Outcome.MET]
        if not others:
            excluded = 1 - _DOUBT ** (1 / times)
            return met(
                f"{findings[0].observed}; {times} of {times} good on new connections, which excludes a share of bad"
                f" answers above {excluded:.0%} with {1 - _DOUBT:.0%} confidence"
            )
        worst = next((one for one in others if one.outcome is Outcome.NOT_MET), others[0])
        return Finding(worst.outcome, f"{len(others)} of {times} on new connections: {worst.observed}")

    return rule_with_facts(expected, check_all)


def _no_object(answer: Answer) -> Finding | None:
    """Return the finding for an answer without a JSON object in it."""
    if answer.failure is not None:
        return not_met(answer.failure)
    if not isinstance(answer.body, dict):
        return not_met(f"no JSON object but {shown(answer.body or answer.text)}; {answer.summary()}")
    return None
