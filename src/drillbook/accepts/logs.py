"""Judges for logs: level and message as separate fields, always bounded in time (runbook defects CM-20, CM-50)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from .. import clock
from ..probes.dated import first_said, held_in_doubt, unread_among
from ..probes.logs import is_error
from . import escaped, met, met_if, not_met, rule, rule_with_facts, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dialects import Entry
    from ..model import Accepts, Facts, Finding
    from ..probes.dated import Unread
    from ..probes.logs import LogReading


_NO_LEVELS = "no entry says its level (ERROR, level=error ...): whether there are errors cannot be told"
_UNREAD_SHARE = 0.05
_LIES_S = 3000
"""Zones differ by hours: a newest entry that is so much older than the last write is dated by a clock that lies."""


def no_errors_in_window() -> Accepts[LogReading]:
    """Accept a log without ERROR entries in the last five minutes that really reaches back so far."""

    def check(log: LogReading, skew_s: float) -> Finding:
        if log.errors_in_window:
            return not_met(f"{log.errors_in_window} in the last 5 minutes, first: {_shown(log.first_errors[0])}")
        if wrong := _wrong_times(log, skew_s):
            return unknown(wrong)
        if log.order.may_be_new:
            return unknown(
                f"the newest entry is {_duration(log.order.behind_s)} older than the last write to the log: "
                f"{log.order.may_be_new} ERROR dated before the last 5 minutes may be new"
            )
        if not log.window_covered:
            return unknown("no ERROR entry seen, but the log read reaches back neither 5 minutes nor to the start")
        if not log.levels_known:
            return unknown(_NO_LEVELS)
        return _unread(log.unread) or met(f"0 among the entries of the last 5 minutes ({len(log.tail)} entries read)")

    return _not_in_the_future("no ERROR entry in the last 5 minutes", check)


def no_errors_in_tail() -> Accepts[LogReading]:
    """Accept a log whose last 100 entries hold no ERROR."""

    def check(log: LogReading, skew_s: float) -> Finding:
        errors = [entry for entry in log.tail if is_error(entry)]
        if errors:
            return not_met(f"{len(errors)} of the last {len(log.tail)}, first: {_shown(errors[0])}")
        if wrong := _wrong_times(log, skew_s):
            return unknown(wrong)
        if not log.levels_known:
            return unknown(_NO_LEVELS)
        return _unread(unread_among(log.tail)) or met(f"0 of the last {len(log.tail)}")

    return _not_in_the_future("no ERROR among the last 100 log entries", check)


def readable() -> Accepts[LogReading]:
    """Accept a log whose last entries can be read."""
    return rule(
        "the last 100 log entries can be read",
        lambda log: met_if(bool(log.tail), f"{len(log.tail)} entries, newest {log.newest_at}"),
    )


def started_with(messages: tuple[str, ...], position: int) -> Accepts[LogReading]:
    """Accept a log in which this message (by its beginning, at INFO) was logged since the start, in order."""
    wanted = messages[position]

    def check(log: LogReading, skew_s: float) -> Finding:
        if log.started_at is None:
            why = f": {log.start_unknown}" if log.start_unknown else ""
            return unknown(f"the platform cannot say when the instance started{why}")
        here = first_said(log.since_start, wanted)
        if here is None:
            return _not_said(log, wanted, skew_s)
        before = [first_said(log.since_start, message) for message in messages[:position]]
        if any(index is not None and index > here for index in before):
            return not_met("logged, but before an earlier message of the documented order")
        return met(f'INFO "{escaped(log.since_start[here].message)}"')

    expected = f'INFO "{wanted}..." since the start, {position + 1} of {len(messages)} in order'
    return _not_in_the_future(expected, check)


def _not_said(log: LogReading, wanted: str, skew_s: float) -> Finding:
    """Judge a log in which a message was not found: what was not read, or not understood, may be it."""
    if wrong := _wrong_times(log, skew_s):
        return unknown(wrong)
    if doubt := held_in_doubt(log.since_start, wanted):
        return unknown(f"a line holds it whose level or time is not known: {_shown(doubt)}")
    if not log.since_start_whole:
        return unknown(f"not found, but what was read does not reach back to the start at {log.started_at}")
    return not_met(f"not among the entries since {log.started_at}")


def _unread(lines: Unread) -> Finding | None:
    """Return UNKNOWN for lines that could not be read and may be errors."""
    if not lines.with_error_word and lines.lines <= _UNREAD_SHARE * lines.of:
        return None
    shown = ", ".join(f'"{escaped(line)}"' for line in lines.shown)
    words = f", {lines.with_error_word} with a word for an error" if lines.with_error_word else ""
    return unknown(f"{lines.lines} of {lines.of} lines could not be read{words}: {shown}")


def _not_in_the_future(expected: str, check: Callable[[LogReading, float], Finding]) -> Accepts[LogReading]:
    """Refuse a log that is dated in the future before judging it: what looks new in it may be old."""

    def guarded(log: LogReading, facts: Facts) -> Finding:
        if log.newest_at is not None:
            limit = clock.parse(log.taken_at) + dt.timedelta(seconds=facts.clock_skew_s)
            if clock.parse(log.newest_at) > limit:
                return unknown(f"the newest entry is dated {log.newest_at}, in the future: its clock or zone is wrong")
        return check(log, facts.clock_skew_s)

    return rule_with_facts(lambda _facts: expected, guarded)


def _wrong_times(log: LogReading, skew_s: float) -> str | None:
    """Return what is wrong with a log's times, so that what looks old in it may be new; None where nothing is."""
    if log.order.last_is_dated and log.order.behind_s >= _LIES_S:
        return (
            f"the newest entry is dated {_duration(log.order.behind_s)} before the last write to the log: "
            "its clock or zone is wrong"
        )
    if log.order.ran_back_s > skew_s:
        return f"the time runs backwards by {_duration(log.order.ran_back_s)} within the log: its clock is wrong"
    return None


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= _LIES_S else f"{seconds:.0f} s"


def _shown(entry: Entry) -> str:
    return f'{entry.at or "undated"} "{escaped(entry.message[:100])}"'
