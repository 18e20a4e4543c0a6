"""Judges for what scenarios record."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ..model import Facts
from ..probes.dated import first_said, held_in_doubt
from . import escaped, met, met_if, not_met, rule, rule_with_facts, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Accepts, Finding
    from ..probes.recorded import Downtime, Ended, InFlight, Said, Sights, Steps, WriteLosses


BLIND = "could not look"
"""How a look begins that saw nothing."""


def nothing_dropped() -> Accepts[InFlight]:
    """Accept when every request that was in flight got a good answer; none in flight is UNKNOWN."""

    def check(seen: InFlight) -> Finding:
        if seen.started == 0:
            return unknown("no request was in flight")
        if seen.dropped:
            return not_met(f"{len(seen.dropped)} of {seen.started} dropped: {seen.dropped[0]}")
        bad = [status for status in seen.completed if status >= 400]  # noqa: PLR2004 - RFC 9110
        whole = len(seen.completed) == seen.started and not bad
        return met_if(
            whole, f"{len(seen.completed)} of {seen.started} answered, statuses {sorted(set(seen.completed))}"
        )

    return rule("every request in flight is answered", check)


def ended_within(limit_s: float) -> Accepts[Ended]:
    """Accept an instance that ended by itself within the limit."""

    def check(end: Ended) -> Finding:
        if end.killed:
            return not_met(f"{end.instance} had to be killed after {end.took_s:.1f} s")
        return met_if(end.took_s <= limit_s, f"{end.instance} ended after {end.took_s:.1f} s")

    return rule(f"ends by itself within {limit_s:g} s", check)


def exited_with(code: int) -> Accepts[Ended]:
    """Accept an instance that exited with this status; one whose status nobody knows is UNKNOWN."""

    def check(end: Ended) -> Finding:
        if end.exit_code is None:
            return unknown(f"{end.instance}: the platform did not tell")
        return met_if(
            end.exit_code == code and end.failure is None,
            f"{end.instance}: {end.exit_code}" + (f", {end.failure}" if end.failure else ""),
        )

    return rule(f"exit status {code}", check)


def said_in_order(messages: tuple[str, ...], position: int) -> Accepts[Ended]:
    """Accept a log in which this message came since the instance was told to stop, after those before it."""
    wanted = messages[position]

    def check(end: Ended, facts: Facts) -> Finding:
        if end.said is None:
            return unknown(f"the log of {end.instance} could not be read after it was told to stop")
        if end.said.undated or end.said.ahead_s > facts.clock_skew_s:
            when = "before it was told to stop" if end.said.undated else "in the future"
            return unknown(f"{end.instance} has written to its log since, dated {when}: its clock or zone is wrong")
        here = first_said(end.said.entries, wanted)
        if here is None:
            return _not_said(end.instance, end.said, wanted)
        before = [first_said(end.said.entries, message) for message in messages[:position]]
        if any(index is not None and index > here for index in before):
            return not_met("logged, but before an earlier message of the documented order")
        return met(f'INFO "{escaped(end.said.entries[here].message)}"')

    expected = f'INFO "{wanted}" during the shutdown, {position + 1} of {len(messages)} in order'
    return rule_with_facts(lambda _facts: expected, check)


def _not_said(instance: str, said: Said, wanted: str) -> Finding:
    """Judge a log in which a message was not found: what was not read, or not understood, may be it."""
    if doubt := held_in_doubt(said.entries, wanted):
        return unknown(f'a line holds it whose level or time is not known: "{escaped(doubt.message[:100])}"')
    if not said.whole:
        return unknown(f"not found, but the log of {instance} was not read back to when it was told to stop")
    if not said.of:
        return not_met(f"{instance} logged nothing since it was told to stop, by its own clock")
    return not_met(f"not among the {said.of} entries since {instance} was told to stop")


def nothing_lost() -> Accepts[WriteLosses]:
    """Accept when every acknowledged write was read back; no write, or one that could not be read, is UNKNOWN."""
    return rule("every acknowledged write is there", _lost)


def _lost(seen: WriteLosses) -> Finding:
    observed = f"{seen.lost} of {seen.acknowledged:,} acknowledged writes lost, {seen.unknown_writes} without an answer"
    if seen.lost:
        return not_met(f"{observed}; {', '.join(seen.lost_keys[:3])}")
    if seen.unread:
        return unknown(f"{seen.unread} acknowledged writes could not be read: {', '.join(seen.unread_reasons[:2])}")
    return met(observed) if seen.acknowledged else unknown("no write was acknowledged")


def within_rpo() -> Accepts[WriteLosses]:
    """Accept a loss window within the environment's objective; UNKNOWN without one."""

    def check(seen: WriteLosses, facts: Facts) -> Finding:
        objective_s = facts.rpo_s(seen.objective)
        if objective_s is None:
            return unknown(f"no objective: {_unset(seen.objective, 'rpo_s')}")
        if seen.rpo_s is None:
            return unknown("what was lost is not known: not every acknowledged write could be read")
        observed = f"{seen.rpo_s:.2f} s, {seen.lost} of {seen.acknowledged:,} acknowledged writes lost"
        return met_if(seen.rpo_s <= objective_s and (not seen.lost or objective_s > 0), observed)

    return rule_with_facts(lambda facts: f"RPO within {_shown(facts, Facts.rpo_s)}", check)


def within_rto() -> Accepts[Downtime]:
    """Accept a downtime within the environment's objective; UNKNOWN without one, or when it is not known."""

    def check(seen: Downtime, facts: Facts) -> Finding:
        objective_s = facts.rto_s(seen.objective)
        if objective_s is None:
            return unknown(f"no objective: {_unset(seen.objective, 'rto_s')}")
        if seen.says_nothing:
            return unknown(seen.why_not)
        if seen.rto_s is None:
            return _not_met_if_known(seen, f"not recovered: {seen.why_not}")
        observed = f"{seen.rto_s:.2f} s, to within {seen.resolution_s:.2f} s; {seen.bad_samples}"
        return met(observed) if seen.rto_s <= objective_s else _not_met_if_known(seen, observed)

    return rule_with_facts(lambda facts: f"RTO within {_shown(facts, Facts.rto_s)}", check)


def recovered() -> Accepts[Downtime]:
    """Accept when the service was good again, and stayed good, before the scenario ended."""

    def check(seen: Downtime) -> Finding:
        if seen.says_nothing:
            return unknown(seen.why_not)
        if seen.rto_s is None:
            return _not_met_if_known(seen, seen.why_not)
        return met(f"good again after {seen.rto_s:.2f} s, {seen.bad_samples}")

    return rule("good again, and staying good", check)


def stays_available(*, bad_share: float) -> Accepts[Downtime]:
    """Accept when no more than this share of the samples was bad, and the service was good at the end."""

    def check(seen: Downtime) -> Finding:
        if seen.says_nothing or seen.samples == 0:
            return unknown(seen.why_not or "no samples")
        share = seen.bad / seen.samples
        observed = f"{share:.1%}, {seen.bad_samples}"
        good = share <= bad_share and seen.rto_s is not None
        return met(observed) if good else _not_met_if_known(seen, observed)

    return rule(f"at most {bad_share:.0%} of the samples bad, good at the end", check)


def in_order(*names: str) -> Accepts[Steps]:
    """Accept a procedure in which these steps were done and verified, each before the next began."""

    def check(done: Steps) -> Finding:
        by_name = {step.name: step for step in done.steps}
        missing = [name for name in names if name not in by_name]
        if missing:
            return unknown(f"step {missing[0]} was not done")
        for first, second in pairwise(names):
            if by_name[first].ended_s > by_name[second].began_s:
                return not_met(f"{second} began before {first} was verified")
        return met(", ".join(f"{name} {by_name[name].took_s:.1f} s" for name in names))

    return rule(", then ".join(names), check)


def step_within(name: str, limit_s: float) -> Accepts[Steps]:
    """Accept a step that was verified within the limit."""

    def check(done: Steps) -> Finding:
        step = next((one for one in done.steps if one.name == name), None)
        if step is None:
            return unknown(f"step {name} was not done")
        return met_if(step.took_s <= limit_s, f"{name} {step.took_s:.1f} s ({step.evidence})")

    return rule(f"{name} within {limit_s:g} s", check)


def seen(text: str) -> Accepts[Sights]:
    """Accept when one of the looks contained this text; no look, or only ones that saw nothing, is UNKNOWN."""

    def check(sights: Sights) -> Finding:
        looks = [one for one in sights.seen if not one.startswith(BLIND)]
        if not looks:
            return unknown(sights.seen[-1] if sights.seen else "nobody looked")
        found = next((one for one in looks if text in one), None)
        return met(found) if found else not_met(f"{len(looks)} looks, last: {looks[-1]}")

    return rule(f'says "{text}" while the fault is in effect', check)


def never_seen(text: str, *, until: str) -> Accepts[Sights]:
    """Accept when no look contained this text up to one that contained ``until``.

    UNKNOWN when none did, or one saw nothing: what was not looked at may have said it.
    """

    def check(sights: Sights) -> Finding:
        found = next((one for one in sights.seen if text in one), None)
        if found:
            return not_met(found)
        blind = next((one for one in sights.seen if one.startswith(BLIND)), None)
        if blind:
            return unknown(blind)
        if not any(until in one for one in sights.seen):
            last = f"last: {sights.seen[-1]}" if sights.seen else "nobody looked"
            return unknown(f'{len(sights.seen)} looks, none with "{until}"; {last}')
        return met(f"{len(sights.seen)} looks, last: {sights.seen[-1]}")

    return rule(f'never says "{text}" while the fault is in effect', check)


def _not_met_if_known(seen: Downtime, observed: str) -> Finding:
    """Return NOT_MET; UNKNOWN where the truth may be better than what was seen, because we were late ourselves."""
    return not_met(observed) if seen.known else unknown(f"{observed}; {seen.why_not}")


def _unset(objective: str, key: str) -> str:
    return f'set {key} of "{objective}" under objectives of the system in the environment file'


def _shown(facts: Facts, of: Callable[[Facts, str], float | None]) -> str:
    """Return the objective, and those that have a name of their own."""
    found = {name: of(facts, name) for name in ("*", *sorted(facts.objectives))}
    default = found.pop("*")
    text = f"{default:g} s" if default is not None else "the environment's objective"
    named = ", ".join(f"{name} {value:g} s" for name, value in found.items() if value not in (None, default))
    return f"{text} ({named})" if named else text
