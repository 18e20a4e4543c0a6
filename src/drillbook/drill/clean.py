"""Deleting what the clients of runs that are gone have left, wherever that is remembered."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..model import CannotObserve
from ..platforms import PlatformRefused
from ..traffic.child import read_rows
from ..traffic.ledger import delete_keys, parse_history
from ..traffic.service import Call, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..faults.claims.own_keys import OwnKeys
    from ..faults.claims.records import LocalClaim
    from ..model import System

BUDGET_S = 30.0


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of the keys that one run may have left."""

    system: str
    namespace: str
    run: str
    deleted: int
    """How many were there, and are no more."""
    left: int
    """How many may still be there."""
    why: str = ""

    def words(self) -> str:
        """Say it in one line."""
        whose = f"test keys of {Path(self.run).name}, a run that is gone, in {self.namespace} of {self.system}"
        if self.left:
            hint = "once that is mended, the next run or drillbook clean deletes them"
            return f"{self.left} {whose} may be left: {self.why}; {hint}"
        return f"{self.deleted} {whose} deleted"


def clean_up_after(
    claim: LocalClaim,
    systems: Iterable[System],
    *,
    only: str | None = None,
    budget_s: float = BUDGET_S,
    say: Callable[[str], None] = lambda _line: None,
) -> tuple[Cleaned, ...]:
    """Delete what runs that are gone have left in an environment, and forget what is deleted.

    Args:
        claim: our hold on a place; no other run writes there meanwhile.
        systems: those of the environment, with the namespaces where it allows writes.
        only: the system whose keys are deleted; None for all.
        budget_s: the limit for one run's keys, beside what ``max_rps`` asks for.
        say: shows a line of progress.

    Returns:
        A row for each run that may have left some.

    Raises:
        CannotObserve, PlatformRefused: a target that remembers keys cannot be read.
    """
    by_name = {system.name: system for system in systems}
    rows = (keys for keys in claim.remembered() if only in (None, keys.system))
    return tuple(_clean(claim, keys, by_name.get(keys.system), budget_s, say) for keys in rows)


def _clean(
    claim: LocalClaim, keys: OwnKeys, system: System | None, budget_s: float, say: Callable[[str], None]
) -> Cleaned:
    found = _written(keys)
    if system is None:
        why = f"nobody is known here as {keys.system}; bring it up, or name the environment's file"
    elif system.scratch_namespace != keys.namespace:
        why = "mutations does not allow writes there any more"
    else:
        return _delete(claim, keys, found, system, budget_s, say)
    return Cleaned(keys.system, keys.namespace, keys.run, 0, len(found), why)


def _delete(
    claim: LocalClaim,
    keys: OwnKeys,
    found: tuple[str, ...],
    system: System,
    budget_s: float,
    say: Callable[[str], None],
) -> Cleaned:
    from ..traffic.writing import Patience  # noqa: PLC0415 - loads aiohttp

    say(f"deleting what {Path(keys.run).name} has left of {len(found)} test keys in {keys.namespace} of {system.name}")
    service = Service.of(system.ways_in, max_rps=system.max_rps)
    call = Call("DELETE", keys.path, keys.done, absent=keys.absent)
    deadline_s = budget_s + (len(found) / system.max_rps if system.max_rps else 0.0)
    done = delete_keys(service, call, found, Patience(deadline_s, max_rps=system.max_rps))
    if not done.left:
        with contextlib.suppress(CannotObserve, PlatformRefused, OSError):  # then whoever comes next finds none there
            claim.forget(keys.id)
    return Cleaned(keys.system, keys.namespace, keys.run, done.deleted, len(done.left), ", ".join(done.reasons))


def _written(keys: OwnKeys) -> tuple[str, ...]:
    """Return the keys that may be there: as the run's ledger has them, else as many as it had time for."""
    try:
        history = parse_history(read_rows(Path(keys.ledger)), keys.per_s)
    except (OSError, ValueError, KeyError):  # it is gone, or cannot be read
        return keys.keys
    return tuple(dict.fromkeys((*keys.extra, *history.keys)))
