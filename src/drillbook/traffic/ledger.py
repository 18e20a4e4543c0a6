"""A ledger of acknowledged writes, kept by a process of its own, and read back after recovery.

Run as ``python -m drillbook.traffic.ledger`` it is that process; imported, it is the runner's handle on it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .. import timeline
from .child import Child, Row, read_rows
from .losses import Absent, Fate, History, Losses, Lost, Reading, Unread, Write, losses
from .openloop import Pace

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from .service import Call, KeyedApi, Service
    from .writing import Patience

Reader = Callable[[tuple[str, ...]], Mapping[str, Reading]]
"""Reads many keys at once by another way, for example straight from the database, past every cache."""


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What was deleted, and what could not be."""

    deleted: int
    """How many were there, and are no more."""
    left: tuple[str, ...]
    reasons: tuple[str, ...]


class Ledger:
    """Writes unique values at a fixed rate and remembers what was acknowledged.

    Use it as a context manager, or call ``start`` and ``stop``; then ``verify`` and ``cleanup``. Leaving the context
    stops the writing and deletes nothing.

    Args:
        service: where to send; see ``Service`` for what several addresses mean.
        api: the shape of the system's keyed API.
        file: where every invocation and outcome goes, one JSON object a line; it must not exist.
        rate_per_s: intended writes a second.
        rewrites: how many keys are written again and again by every other write; the rest is written once.
        timeout_s: how long one write may take in all.
        connect_timeout_s: how long connecting to one address may take before the next is tried.
        max_duration_s: the writing ends by itself after this.
        prefix: begins every key; letters, digits and hyphens. By default unique.
    """

    def __init__(
        self,
        service: Service,
        api: KeyedApi,
        *,
        file: Path,
        rate_per_s: float = 20.0,
        rewrites: int = 0,
        timeout_s: float = 5.0,
        connect_timeout_s: float = 1.0,
        max_duration_s: float = 3600.0,
        prefix: str | None = None,
    ) -> None:
        from .writing import ORDERS, Keys, WritingOrders  # noqa: PLC0415 - loads aiohttp

        prefix = prefix or f"drillbook-{secrets.token_hex(4)}"
        if not prefix.replace("-", "").isalnum() or not prefix.isascii():
            raise ValueError(f"expected letters, digits and hyphens as a prefix, got {prefix!r}")
        self.prefix = prefix
        self._service, self._api = service, api
        self._rate_per_s = rate_per_s
        pace = Pace(rate_per_s, timeout_s, connect_timeout_s, max_duration_s)
        orders = WritingOrders(
            service.address(), api, Keys(prefix, rewrites), pace, str(file.absolute()), timeline.offset_s()
        )
        self._child = Child("drillbook.traffic.ledger", ORDERS.dump_json(orders), file)
        self._rows: list[Row] = []
        self._losses: Losses | None = None

    def start(self) -> Self:
        """Start writing; returns once it runs. Raises CannotObserve."""
        self._child.start()
        return self

    @property
    def pid(self) -> int | None:
        """The id of the writing process once started."""
        return self._child.pid

    def history(self) -> History:
        """Return all writes so far; one in flight is unknown. Raises CannotObserve when the process has died."""
        self._rows += self._child.rows()
        return parse_history(self._rows, self._rate_per_s)

    def stop(self) -> History:
        """End the writing, within about a second, and return all writes. Raises CannotObserve."""
        self._rows += self._child.stop()
        return parse_history(self._rows, self._rate_per_s)

    def verify(
        self,
        read: Reader | None = None,
        *,
        deadline_s: float = 60.0,
        confirm_s: float = 1.0,
        concurrency: int = 16,
    ) -> Losses:
        """Stop, read every key back and say what is lost. Raises CannotObserve when the writer had died.

        Args:
            read: reads the keys by another way; by default the API's own read is used, through the service.
            deadline_s: reads that fail are tried again until then; what is still not read is ``unread``, never lost
                and never kept.
            confirm_s: keys that look lost are read once more after this; those that are then right are ``stale``.
            concurrency: how many reads are in flight at once.
        """
        from .writing import Patience, read_all  # noqa: PLC0415 - loads aiohttp

        history = self.stop()
        end = time.monotonic() + deadline_s

        def read_api(keys: tuple[str, ...]) -> Mapping[str, Reading]:
            patience = Patience(max(0.5, end - time.monotonic()), concurrency, self._service.max_rps)
            return read_all(self._service.address(), self._api, keys, patience)

        self._losses = judge(history, read or read_api, confirm_s=confirm_s)
        return self._losses

    def lost(self) -> list[Lost]:
        """Return the acknowledged writes that are lost, verifying first unless that was done.

        Raises:
            ValueError: when an acknowledged key could not be read: an empty list would be a lie.
        """
        found = self._losses or self.verify()
        if not found.known:
            raise ValueError(f"{found.unread} acknowledged keys could not be read: {found.unread_reasons}")
        return list(found.lost_writes)

    def cleanup(self, *, also: Sequence[str] = (), deadline_s: float = 60.0, concurrency: int = 16) -> CleanUp:
        """Stop and delete every key that was tried, whatever its fate; needs no living writer and never raises for one.

        Keys that others wrote for the same run are deleted with them (``also``).

        An unknown write may still take effect after its key was deleted; nothing a client does can exclude that.
        """
        from .writing import Patience  # noqa: PLC0415 - loads aiohttp

        if self._child.running:
            self._child.kill()
        rows = read_rows(self._child.file) if self._child.file.exists() else []
        keys = (*parse_history(rows, self._rate_per_s).keys, *also)
        patience = Patience(deadline_s, concurrency, self._service.max_rps)
        return delete_keys(self._service, self._api.delete, keys, patience)

    def kill(self) -> None:
        """End it at once, wherever it is; what it wrote down stays."""
        self._child.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._child.kill()
        elif self._child.running:
            self.stop()


def delete_keys(service: Service, call: Call, keys: tuple[str, ...], patience: Patience) -> CleanUp:
    """Delete keys, trying again until the deadline, and say what became of them."""
    from .writing import delete_all  # noqa: PLC0415 - loads aiohttp

    answers = delete_all(service.address(), call, keys, patience)
    left = {key: answer.reason for key, answer in answers.items() if isinstance(answer, Unread)}
    deleted = sum(isinstance(answer, Absent) and answer.deleted for answer in answers.values())
    return CleanUp(deleted, tuple(left), tuple(dict.fromkeys(left.values())))


def judge(history: History, read: Reader, *, confirm_s: float) -> Losses:
    """Read all keys, read again after ``confirm_s`` those that look lost, and judge."""
    readings = dict(read(history.keys))
    first = losses(history, readings)
    suspects = tuple(dict.fromkeys(lost.key for lost in first.lost_writes))
    if not suspects:
        return first
    time.sleep(confirm_s)
    readings |= read(suspects)
    final = losses(history, readings)
    still = {lost.key for lost in final.lost_writes}
    stale = sum(key not in still and not isinstance(readings[key], Unread) for key in suspects)
    return losses(history, readings, stale=stale)


def parse_history(rows: list[Row], rate_per_s: float) -> History:
    """Parse the lines of a ledger file; an invocation without an outcome is unknown."""
    outcomes = {row["n"]: row for row in rows if row.get("k") == "outcome"}
    writes = (_parse_write(row, outcomes.get(row["n"])) for row in rows if row.get("k") == "invoke")
    return History(tuple(writes), rate_per_s)


def _parse_write(row: Row, outcome: Row | None) -> Write:
    return Write(
        number=row["n"],
        key=row["key"],
        value=row["value"],
        invoked_at=row["at"],
        ended_at=outcome["at"] if outcome else None,
        fate=Fate(outcome["c"]) if outcome else Fate.UNKNOWN,
        reason=outcome["why"] if outcome else "no outcome",
        late_ms=row["late"],
    )


def read_history(file: Path) -> History:
    """Read a ledger file, so that a run can be judged again without its process."""
    rows = read_rows(file)
    rate_per_s = next(row["rate_per_s"] for row in rows if row.get("k") == "begin")
    return parse_history(rows, rate_per_s)


if __name__ == "__main__":
    from .writing import main

    main()
