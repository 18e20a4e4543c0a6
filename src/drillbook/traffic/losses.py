"""What a ledger of writes says about loss: pure calculations, nothing read and nothing sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SHOWN = 20
"""How many keys a result names."""


class Fate(StrEnum):
    """What is known of a write."""

    OK = "ok"
    """Acknowledged with an expected status."""
    FAILED = "failed"
    """Certainly not applied: no connection, so nothing was sent, or a 4xx."""
    UNKNOWN = "unknown"
    """It may have been applied, or may yet be: 5xx, timeout, reset after sending, no outcome at all."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a unique value."""

    number: int
    key: str
    value: str
    invoked_at: float
    """Seconds since 1970, taken before anything was sent."""
    ended_at: float | None
    """Seconds since 1970 of the outcome; None when the writer ended without one."""
    fate: Fate
    reason: str
    """The status or what broke."""
    late_ms: float = 0.0
    """How much later than intended it was begun."""


@dataclass(frozen=True, slots=True)
class History:
    """All that one writer did, in the order of invocation."""

    writes: tuple[Write, ...]
    rate_per_s: float

    def of(self, fate: Fate) -> tuple[Write, ...]:
        """Return the writes with this fate."""
        return tuple(write for write in self.writes if write.fate is fate)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that was ever written or tried, those with acknowledged writes first."""
        acknowledged = dict.fromkeys(write.key for write in self.of(Fate.OK))
        return tuple(acknowledged | dict.fromkeys(write.key for write in self.writes))

    @property
    def slips(self) -> int:
        """Writes begun more than one interval later than intended."""
        return sum(write.late_ms > 1000 / self.rate_per_s for write in self.writes)

    def acknowledged_before(self, t_fault: float, window_s: float) -> int:
        """Count acknowledgements in the ``window_s`` before a fault: under a floor, no loss shows nothing."""
        return sum(t_fault - window_s <= _end(write) < t_fault for write in self.of(Fate.OK))


@dataclass(frozen=True, slots=True)
class Found:
    """A read that brought a value."""

    value: str


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such key."""

    deleted: bool = False
    """Whether there was one, and this very request has deleted it."""


@dataclass(frozen=True, slots=True)
class Unread:
    """No answer was to be had: nothing can be said of the key."""

    reason: str


Reading = Found | Absent | Unread


@dataclass(frozen=True, slots=True)
class Lost:
    """An acknowledged write that is no longer there."""

    key: str
    number: int
    acked_at: float
    """Seconds since 1970."""
    found: str | None
    """The value that stands there instead; None when the key is gone."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What became of the acknowledged writes."""

    acknowledged: int
    lost: int
    lost_writes: tuple[Lost, ...]
    """By time of acknowledgement."""
    stale: int
    """Keys that looked lost at the first reading and were right at the second."""
    unread: int
    """Keys with an acknowledged write that could not be read."""
    unread_reasons: tuple[str, ...]
    unknown_writes: int
    failed_writes: int
    resurrected: int
    """Values found of writes that had certainly failed: the service breaks its own word. Not a loss."""
    slips: int
    resolution_s: float
    """The time between two writes; the worst slip is added when there were slips."""

    @property
    def lost_keys(self) -> tuple[str, ...]:
        """The first keys that lost something, by time of acknowledgement."""
        return tuple(dict.fromkeys(lost.key for lost in self.lost_writes))[:SHOWN]

    @property
    def oldest_lost_ack_at(self) -> float | None:
        """When the oldest lost write was acknowledged, in seconds since 1970."""
        return self.lost_writes[0].acked_at if self.lost_writes else None

    @property
    def known(self) -> bool:
        """Whether every acknowledged key could be read."""
        return not self.unread

    def rpo_s(self, t_fault: float) -> float | None:
        """Return how far before the fault the oldest lost write was acknowledged, in seconds.

        Returns:
            0 when none is lost, or when all that is lost was acknowledged after the fault (``lost`` tells the two
            apart); None when an acknowledged key could not be read, or nothing was acknowledged: nobody can say.
        """
        if self.unread or not self.acknowledged:
            return None
        oldest = self.oldest_lost_ack_at
        return 0.0 if oldest is None else max(0.0, t_fault - oldest)


def losses(history: History, readings: Mapping[str, Reading], *, stale: int = 0) -> Losses:
    """Judge a history by what was read afterwards. A key without a reading is unread."""
    unread: list[str] = []
    lost: list[Lost] = []
    resurrected = 0
    for key, writes in _by_key(history.writes):
        reading = readings.get(key, Unread("not asked"))
        if isinstance(reading, Unread):
            if any(write.fate is Fate.OK for write in writes):
                unread.append(reading.reason)
            continue
        resurrected += _is_resurrected(writes, reading)
        lost += _lost(writes, reading)
    worst_slip_s = max((write.late_ms for write in history.writes), default=0.0) / 1000 if history.slips else 0
    return Losses(
        acknowledged=len(history.of(Fate.OK)),
        lost=len(lost),
        lost_writes=tuple(sorted(lost, key=lambda found: found.acked_at)),
        stale=stale,
        unread=len(unread),
        unread_reasons=tuple(dict.fromkeys(unread))[:SHOWN],
        unknown_writes=len(history.of(Fate.UNKNOWN)),
        failed_writes=len(history.of(Fate.FAILED)),
        resurrected=resurrected,
        slips=history.slips,
        resolution_s=1 / history.rate_per_s + worst_slip_s,
    )


def _by_key(writes: Iterable[Write]) -> Iterable[tuple[str, list[Write]]]:
    ordered = sorted(writes, key=lambda write: (write.key, write.invoked_at, write.number))
    for key, group in groupby(ordered, key=lambda write: write.key):
        yield key, list(group)


def _end(write: Write) -> float:
    """Return until when a write may take effect: for ever while its fate is unknown."""
    return write.ended_at if write.fate is Fate.OK and write.ended_at is not None else math.inf


def _is_resurrected(writes: Sequence[Write], reading: Found | Absent) -> bool:
    return isinstance(reading, Found) and any(
        write.fate is Fate.FAILED and write.value == reading.value for write in writes
    )


def _lost(writes: Sequence[Write], reading: Found | Absent) -> list[Lost]:
    """Return the acknowledged writes of one key that no order of its writes explains away.

    A write may stand there unless another was invoked after it had ended: that one is then lost. A write whose fate
    is unknown never ends, so its value explains everything. With no key at all every acknowledged write is lost; with
    a value that nobody wrote, the newest acknowledged is.
    """
    acknowledged = [write for write in writes if write.fate is Fate.OK]
    if isinstance(reading, Absent):
        return [_as_lost(write, None) for write in acknowledged]
    standing = [write for write in writes if write.value == reading.value]
    if not standing:
        return [_as_lost(write, reading.value) for write in acknowledged[-1:]]
    until = max(_end(write) for write in standing)
    return [_as_lost(write, reading.value) for write in acknowledged if write.invoked_at > until]


def _as_lost(write: Write, found: str | None) -> Lost:
    return Lost(write.key, write.number, _end(write), found)
