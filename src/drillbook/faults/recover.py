"""For whoever comes after a run: undo what it left behind, or tell a living one to undo now."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import journal as journals
from ..journal.events import UndoTold
from ..model import CannotObserve
from ..platforms import PlatformRefused
from ..polling import TimedOut, wait_until
from ..redaction import Redactor
from . import families as _families
from .address import OF_THE_FAULT, address_of
from .claims.places import places_of
from .claims.records import (
    Held,
    Holder,
    LeftBehind,
    Leftover,
    LocalClaim,
    files_of,
    folder_of,
    folders_of,
    holder_in,
    holder_of,
    read_record,
)
from .claims.taking import look, seize
from .undo import BUDGET_S, BadUndo, NotUndone, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..model import Json, System
    from .claims.places import Spot
    from .claims.records import Record
    from .claims.target import TargetClaim

_AT_ONCE = 8
_PROGRAM = b"drillbook.faults.watchdog"

del _families


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one record."""

    record: str
    fault: str
    recovered: bool
    text: str
    """The evidence, or why it is not undone."""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all records; none at all is fine."""

    environment: str
    rows: tuple[Row, ...]
    troubles: tuple[Exception, ...] = ()
    """Why nobody could look or act at a place: each is one place's, and keeps nobody from the others."""
    left_alone: tuple[str, ...] = ()
    """What is left of systems that nobody asked for."""

    @property
    def clean(self) -> bool:
        """Whether nothing is left of what was asked for, as far as all of it could be seen."""
        return not self.troubles and all(row.recovered for row in self.rows)


def recover(
    where: str,
    systems: Iterable[System] = (),
    *,
    only: str | None = None,
    budget_s: float = BUDGET_S,
    say: Callable[[str], None] = lambda _line: None,
    afterwards: Callable[[LocalClaim], None] = lambda _claim: None,
) -> Report:
    """Undo all that dead runs have left in an environment, place by place, prove it, and remove the records.

    A place that a living run holds, or that cannot be read or written, is told among the troubles.

    Args:
        where: the name of an environment, or the path of one record or of a folder of records.
        systems: those of the environment, whose targets may keep what a run on another machine has left.
        only: the system whose harm is undone; None for all. What nobody can tell whose it is counts as its.
        budget_s: the limit for each record with all its tries; they do not wait for each other.
        say: shows a line of progress.
        afterwards: what to do while a place is still held, once nothing is in there any more.

    Raises:
        CannotObserve: this machine's records cannot be read.
    """
    if "/" in where:
        return _recover_files(Path(where), budget_s)
    rows: list[Row] = []
    alone: list[str] = []
    troubles: list[Exception] = []

    def undo(claim: LocalClaim, there: tuple[Spot, ...]) -> None:
        found = _found(claim, there)
        asked = tuple(row for row in found if only is None or row.may_concern([only]))
        undone = _all(asked, lambda leftover: _heal(leftover, budget_s, remove=claim.remove))
        rows.extend(undone)
        alone.extend(f"{row.words()} at {row.system}" for row in found if row not in asked)
        if all(row.recovered for row in undone):
            afterwards(claim)

    for names, there in places_of(where, systems, only).items():
        try:
            with held(where, names, there, say) as claim:
                undo(claim, there)
        except (Held, CannotObserve, PlatformRefused, BadUndo) as trouble:
            troubles.append(trouble)
    return Report(_whose(where, only), tuple(rows), tuple(troubles), tuple(alone))


@contextmanager
def held(
    environment: str, names: tuple[str, ...], spots: tuple[Spot, ...], say: Callable[[str], None]
) -> Iterator[LocalClaim]:
    """Hold a place, here and on its target, for whoever comes to undo. Raises what ``seize`` and ``take`` raise."""
    claim = LocalClaim.take(environment, systems=names, run="", leftovers_are_fine=True)
    try:
        claim.on_targets = seize(environment, spots, claim.holder, claim.target_lock, say)
        yield claim
    finally:
        claim.release()


def _whose(environment: str, only: str | None) -> str:
    return environment if only is None else f"{only} of {environment}"


def _found(claim: LocalClaim, spots: tuple[Spot, ...]) -> tuple[Leftover, ...]:
    """Return what this machine's disk and the targets have, each record once; the latter with our own way there."""
    ways = {spot.system.name: address_of(spot.system) for spot in spots}
    found = {leftover.path.stem: leftover for leftover in claim.found()}
    for on_target in claim.on_targets:
        for leftover in on_target.read().leftovers():
            record = leftover.record
            if record is not None and record.id not in found:
                found[record.id] = _on_our_way(leftover, record, on_target, ways)
    return tuple(found.values())


def _on_our_way(
    leftover: Leftover, record: Record, on_target: TargetClaim, ways: Mapping[str, Mapping[str, Json]]
) -> Leftover:
    """Return what a target keeps with our own way there; what leads elsewhere is not followed.

    Whoever can write to a target must not choose what is done on this machine.
    """
    data = record.undo.data
    way = ways.get(str(data.get("system")))
    if way is None and data.get("platform") != on_target.address.get("platform"):
        problem = f"it lies on {on_target.keeps.place} and leads to platform {data.get('platform')}"
        return replace(leftover, record=None, problem=problem)
    if way is None:  # of a system that the file does not describe: at this very target, and nowhere else
        way = {**on_target.address, "system": data.get("system")}
    own = {key: value for key, value in data.items() if key in OF_THE_FAULT}
    undo = replace(record.undo, data={**way, **own})
    return replace(leftover, record=replace(record, undo=undo))


def abort(
    environment: str, systems: Iterable[System] = (), *, only: str | None = None, timeout_s: float = BUDGET_S
) -> Report:
    """Tell the watchdogs of living runs on this machine to undo everything now, and wait until they have.

    A run that is told so does no more harm at that place: its scenarios there fail as aborted.

    Args:
        environment: its name.
        systems: those of the environment, whose targets may be held by a run on another machine.
        only: the system whose places are meant; None for all. What shares a place with it is undone as well.
        timeout_s: for all watchdogs together.

    Returns:
        What was undone. Its troubles are TimedOut where not everything is undone in time or a watchdog was never ready,
        Held where the run is on another machine, LeftBehind where there is no run and one that is gone has left harm,
        CannotObserve and PlatformRefused where a target cannot be read.

    Raises:
        CannotObserve: this machine's records cannot be read.
    """
    places = places_of(environment, systems, only)
    folders = {names: folder_of(environment, names) for names in places}
    held = {names: holder for names, folder in folders.items() if (holder := holder_in(folder)) is not None}
    before = {names: _records(folders[names]) for names in held}
    troubles: list[Exception] = []
    for names, holder in held.items():
        if not _signal_watchdog(folders[names]):
            troubles.append(TimedOut(f"the watchdog of {holder.words()} is gone; end that run, then recover"))
            del before[names]
    rows, late = _undone_in_time(before, timeout_s)
    free = {names: there for names, there in places.items() if names not in held}
    troubles += [*late, *_troubles_at(environment, free, only)]
    return Report(_whose(environment, only), rows, tuple(troubles))


def _undone_in_time(
    before: Mapping[tuple[str, ...], tuple[Leftover, ...]], timeout_s: float
) -> tuple[tuple[Row, ...], list[Exception]]:
    """Wait for watchdogs that were told to undo; return what they have undone, and why not all."""
    all_of_them = [leftover for rows in before.values() for leftover in rows]
    late: list[Exception] = []
    try:
        wait_until(
            lambda: all(_is_undone(leftover) for leftover in all_of_them),
            what="the watchdog to undo everything",
            timeout_s=timeout_s,
        )
    except TimedOut as error:
        late.append(error)
    return tuple(_aborted(leftover) for leftover in all_of_them if _is_undone(leftover)), late


def _troubles_at(
    environment: str, places: Mapping[tuple[str, ...], tuple[Spot, ...]], only: str | None
) -> Iterator[Exception]:
    """Say of places that nobody here holds why one may have harm in it all the same."""
    for names, there in places.items():
        left = _records(folder_of(environment, names))
        left = tuple(row for row in left if only is None or row.may_concern([only]))
        if left:
            yield LeftBehind(environment, left)
        try:
            look(environment, there)
        except (Held, LeftBehind, CannotObserve, PlatformRefused) as trouble:
            yield trouble


def _recover_files(path: Path, budget_s: float) -> Report:
    found = _records_below(path) if path.is_dir() else (read_record(path),)
    names = {row.record.environment for row in found if row.record}
    claims: list[LocalClaim] = []
    try:
        for name in sorted(names):
            if (holder := holder_of(name)) is not None:
                raise Held(name, holder)
            claims.append(LocalClaim.take(name, run="", leftovers_are_fine=True))  # of the whole, so that no run begins
            for there, folder in folders_of(name).items():
                if there and (holder := holder_in(folder)) is not None:  # one that had begun before we took it
                    raise Held(name, holder, there)
        rows = _all(found, lambda leftover: _heal(leftover, budget_s, remove=lambda _: leftover.path.unlink()))
    finally:
        for claim in claims:
            claim.release()
    return Report(", ".join(sorted(names)) or str(path), rows)


def _records(folder: Path) -> tuple[Leftover, ...]:
    return tuple(read_record(path) for path in files_of(folder))


def _records_below(folder: Path) -> tuple[Leftover, ...]:
    folders = (folder, *sorted(path for path in folder.rglob("*") if path.is_dir()))
    return tuple(leftover for one in folders for leftover in _records(one))


def _all(found: tuple[Leftover, ...], heal: Callable[[Leftover], Row]) -> tuple[Row, ...]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(heal, found))


def _heal(leftover: Leftover, budget_s: float, *, remove: Callable[[str], None]) -> Row:
    record = leftover.record
    if record is None:
        text = f"unreadable: {leftover.problem}; see to the target by hand, then remove {leftover.path}"
        return Row(leftover.path.stem, "unknown", recovered=False, text=text)
    try:
        undone = perform(record.undo, budget_s=budget_s)
    except (NotUndone, BadUndo) as error:
        row = Row(record.id, record.fault, recovered=False, text=str(error))
    else:
        row = Row(record.id, record.fault, recovered=True, text=undone.evidence, took_s=round(undone.took_s, 3))
        try:
            remove(record.id)
        except (CannotObserve, PlatformRefused) as error:
            row = replace(row, recovered=False, text=f"undone, but its record stays: {error.reason}; {error.hint}")
    try:
        untold = _journal(Path(record.run), row)
    except OSError as error:  # what is undone is undone, whoever may be told
        untold = error.strerror
    return replace(row, text=f"{row.text}; the journal of its run could not be told: {untold}") if untold else row


def _journal(run: Path, row: Row) -> str | None:
    """Add to the journal of the run that left it, where that is; return why it did not take it. Raises OSError."""
    if not (run / journals.JOURNAL).is_file():
        return None
    journal = journals.Journal(run, Redactor())
    try:
        journal.write(
            UndoTold(
                id=row.record,
                fault=row.fault,
                outcome="undone" if row.recovered else "failed",
                by=os.getpid(),
                cause="recover",
                evidence=row.text,
                took_s=row.took_s,
            )
        )
    finally:
        journal.close()
    return journal.lost


def _signal_watchdog(folder: Path) -> bool:
    """Send the signal to the watchdog of a claim, once there is one, that very process; return whether it was there."""

    def ready() -> Holder | None:
        holder = holder_in(folder)
        return holder if holder is None or holder.watchdog else None

    try:
        holder = wait_until(ready, what="the watchdog", timeout_s=5.0)
    except TimedOut:
        return False
    if holder.watchdog is None:
        return False
    try:
        process = os.pidfd_open(holder.watchdog)
    except OSError:
        return False
    try:
        program = Path(f"/proc/{holder.watchdog}/cmdline").read_bytes().split(b"\0")
        if _PROGRAM not in program:
            return False
        signal.pidfd_send_signal(process, signal.SIGUSR1)
    except OSError:
        return False
    finally:
        os.close(process)
    return True


def _is_undone(leftover: Leftover) -> bool:
    if not leftover.path.exists():
        return True
    now = read_record(leftover.path).record
    return now is not None and now.undone is not None


def _aborted(leftover: Leftover) -> Row:
    now = read_record(leftover.path).record
    record = now or leftover.record
    fault = record.fault if record else "unknown"
    text = (now and now.undone) or "undone, and its record removed"
    return Row(leftover.path.stem, fault, recovered=True, text=text)
