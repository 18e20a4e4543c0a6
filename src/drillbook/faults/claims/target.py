"""One claim on one target: what lies there, and how the run that holds it writes it.

Times in it are of the target's own clock, whoever writes or reads: those of two runners may differ by hours.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...model import CannotObserve
from ...platforms import Changed, KeepsClaim, Missing, PlatformRefused, offered_by, platform_of
from ..address import address_of, system_at
from ..undo import BadUndo
from .own_keys import OwnKeys
from .records import Holder, Lease, Leftover, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...model import Json, System
    from ...platforms import Kept

T = TypeVar("T", Record, OwnKeys)
LEASE_S = 30.0
"""How long a target believes in a run that says nothing more; renewed in a third of it."""
SKEW_S = 5.0
_TRIES = 5
_SHAPE = 1


@dataclass(frozen=True, slots=True)
class Document:
    """What lies on the target."""

    environment: str
    token: str
    """Known to one run and its watchdog: only they write."""
    holder: Holder
    lease: Lease
    records: tuple[Record, ...] = ()
    keys: tuple[OwnKeys, ...] = ()
    """What clients may have written: this run's, and those of runs before it that nobody has deleted yet."""

    def to_text(self) -> str:
        """Return the document as JSON."""
        row: dict[str, Json] = {
            "shape": _SHAPE,
            "environment": self.environment,
            "token": self.token,
            "holder": asdict(self.holder),
            "lease": asdict(self.lease),
            "records": [record.to_json() for record in self.records],
            "keys": [keys.to_json() for keys in self.keys],
        }
        return json.dumps(row, indent=1)

    @classmethod
    def from_text(cls, text: str) -> Document:
        """Read what ``to_text`` wrote. Raises BadUndo."""
        try:
            row = json.loads(text)
            if row["shape"] != _SHAPE:
                raise BadUndo(f"a claim of another version of Drillbook: {row['shape']}")
            records = tuple(Record.from_json(record) for record in row["records"])
            keys = tuple(OwnKeys.from_json(one) for one in row.get("keys", ()))
            return cls(row["environment"], row["token"], Holder(**row["holder"]), Lease(**row["lease"]), records, keys)
        except (ValueError, TypeError, KeyError) as error:
            raise BadUndo(f"not a claim of Drillbook: {type(error).__name__}: {error}") from None

    def lives(self, target_clock_s: float) -> bool:
        """Say whether its run may still be there, by the target's own clock (seconds since 1970)."""
        return target_clock_s < self.lease.expires_at + SKEW_S

    def ended(self) -> Document:
        """Return the same with all its keys counted, for a run that is gone: it lived until its lease ran out."""
        return replace(self, keys=tuple(one.ended(self.lease.expires_at) for one in self.keys))

    def leftovers(self) -> tuple[Leftover, ...]:
        """Return its records as leftovers."""
        return tuple(Leftover(Path(record.id), record) for record in self.records)


@dataclass(frozen=True, slots=True)
class TargetClaim:
    """One target's object, as the run that holds it writes it. All who share the run write one at a time."""

    keeps: KeepsClaim
    address: dict[str, Json]
    token: str
    lock: Path
    """A file of this machine, locked by whoever writes."""

    def put(self, record: Record) -> None:
        """Write a record, over one of the same id. Raises Fenced, PlatformRefused, CannotObserve."""
        self._change(lambda now: replace(now, records=(*_without(now.records, record.id), record)))

    def remove(self, record_id: str) -> None:
        """Remove a record; one that is not there, or ours no more, is fine. Raises PlatformRefused, CannotObserve."""
        with suppress(Fenced):
            self._change(lambda now: replace(now, records=_without(now.records, record_id)))

    def remember(self, keys: OwnKeys) -> None:
        """Remember keys, over those of the same id. Raises Fenced, PlatformRefused, CannotObserve."""
        now_s = self.keeps.clock_s()

        def edit(now: Document) -> Document:
            before = next((one for one in now.keys if one.id == keys.id), None)
            return replace(now, keys=(*_without(now.keys, keys.id), keys.noted(now_s, before)))

        self._change(edit)

    def forget(self, keys_id: str) -> None:
        """Forget keys that are deleted; when it is ours no more, others will. Raises PlatformRefused, CannotObserve."""
        with suppress(Fenced):
            self._change(lambda now: replace(now, keys=_without(now.keys, keys_id)))

    def renew(self) -> None:
        """Move the lease on. Raises Fenced, PlatformRefused, CannotObserve."""
        expires_at = self.keeps.clock_s() + LEASE_S
        self._change(lambda now: replace(now, lease=replace(now.lease, expires_at=expires_at)))

    def drop(self) -> None:
        """Let go; what is left stays, for whoever comes next. Raises PlatformRefused, CannotObserve."""
        with self._alone(), suppress(Fenced):
            for _ in range(_TRIES):
                kept, found = self._ours(self.keeps.read_claim())
                try:
                    if found.records or found.keys:
                        over_s = self.keeps.clock_s() - SKEW_S
                        ended = replace(found.ended(), lease=replace(found.lease, expires_at=over_s))
                        self.keeps.write_claim(ended.to_text(), over=kept)
                    else:
                        self.keeps.remove_claim(over=kept)
                except Changed:
                    continue
                return

    def read(self) -> Document:
        """Return what lies there, which must be ours. Raises Fenced, CannotObserve."""
        kept = self.keeps.read_claim()
        return self._ours(kept)[1]

    def _change(self, edit: Callable[[Document], Document]) -> None:
        with self._alone():
            for _ in range(_TRIES):
                kept, found = self._ours(self.keeps.read_claim())
                try:
                    self.keeps.write_claim(edit(found).to_text(), over=kept)
                except Changed:
                    continue
                return
        raise PlatformRefused(f"{self.keeps.place} changes all the time", hint="see who else writes it")

    def _ours(self, kept: Kept | None) -> tuple[Kept, Document]:
        if kept is None:
            raise Fenced(f"{self.keeps.place} is gone: somebody has removed this run's claim")
        found = parsed(kept, self.keeps)
        if found.token != self.token:
            raise Fenced(f"{self.keeps.place} is held by {found.holder.words()} now")
        return kept, found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


class Fenced(PlatformRefused):
    """The target is not ours any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="see who else works there; start the run again when they have finished")


def keepers(systems: Iterable[System]) -> tuple[tuple[KeepsClaim, dict[str, Json]], ...]:
    """Return what keeps a claim for these systems, with the way to it; systems at one place share one.

    Raises:
        PlatformRefused: a target that ought to keep one cannot.
    """
    found: dict[str, tuple[KeepsClaim, dict[str, Json]]] = {}
    for system in systems:
        platform = platform_of(system)
        keeps = platform.can(KeepsClaim)  # type: ignore[type-abstract] # a protocol is asked for by its type
        if not isinstance(keeps, Missing):
            found.setdefault(platform.place, (keeps, address_of(system)))
        elif KeepsClaim in offered_by(system.platform):  # elsewhere the disk of this machine has the records
            raise PlatformRefused(keeps.reason, hint="see that the target can be reached and written")
    return tuple(found.values())


def claims_at(addresses: Iterable[dict[str, Json]], token: str, lock: Path) -> tuple[TargetClaim, ...]:
    """Return the claims that a run has taken, from its addresses and token. Raises BadUndo, PlatformRefused."""
    return tuple(
        TargetClaim(keeps, address, token, lock) for address in addresses for keeps, _ in keepers([system_at(address)])
    )


def parsed(kept: Kept, keeps: KeepsClaim) -> Document:
    """Return what a target keeps as a document. Raises CannotObserve when it is none."""
    try:
        return Document.from_text(kept.text)
    except BadUndo as error:
        raise CannotObserve(
            f"{keeps.place}: {error}", hint="look at it; when nothing of it is in effect any more, remove it"
        ) from None


def _without(rows: tuple[T, ...], row_id: str) -> tuple[T, ...]:
    return tuple(row for row in rows if row.id != row_id)
