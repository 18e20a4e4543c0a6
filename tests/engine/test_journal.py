"""The journal survives many writers and a killed one."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from drillbook.cli.main import main
from drillbook.journal import JOURNAL, Journal, NoSuchRun, find_run, formats, new_run, point_latest, read
from drillbook.journal.events import (
    EVENTS,
    Observed,
    RoundJudged,
    RunBegan,
    RunEnded,
    StatementJudged,
    SteadyStateSeen,
    WaiverExpired,
    WatchdogTold,
)
from drillbook.model import Facts, Observation, Outcome, Severity, Verdict
from drillbook.redaction import Redactor

VERDICT = Verdict("a.b.c", Outcome.NOT_MET, "200", "503", "GET u", 1.5)
OMEN_IN_FACTS = (
    '{"at": "x", "kind": "run", "environment": "e", "platform": "p", "systems": ["s"], "drillbook": "9",'
    ' "facts": {"s": {"platform": "p", "expected_version": null, "clock_skew_s": 2, "omen": 1}}}'
)
NOTHING_SEEN = (
    '{"at": "x", "kind": "observation", "round": 1,'
    ' "seen": {"probe": "p", "target": "s/t", "source": "u", "at": "x", "duration_ms": 1}}'
)
WRITER = """
import pathlib, sys
from drillbook.journal import Journal
from drillbook.journal.events import StepVerified
from drillbook.redaction import Redactor
journal = Journal(pathlib.Path(sys.argv[1]), Redactor())
for number in range(200):
    journal.write(StepVerified(sys.argv[2], str(number), 0, 1, "x" * 3000))
"""


def test_several_processes_never_tear_a_line(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(who)]) for who in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    records = list(read(tmp_path))
    assert len(records) == 800
    for who in range(4):
        assert [record.data["name"] for record in records if record.data["scenario"] == str(who)] == [
            str(number) for number in range(200)
        ]


def test_a_last_line_cut_off_by_a_kill_is_left_out_and_another_is_an_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Redactor())
    journal.write(RunEnded(1))
    path = tmp_path / JOURNAL
    whole = path.read_text()
    path.write_text(whole + '{"at": "2026')
    assert [record.event for record in read(tmp_path)] == [RunEnded(1)]
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
        ('{"at": "x", "kind": "end", "exit_status": 0, "omen": 1}', 'a record "end" with the unknown field omen'),
        (OMEN_IN_FACTS, 'a record "run" with the unknown field facts.s.omen'),
        ('{"at": "x", "kind": "omen"}', 'a record of the kind "omen", which Drillbook'),
    ],
)
@pytest.mark.parametrize("after", ["", "\n"])
def test_a_record_of_a_newer_drillbook_is_an_error_also_as_the_last(
    tmp_path: Path, line: str, said: str, after: str
) -> None:
    journal = Journal(tmp_path, Redactor())
    journal.write(RunEnded(1))
    path = tmp_path / JOURNAL
    path.write_text(path.read_text() + line + after)
    with pytest.raises(NoSuchRun, match=f"line 2 is {said}.*: read the run with the version that wrote it"):
        list(read(tmp_path))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"at": "x", "kind": "end"}', 'no record "end": exit_status: Field required'),
        ('{"at": "x", "kind": "end", "exit_status": "green"}', 'no record "end": exit_status: Input should be a valid'),
        ('{"at": "x", "kind": "steady", "scenario": "s", "when": "before", "verdicts": {"a": "FINE"}}', "verdicts.a: "),
        ('{"at": "x", "kind": "observation", "round": 1, "seen": {"omen": 1}}', "unexpected keyword argument 'omen'"),
        (NOTHING_SEEN, "an observation holds a value or an error"),
        ('{"kind": "end", "exit_status": 0}', "not a journal record: it does not say when"),
        ('{"at": "x"}', "not a journal record"),
        ("[1]", "not a journal record"),
    ],
)
def test_a_record_that_does_not_say_what_its_kind_says_is_an_error(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / JOURNAL).write_text(line + "\n")
    with pytest.raises(NoSuchRun, match="line 1 is ") as wrong:
        list(read(tmp_path))
    assert said in str(wrong.value)


EVERYTHING = (
    RunBegan("e", "process", ("s",), {"s": Facts("process", None, 2.0)}, "0.1.0", user="u"),
    Observed(1, Observation("p", "s/t", "GET u", "x", 1.0, [1]).record()),
    RoundJudged(1, good=False, open=(("s", "a.b.c"),), judged=(("s", "a.b.c", "p", VERDICT),)),
    StatementJudged(
        **asdict(VERDICT), system="s", test="t", severity=Severity.WARNING, round=1, readings=(("p", "t"),)
    ),
    WaiverExpired("s", "a.b.c", "ops", dt.date(2020, 1, 1), "why"),
    SteadyStateSeen("s", "test", "before", {"a.b.c": Outcome.MET}),
    WatchdogTold("ended", left=("one",), by=7),
    RunEnded(1),
)


@pytest.mark.parametrize("command", ["report", "judge"])
def test_a_run_of_a_newer_drillbook_is_neither_reported_nor_judged(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / JOURNAL).write_text('{"at": "x", "kind": "end", "version": 2, "exit_status": 0}\n')
    assert main([command, "run", f"--reports={tmp_path}"]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        f'drillbook {command}: {run / JOURNAL}: line 1 is a record "end" of version 2, of which '
    )
    assert len(said.err.splitlines()) == 1


def test_events_come_back_from_the_journal_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Redactor())
    for event in EVERYTHING:
        journal.write(event)
    assert tuple(record.event for record in read(tmp_path)) == EVERYTHING


def test_every_kind_has_one_event_and_every_earlier_version_a_way_to_todays() -> None:
    assert {kind: event.kind for kind, event in EVENTS.items()} == {kind: kind for kind in EVENTS}
    assert len(EVENTS) == 22
    earlier = {(kind, version) for kind, event in EVENTS.items() for version in range(1, event.version)}
    assert earlier == formats.NEXT.keys()


def test_a_last_line_that_is_whole_and_no_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text('{"at": "2026\n')
    with pytest.raises(NoSuchRun, match="line 1 is not a journal record"):
        list(read(tmp_path))


def test_runs_are_found_by_id_by_path_and_as_latest(tmp_path: Path) -> None:
    run = new_run(tmp_path, "local")
    Journal(run, Redactor()).write(RunEnded(0))
    point_latest(run)
    assert find_run(tmp_path, run.name) == find_run(tmp_path, str(run)) == find_run(tmp_path, "latest") == run
    with pytest.raises(NoSuchRun, match=run.name):
        find_run(tmp_path, "nonsense")


def test_what_others_lose_keeps_nothing_out_of_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Redactor())
    journal.write(RunEnded(0))
    journal.lose("report.xml: No space left on device")
    journal.write(RunEnded(3))
    journal.close()
    assert [row.data for row in read(tmp_path)] == [{"exit_status": 0}, {"exit_status": 3}]
    assert journal.unwritten == []


@pytest.mark.parametrize(
    "line",
    [
        '{"at": "t", "kind": "observation", "round": 1}',
        '{"at": "t", "kind": "observation", "round": 1, "seen": "x"}',
        '{"at": "t", "kind": "verdict", "id": "a.b"}',
        '{"at": "t", "kind": "round", "number": 1, "good": true}',
        '{"at": "t", "kind": "end", "exit_status": 0, "version": 1.0}',
    ],
)
def test_a_damaged_record_of_an_earlier_format_is_said_with_its_line(line: str, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text(f"{line}\n")
    with pytest.raises(NoSuchRun, match=r"journal\.jsonl: line 1 is (no|a) record"):
        list(read(tmp_path))
