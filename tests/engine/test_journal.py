"""The journal survives many writers and a killed one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drillbook.journal import JOURNAL, Journal, NoSuchRun, find_run, new_run, point_latest, read
from drillbook.redaction import Redactor

WRITER = """
import pathlib, sys
from drillbook.journal import Journal
from drillbook.redaction import Redactor
journal = Journal(pathlib.Path(sys.argv[1]), Redactor())
for number in range(200):
    journal.write("step", who=int(sys.argv[2]), number=number, padding="x" * 3000)
"""


def test_several_processes_never_tear_a_line(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(who)]) for who in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    records = list(read(tmp_path))
    assert len(records) == 800
    for who in range(4):
        assert [record.data["number"] for record in records if record.data["who"] == who] == list(range(200))


def test_a_last_line_cut_off_by_a_kill_is_left_out_and_another_is_an_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Redactor())
    journal.write("step", a=1)
    path = tmp_path / JOURNAL
    whole = path.read_text()
    path.write_text(whole + '{"at": "2026')
    assert [record.data for record in read(tmp_path)] == [{"a": 1}]
    path.write_text('{"at": "2026\n' + whole)
    with pytest.raises(NoSuchRun, match="line 1"):
        list(read(tmp_path))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"at": "x", "kind": "verdict", "version": 99, "id": "a.b.c"}',
            'a record "verdict" of version 99, of which Drillbook',
        ),
        ('{"at": "x", "kind": "verdict", "version": "2"}', 'a record "verdict" of version 2, of which Drillbook'),
        ('{"at": "x", "kind": "verdict", "version": 0}', 'a record "verdict" of version 0, of which Drillbook'),
        ('{"at": "x", "kind": "omen"}', 'a record of the kind "omen", which Drillbook'),
    ],
)
@pytest.mark.parametrize("after", ["", "\n"])
def test_a_record_of_a_newer_drillbook_is_an_error_also_as_the_last(
    tmp_path: Path, line: str, said: str, after: str
) -> None:
    journal = Journal(tmp_path, Redactor())
    journal.write("step", a=1)
    path = tmp_path / JOURNAL
    path.write_text(path.read_text() + line + after)
    with pytest.raises(NoSuchRun, match=f"line 2 is {said} .*: read the run with the version that wrote it"):
        list(read(tmp_path))


def test_a_last_line_that_is_whole_and_no_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text('{"at": "2026\n')
    with pytest.raises(NoSuchRun, match="line 1 is not a journal record"):
        list(read(tmp_path))


def test_runs_are_found_by_id_by_path_and_as_latest(tmp_path: Path) -> None:
    run = new_run(tmp_path, "local")
    Journal(run, Redactor()).write("step")
    point_latest(run)
    assert find_run(tmp_path, run.name) == find_run(tmp_path, str(run)) == find_run(tmp_path, "latest") == run
    with pytest.raises(NoSuchRun, match=run.name):
        find_run(tmp_path, "nonsense")
