"""Taking the claim of an environment on its targets: lock, lease and undo records as one object there.

A CI container takes its disk and its watchdog with it when it is cancelled. What lies on the target stays, and whoever
comes next, from whatever machine, finds it: a run is refused, ``drillbook recover`` waits for the lease and undoes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..platforms import Changed, KeepsClaim
from ..polling import TimedOut, wait_until
from .copies import LEASE_S, SKEW_S, Copy, Document, Fenced, keepers, parsed
from .records import Held, Holder, Lease, LeftBehind, now_s

if TYPE_CHECKING:
    from pathlib import Path

    from ..model import Json, System
    from ..platforms import Kept

_SETTLE_S = 0.3


def look(environment: str, systems: Iterable[System]) -> None:
    """See that the targets could be taken, changing nothing. Raises what ``take`` would raise."""
    for keeps, _ in keepers(systems):
        _free(environment, keeps)


def take(
    environment: str, systems: Iterable[System], holder: Holder, lock: Path, *, ends_at: float
) -> tuple[Copy, ...]:
    """Take all targets, or none.

    Args:
        environment: its name.
        systems: whose targets.
        holder: who we are.
        lock: a file of this machine, shared by all who write for this run.
        ends_at: when the run's right to harm ends, in seconds since 1970.

    Raises:
        Held: another run holds one.
        LeftBehind: a run that is gone has left records on one.
        CannotObserve, PlatformRefused: one cannot be read or written.
    """
    token = secrets.token_hex(8)
    taken: list[Copy] = []
    try:
        for keeps, address in keepers(systems):
            kept = _free(environment, keeps)
            lease = Lease(holder.epoch, now_s() + LEASE_S, ends_at)
            taken.append(_taken(keeps, address, Document(environment, token, holder, lease), lock, over=kept))
    except BaseException:
        for copy in taken:
            copy.drop()
        raise
    return tuple(taken)


def _free(environment: str, keeps: KeepsClaim) -> Kept | None:
    """Return what is there and may be written over. Raises Held, LeftBehind, CannotObserve."""
    kept = keeps.read_claim()
    if kept is None:
        return None
    found = parsed(kept, keeps)
    if found.lives:
        raise Held(environment, found.holder)
    if found.records:
        raise LeftBehind(environment, found.leftovers())
    return kept


def seize(
    environment: str, systems: Iterable[System], holder: Holder, lock: Path, say: Callable[[str], None]
) -> tuple[Copy, ...]:
    """Take over what a run that is gone has left on the targets; waits, bounded, for its lease to run out.

    Raises:
        Held: its run lives: the lease is renewed.
        CannotObserve, PlatformRefused, BadUndo: a target cannot be read or written, or has something else there.
    """
    token = secrets.token_hex(8)
    taken: list[Copy] = []
    for keeps, address in keepers(systems):
        kept = keeps.read_claim()
        if kept is None:
            continue
        kept = _when_free(environment, keeps, kept, say)
        if kept is not None:
            found = parsed(kept, keeps)
            ours = replace(found, token=token, holder=holder, lease=replace(found.lease, expires_at=now_s() + LEASE_S))
            taken.append(_taken(keeps, address, ours, lock, over=kept))
    return tuple(taken)


def _when_free(environment: str, keeps: KeepsClaim, kept: Kept, say: Callable[[str], None]) -> Kept | None:
    """Wait until the lease is over, by its clock or because nobody renews it by ours; None when it was let go."""
    found = parsed(kept, keeps)
    began = time.monotonic()

    def over() -> bool:
        return not found.lives or time.monotonic() - began > LEASE_S + SKEW_S

    while not over():
        left_s = max(0.0, min(found.lease.expires_at + SKEW_S - now_s(), LEASE_S + SKEW_S))
        say(f"{environment} was held by {found.holder.words()}; its lease on the target ends in {left_s:.0f} s")
        with suppress(TimedOut):
            wait_until(over, what="the lease", timeout_s=5.0, every_s=0.2)
        now = keeps.read_claim()
        if now is None:
            return None
        if now.version != kept.version and parsed(now, keeps).lease.expires_at > found.lease.expires_at:
            raise Held(environment, found.holder)
        kept = now
    return kept


def _taken(keeps: KeepsClaim, address: dict[str, Json], document: Document, lock: Path, *, over: Kept | None) -> Copy:
    """Write the document, and see a moment later that it is still there: not every target lets one alone write."""
    copy = Copy(keeps, address, document.token, lock)
    try:
        keeps.write_claim(document.to_text(), over=over)
        time.sleep(_SETTLE_S)
        copy.read()
    except (Changed, Fenced):
        raise Held(document.environment, None) from None
    return copy
