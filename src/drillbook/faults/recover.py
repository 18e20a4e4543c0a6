"""For whoever comes after a run: undo what it left behind, or tell a living one to undo now."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
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
from .address import address_of
from .records import Holder, LeftBehind, Leftover, LocalClaim, files_of, folder_of, holder_of, leftovers, read_record
from .targets import look, seize
from .undo import BUDGET_S, BadUndo, NotUndone, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model import System

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

    @property
    def clean(self) -> bool:
        """Whether nothing is left."""
        return all(row.recovered for row in self.rows)


def recover(
    where: str,
    systems: Iterable[System] = (),
    *,
    budget_s: float = BUDGET_S,
    say: Callable[[str], None] = lambda _line: None,
    afterwards: Callable[[LocalClaim], None] = lambda _claim: None,
) -> Report:
    """Undo all that a dead run has left in an environment, prove it, and remove the records.

    Args:
        where: the name of an environment, or the path of one record or of a folder of records.
        systems: those of the environment, whose targets may keep what a run on another machine has left.
        budget_s: the limit for each record with all its tries; they do not wait for each other.
        say: shows a line of progress.
        afterwards: what to do while the environment is still held, once nothing is in any more.

    Raises:
        Held: a living run or its watchdog holds the environment, and will undo by itself.
        CannotObserve, PlatformRefused: a target cannot be read or written.
    """
    if "/" in where:
        return _recover_files(Path(where), budget_s)
    systems = tuple(systems)
    if not folder_of(where).is_dir() and not systems:
        return Report(where, ())
    claim = LocalClaim.take(where, run="", leftovers_are_fine=True)
    try:
        claim.copies = seize(where, systems, claim.holder, claim.target_lock, say)
        rows = _all(_found(claim, systems), lambda leftover: _heal(leftover, budget_s, remove=claim.remove))
        report = Report(where, rows)
        if report.clean:
            afterwards(claim)
    finally:
        claim.release()
    return report


def _found(claim: LocalClaim, systems: tuple[System, ...]) -> tuple[Leftover, ...]:
    """Return what this machine's disk and the targets have, each record once; the latter with our own way there."""
    ways = {system.name: address_of(system) for system in systems}
    found = {leftover.path.stem: leftover for leftover in claim.found()}
    for copy in claim.copies:
        for leftover in copy.read().leftovers():
            record = leftover.record
            if record is not None and record.id not in found:
                way = ways.get(str(record.undo.data.get("system")), {})
                undo = replace(record.undo, data={**record.undo.data, **way})
                found[record.id] = replace(leftover, record=replace(record, undo=undo))
    return tuple(found.values())


def abort(environment: str, systems: Iterable[System] = (), *, timeout_s: float = BUDGET_S) -> Report:
    """Tell the watchdog of a living run on this machine to undo everything now, and wait until it has.

    The run itself goes on to its end and fails as aborted; it can do no more harm.

    Raises:
        TimedOut: not everything is undone within ``timeout_s``, or its watchdog was never ready.
        Held: the run is on another machine.
        LeftBehind: there is no run, and one that is gone has left harm.
        CannotObserve, PlatformRefused: a target cannot be read.
    """
    holder = holder_of(environment)
    if holder is None:
        left = leftovers(environment)
        if left:
            raise LeftBehind(environment, left)
        look(environment, systems)
        return Report(environment, ())
    before = {leftover.path.stem: leftover for leftover in _records(folder_of(environment))}
    if not _signal_watchdog(environment):
        raise TimedOut(f"the watchdog of {holder.words()} is gone; end that run, then recover")
    wait_until(
        lambda: all(_is_undone(leftover) for leftover in before.values()),
        what=f"the watchdog of {environment} to undo",
        timeout_s=timeout_s,
    )
    return Report(environment, tuple(_aborted(leftover) for leftover in before.values()))


def _recover_files(path: Path, budget_s: float) -> Report:
    found = _records(path) if path.is_dir() else (read_record(path),)
    names = {row.record.environment for row in found if row.record}
    claims: list[LocalClaim] = []
    try:
        claims = [LocalClaim.take(name, run="", leftovers_are_fine=True) for name in sorted(names)]
        rows = _all(found, lambda leftover: _heal(leftover, budget_s, remove=lambda _: leftover.path.unlink()))
    finally:
        for claim in claims:
            claim.release()
    return Report(", ".join(sorted(names)) or str(path), rows)


def _records(folder: Path) -> tuple[Leftover, ...]:
    return tuple(read_record(path) for path in files_of(folder))


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
            row = replace(row, recovered=False, text=f"undone, but its record stays: {error.reason}; {error.mend}")
    _journal(Path(record.run), row)
    return row


def _journal(run: Path, row: Row) -> None:
    """Add to the journal of the run that left it, where it still is."""
    if not (run / journals.JOURNAL).is_file():
        return
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


def _signal_watchdog(environment: str) -> bool:
    """Send the signal, once there is a watchdog, to that very process. Return whether it was there."""

    def ready() -> Holder | None:
        holder = holder_of(environment)
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
