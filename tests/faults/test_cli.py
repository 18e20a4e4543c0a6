"""What a person is told who comes to undo: never "nothing to undo" where nobody has looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook.cli import main
from drillbook.faults import Undo
from drillbook.faults.claims.records import LocalClaim, new_record

GONE = Undo(
    "instances.start", {"system": "config-manager", "platform": "process", "control": "/nowhere", "names": ["api-1"]}
)


@pytest.mark.parametrize("command", ["recover", "abort"])
def test_an_environment_that_nobody_knows_is_an_error(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--env", "stagging"]) == 4
    told = capsys.readouterr()
    assert "unknown environment" in told.err
    assert "nobody looked" in told.err
    assert told.out == ""


@pytest.mark.parametrize("command", ["recover", "abort"])
def test_a_run_here_before_does_not_make_its_name_known(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    LocalClaim.take("elsewhere", run="").release()  # the folder stays; its file was given by a path, from another place
    assert main([command, "--env", "elsewhere"]) == 4
    assert "nobody looked" in capsys.readouterr().err


def test_the_path_of_records_needs_no_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "--env", str(tmp_path / "records")]) == 1
    assert "STILL IN  unknown   unreadable: No such file or directory" in capsys.readouterr().out


def test_a_file_with_a_mistake_does_not_keep_local_records_from_being_undone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = 3\n")
    claim = LocalClaim.take("broken", run="")
    claim.put(new_record(claim, fault="kill api-1", undo=GONE, run=""))
    claim.release()
    assert main(["recover", "--env", str(path)]) == 4
    told = capsys.readouterr()
    assert "broken.toml" in told.err
    assert "undone  kill api-1" in told.out


def test_abort_sends_whoever_finds_leftovers_to_recover(capsys: pytest.CaptureFixture[str]) -> None:
    claim = LocalClaim.take("local", run="")
    claim.put(new_record(claim, fault="kill api-1", undo=GONE, run=""))
    claim.release()
    assert main(["abort", "--env", "local"]) == 1
    assert "drillbook recover --env local" in capsys.readouterr().err
    assert main(["recover", "--env", "local"]) == 0
    assert "undone  kill api-1" in capsys.readouterr().out
    assert main(["abort", "--env", "local"]) == 0


@pytest.mark.parametrize("command", ["recover", "abort", "clean"])
@pytest.mark.parametrize("name", [".x", "elsewhere", "local"])
def test_a_state_directory_that_is_no_folder_and_a_name_that_is_none_are_told(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path / "file"))
    assert main([command, "--env", name]) in {1, 4}
    told = capsys.readouterr()
    assert "unknown environment" in told.err or "set DRILLBOOK_STATE_DIR to one" in told.err
    assert told.out == ""


@pytest.mark.parametrize("command", ["abort", "clean"])
def test_a_path_that_is_no_environments_file_is_told(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--env", "/nowhere/staging"]) == 4
    assert "/nowhere/staging:\n  no such file" in capsys.readouterr().err


def test_what_is_undone_is_told_although_the_journal_of_its_run_is_closed_to_us(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "journal.jsonl").touch()
    monkeypatch.setattr("drillbook.journal.Journal", closed)  # whoever runs the tests may be root, to whom none is
    claim = LocalClaim.take("full", run="")
    claim.put(new_record(claim, fault="kill api-1", undo=GONE, run=str(tmp_path)))
    claim.release()
    assert main(["recover", "--env", "full"]) == 0
    told = capsys.readouterr().out
    assert "undone  kill api-1" in told
    assert "the journal of its run could not be told: Permission denied" in told
