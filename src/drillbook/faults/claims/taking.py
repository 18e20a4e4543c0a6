"""Taking the claim of an environment on its targets: lock, lease and undo records as one object there.

A CI container takes its disk and its watchdog with it when it is cancelled. What lies on the target stays, and whoever
comes next, from whatever machine, finds it: a run is refused, ``drillbook recover`` waits for the lease and undoes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...platforms import Changed, KeepsClaim
from .records import Held, Holder, Lease, LeftBehind
from .target import LEASE_S, SKEW_S, Document, Fenced, TargetClaim, keepers, parsed

if TYPE_CHECKING:
    from pathlib import Path

    from ...model import Json
    from ...platforms import Kept
    from .places import Spot

_SETTLE_S = 0.3
_LOOK_EVERY_S = 5.0


def look(environment: str, spots: Iterable[Spot]) -> None:
    """See that the targets could be taken, changing nothing. Raises what ``take`` would raise."""
    for keeps, _ in keepers(spots):
        _free(environment, keeps)


def take(
    environment: str, spots: Iterable[Spot], holder: Holder, lock: Path, *, lease_s: float
) -> tuple[TargetClaim, ...]:
    """Take all targets, or none.

    Args:
        environment: its name.
        spots: whose targets.
        holder: who we are.
        lock: a file of this machine, shared by all who write for this run.
        lease_s: how long the run has the right to harm.

    Raises:
        Held: another run holds one.
        LeftBehind: a run that is gone has left records on one.
        CannotObserve, PlatformRefused: one cannot be read or written.
    """
    token = secrets.token_hex(8)
    taken: list[TargetClaim] = []
    try:
        for keeps, address in keepers(spots):
            kept = _free(environment, keeps)
            now_s = keeps.clock_s()
            lease = Lease(holder.epoch, now_s + LEASE_S, now_s + lease_s)
            left = parsed(kept, keeps).ended().keys if kept is not None else ()
            ours = Document(environment, token, holder, lease, keys=left)
            taken.append(_taken(keeps, address, ours, lock, over=kept))
    except BaseException:
        for claim in taken:
            claim.drop()
        raise
    return tuple(taken)


def _free(environment: str, keeps: KeepsClaim) -> Kept | None:
    """Return what is there and may be written over. Raises Held, LeftBehind, CannotObserve."""
    kept = keeps.read_claim()
    if kept is None:
        return None
    found = parsed(kept, keeps)
    if found.lives(keeps.clock_s()):
        raise Held(environment, found.holder)
    if found.records:
        raise LeftBehind(environment, found.leftovers())
    return kept


def seize(
    environment: str, spots: Iterable[Spot], holder: Holder, lock: Path, say: Callable[[str], None]
) -> tuple[TargetClaim, ...]:
    """Take over what a run that is gone has left on the targets; waits, bounded, for its lease to run out.

    Raises:
        Held: its run lives: the lease is renewed.
        CannotObserve, PlatformRefused, BadUndo: a target cannot be read or written, or has something else there.
    """
    token = secrets.token_hex(8)
    taken: list[TargetClaim] = []
    for keeps, address in keepers(spots):
        kept = keeps.read_claim()
        if kept is None:
            continue
        kept = _when_free(environment, keeps, kept, say)
        if kept is not None:
            found = parsed(kept, keeps)
            lease = replace(found.lease, expires_at=keeps.clock_s() + LEASE_S)
            ours = replace(found.ended(), token=token, holder=holder, lease=lease)
            taken.append(_taken(keeps, address, ours, lock, over=kept))
    return tuple(taken)


def _when_free(environment: str, keeps: KeepsClaim, kept: Kept, say: Callable[[str], None]) -> Kept | None:
    """Wait until the lease is over by the target's clock, at most for one lease; None when it was let go."""
    found = parsed(kept, keeps)
    end = time.monotonic() + min(found.lease.expires_at + SKEW_S - keeps.clock_s(), LEASE_S + SKEW_S)
    while (left_s := end - time.monotonic()) > 0:
        say(f"{environment} was held by {found.holder.words()}; its lease on the target ends in {left_s:.0f} s")
        time.sleep(min(left_s, _LOOK_EVERY_S))
        now = keeps.read_claim()
        if now is None:
            return None
        if now.version != kept.version and parsed(now, keeps).lease.expires_at > found.lease.expires_at:
            raise Held(environment, found.holder)
        kept = now
    return kept


def _taken(
    keeps: KeepsClaim, address: dict[str, Json], document: Document, lock: Path, *, over: Kept | None
) -> TargetClaim:
    """Write the document, and see a moment later that it is still there: not every target lets one alone write."""
    claim = TargetClaim(keeps, address, document.token, lock)
    try:
        keeps.write_claim(document.to_text(), over=over)
        time.sleep(_SETTLE_S)
        claim.read()
    except (Changed, Fenced):
        raise Held(document.environment, None) from None
    return claim
