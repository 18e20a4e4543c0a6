"""Judges for logs: level and message as separate fields, always bounded in time (runbook defects CM-20, CM-50)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from .. import clock
from ..probes.logs import ERROR_LEVELS
from . import met, met_if, not_met, rule, rule_with_facts, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dialects import Entry
    from ..model import Accepts, Facts, Finding
    from ..probes.logs import LogReading


_NO_LEVELS = "no entry says its level (ERROR, level=error ...): whether there are errors cannot be told"


def no_errors_in_window() -> Accepts[LogReading]:
    """Accept a log without ERROR entries in the last five minutes that really reaches back so far."""

    def check(log: LogReading) -> Finding:
        if log.errors_in_window:
            return not_met(f"{log.errors_in_window} in the last 5 minutes, first: {_shown(log.first_errors[0])}")
        if not log.window_covered:
            return unknown("no ERROR entry seen, but the log read reaches back neither 5 minutes nor to the start")
        if not log.levels_known:
            return unknown(_NO_LEVELS)
        return met(f"0 among the entries of the last 5 minutes ({len(log.tail)} entries read)")

    return _dated("no ERROR entry in the last 5 minutes", check)


def no_errors_in_tail() -> Accepts[LogReading]:
    """Accept a log whose last 100 entries hold no ERROR."""

    def check(log: LogReading) -> Finding:
        errors = [entry for entry in log.tail if entry.level in ERROR_LEVELS]
        if errors:
            return not_met(f"{len(errors)} of the last {len(log.tail)}, first: {_shown(errors[0])}")
        if not log.levels_known:
            return unknown(_NO_LEVELS)
        return met(f"0 of the last {len(log.tail)}")

    return _dated("no ERROR among the last 100 log entries", check)


def readable() -> Accepts[LogReading]:
    """Accept a log whose last entries can be read."""
    return rule(
        "the last 100 log entries can be read",
        lambda log: met_if(bool(log.tail), f"{len(log.tail)} entries, newest {log.newest_at}"),
    )


def started_with(messages: tuple[str, ...], position: int) -> Accepts[LogReading]:
    """Accept a log in which this message (by its beginning, at INFO) was logged since the start, in order."""
    wanted = messages[position]

    def check(log: LogReading) -> Finding:
        if log.started_at is None:
            return unknown("the platform cannot say when the instance started")
        found = [entry.message for entry in log.since_start if entry.level == "INFO"]
        at = [next((i for i, text in enumerate(found) if text.startswith(m)), None) for m in messages]
        here = at[position]
        if here is None:
            return not_met(f"not among the {len(log.since_start)} entries since {log.started_at}")
        before = [index for index in at[:position] if index is not None]
        if before and max(before) > here:
            return not_met("logged, but before an earlier message of the documented order")
        return met(f'INFO "{found[here]}"')

    return rule(f'INFO "{wanted}..." since the start, {position + 1} of {len(messages)} in order', check)


def _dated(expected: str, check: Callable[[LogReading], Finding]) -> Accepts[LogReading]:
    """Refuse a log that is dated in the future before judging it: its window would mean nothing."""

    def guarded(log: LogReading, facts: Facts) -> Finding:
        if log.newest_at is not None:
            limit = clock.parse(log.taken_at) + dt.timedelta(seconds=facts.clock_skew_s)
            if clock.parse(log.newest_at) > limit:
                return unknown(f"the newest entry is dated {log.newest_at}, in the future")
        return check(log)

    return rule_with_facts(lambda _facts: expected, guarded)


def _shown(entry: Entry) -> str:
    return f'{entry.at or "undated"} "{entry.message[:100]}"'
