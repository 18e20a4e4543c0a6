"""The exit status of a run: green only when something was judged and nothing speaks against it.

Beyond pytest's own (0 to 6): 10 when something is UNKNOWN, or the good rounds that were asked for never came in a row,
and nothing is NOT_MET; 11 when nothing was judged or a selected scenario was refused. Ours among pytest's own: 4 when
something of ours fails before anything was asked, 3 when evidence was lost afterwards.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from ..journal import NoSuchRun, point_latest, read, record_of
from ..journal.events import RunEnded, WaiverExpired
from ..report import summary
from . import required

if TYPE_CHECKING:
    from ..journal import Record
    from .gate import Gate

EVIDENCE_LOST = int(pytest.ExitCode.INTERNAL_ERROR)
UNKNOWN = 10
NOTHING_JUDGED = 11
_PYTESTS_OWN = {
    pytest.ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR,
    pytest.ExitCode.USAGE_ERROR,
}


def settle(gate: Gate, session: pytest.Session, exitstatus: int) -> int:
    """Return the run's exit status; journal it and write the summary, when a journal was opened."""
    if gate.journal is None or gate.directory is None:
        return exitstatus if exitstatus in _PYTESTS_OWN else NOTHING_JUDGED
    _note_expired_waivers(gate)
    if gate.options.require and exitstatus not in _PYTESTS_OWN:
        required.note_unmet(gate, sum_up(gate))
    status = exitstatus if exitstatus in _PYTESTS_OWN else _from(sum_up(gate), session)
    if gate.journal.lost and status != pytest.ExitCode.INTERRUPTED:
        status = EVIDENCE_LOST
    _write_end(gate, status)
    with gate.journal.losing():
        point_latest(gate.directory)
    if gate.journal.lost and status not in (pytest.ExitCode.INTERRUPTED, EVIDENCE_LOST):
        return lost_at_the_end(gate)  # the journal says another status so far
    return status


def lost_at_the_end(gate: Gate) -> int:
    """Settle a run once more, of which something could not be written after it was settled."""
    gate.exit_status = EVIDENCE_LOST
    _write_end(gate, EVIDENCE_LOST)
    return EVIDENCE_LOST


def _write_end(gate: Gate, status: int) -> None:
    assert gate.journal is not None
    assert gate.directory is not None
    gate.journal.write(RunEnded(int(status)))
    gate.journal.sync()
    with gate.journal.losing():
        summary.write(sum_up(gate), gate.directory)


def sum_up(gate: Gate) -> summary.Summary:
    """Sum up a run by its journal and by what the disk did not take of it."""
    assert gate.journal is not None
    assert gate.directory is not None
    records: list[Record] = []
    try:
        records.extend(read(gate.directory))
    except NoSuchRun as damaged:
        gate.journal.lose(str(damaged))
    return summary.summed_up(gate.directory.name, [*records, *map(record_of, gate.journal.unwritten)])


def _from(run: summary.Summary, session: pytest.Session) -> int:
    not_met, unknown = run.count("NOT_MET"), run.count("UNKNOWN")
    open_ones = [line for line in run.verdicts if line.verdict != "MET" and line.excuse is None]
    told = {line.test for line in open_ones if line.by_a_test}
    other_failures = session.testsfailed - len(told | {test for test, _ in run.refused})
    if not_met or run.expired_waivers or run.left_behind or run.unguarded or other_failures > 0:
        return int(pytest.ExitCode.TESTS_FAILED)
    if run.refused:
        return NOTHING_JUDGED
    if unknown or run.unsettled:
        return UNKNOWN
    return int(pytest.ExitCode.OK) if run.count("MET") else NOTHING_JUDGED


def _note_expired_waivers(gate: Gate) -> None:
    assert gate.environment is not None
    assert gate.journal is not None
    today = dt.datetime.now(dt.UTC).date()
    for waiver in gate.environment.waivers:
        if waiver.expires < today:
            gate.journal.write(WaiverExpired(**asdict(waiver)))
