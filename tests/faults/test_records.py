"""What survives a run that dies, and undo from data alone; without a lab."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from drillbook.faults import Held, LeftBehind, NotUndone, Undo, leftovers
from drillbook.faults import undo as undos
from drillbook.faults.claims.records import LocalClaim, folder_of, holder_of, new_record, write_durably
from drillbook.faults.recover import recover
from drillbook.faults.undo import BadUndo, perform, register
from drillbook.model import CannotObserve, Json

GONE = Undo(
    "instances.start",
    {"system": "config-manager", "platform": "process", "control": "/nowhere/control.sock", "names": ["api-1"]},
)


@pytest.fixture
def claim() -> Iterator[LocalClaim]:
    found = LocalClaim.take("here", run="")
    yield found
    found.release()


@pytest.mark.parametrize("below", ["", "state"])
def test_a_state_directory_that_is_a_file_is_told_and_never_nothing_to_undo(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path / "file" / below))
    with pytest.raises(CannotObserve, match="undo records cannot be kept in"):
        recover("here")
    with pytest.raises(CannotObserve, match="undo records cannot be kept in"):
        LocalClaim.take("here", run="")


def test_a_record_comes_back_as_it_was_written(claim: LocalClaim) -> None:
    record = new_record(claim, fault="kill api-1", undo=GONE, run="/run")
    claim.put(record)
    assert [row.record for row in claim.found()] == [record]
    assert json.loads(claim.found()[0].path.read_text())["undo"] == {
        "kind": "instances.start",
        "system": "config-manager",
        "platform": "process",
        "control": "/nowhere/control.sock",
        "names": ["api-1"],
    }


def test_a_record_is_on_the_disk_before_put_returns(claim: LocalClaim, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())))
    record = new_record(claim, fault="kill api-1", undo=GONE, run="")
    claim.put(record)
    assert len(synced) == 2
    assert Path(synced[0]).name.startswith(f".{record.id}.json")
    assert Path(synced[1]) == claim.folder


def test_records_are_leftovers_only_when_nobody_holds_the_environment(claim: LocalClaim) -> None:
    claim.put(new_record(claim, fault="kill api-1", undo=GONE, run=""))
    assert leftovers("here") == ()
    with pytest.raises(Held, match=f"process {os.getpid()}"):
        LocalClaim.take("here", run="")
    claim.release()
    assert holder_of("here") is None
    assert [row.record.fault for row in leftovers("here") if row.record] == ["kill api-1"]
    with pytest.raises(LeftBehind, match=r'"kill api-1" since .*; undo them: drillbook recover --env here'):
        LocalClaim.take("here", run="")


def test_a_record_whose_writer_died_half_way_is_no_leftover(claim: LocalClaim) -> None:
    half = claim.folder / ".abc.json.1234"
    half.write_text("{")
    claim.release()
    LocalClaim.take("here", run="").release()
    assert not half.exists()


def test_each_claim_has_a_greater_epoch() -> None:
    epochs = []
    for _ in range(3):
        claim = LocalClaim.take("here", run="")
        epochs.append(claim.epoch)
        claim.release()
    assert epochs == [1, 2, 3]


def test_looking_at_the_lock_does_not_keep_others_from_taking_it() -> None:
    LocalClaim.take("here", run="").release()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            holder_of("here")

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(20):
            LocalClaim.take("here", run="").release()
    finally:
        over.set()
        for looker in lookers:
            looker.join()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"shape": 99}', '{"shape": 1, "id": "x", "epoch": "1"}'])
def test_a_record_that_cannot_be_read_refuses_and_is_never_removed(text: str) -> None:
    folder = folder_of("here")
    folder.mkdir(parents=True)
    path = folder / "abc.json"
    path.write_text(text)
    with pytest.raises(LeftBehind, match=r"abc\.json"):
        LocalClaim.take("here", run="")
    report = recover("here")
    assert not report.clean
    assert "by hand" in report.rows[0].text
    assert path.exists()


def test_recover_proves_and_removes_each_record_for_itself(claim: LocalClaim) -> None:
    claim.put(new_record(claim, fault="kill api-1", undo=GONE, run=""))
    claim.put(new_record(claim, fault="other", undo=Undo("of.a.newer.version", {}), run=""))
    claim.release()
    report = recover("here", budget_s=2)
    assert {row.fault: row.recovered for row in report.rows} == {"kill api-1": True, "other": False}
    assert [row.record.fault for row in leftovers("here") if row.record] == ["other"]


def test_recover_takes_a_file_from_elsewhere(claim: LocalClaim, tmp_path: Path) -> None:
    record = new_record(claim, fault="kill api-1", undo=GONE, run="")
    claim.release()
    path = tmp_path / "carried.json"
    write_durably(path, json.dumps(record.to_json()))
    assert recover(str(path)).clean
    assert not path.exists()
    assert recover("never-heard-of").rows == ()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x"])
def test_an_environments_name_is_never_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        folder_of(name)


@pytest.mark.parametrize(
    "data",
    [{}, {"control": "relative", "names": ["a"]}, {"control": "/x"}, {"control": "/x", "names": []}, {"names": "a"}],
)
def test_undo_data_that_is_not_whole_is_refused(data: dict[str, Json]) -> None:
    with pytest.raises(BadUndo):
        perform(Undo("instances.start", {"system": "s", "platform": "process", **data}))


class Stubborn:
    """Heals after some acts; may come back, may be blind."""

    def __init__(self, needed: int, *, blind: int = 0, comes_back: int = 0) -> None:
        self.acts = 0
        self._needed = needed
        self._blind = blind
        self._comes_back = comes_back

    def healed(self) -> str | None:
        if self._blind:
            self._blind -= 1
            raise CannotObserve("fog", hint="wait")
        if self.acts < self._needed:
            return None
        if self._comes_back:
            self._comes_back -= 1
            self._needed += 1 if self._comes_back == 0 else 0
        return "healed"

    def landing_s(self) -> float:
        return 0.0

    def heal(self) -> bool:
        self.acts += 1
        return True


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Stubborn]:
    made: dict[str, Stubborn] = {}
    monkeypatch.setattr(undos, "_KINDS", dict(undos._KINDS))  # noqa: SLF001 - a kind for this test alone

    def parse(data: Mapping[str, Json]) -> Stubborn:
        del data
        return made["it"]

    register("stubborn", parse)
    return made


def test_an_undo_is_tried_again_through_trouble(stubborn: dict[str, Stubborn]) -> None:
    stubborn["it"] = Stubborn(2, blind=2)
    undone = perform(Undo("stubborn", {}), budget_s=5)
    assert (undone.evidence, undone.acts) == ("healed", 2)


def test_a_harm_that_lands_after_the_first_proof_is_undone_too(stubborn: dict[str, Stubborn]) -> None:
    stubborn["it"] = Stubborn(0, comes_back=3)
    assert perform(Undo("stubborn", {}), budget_s=5).acts == 1


def test_an_undo_that_never_holds_gives_up_in_time(stubborn: dict[str, Stubborn]) -> None:
    stubborn["it"] = Stubborn(1000)
    with pytest.raises(NotUndone, match="not healed yet"):
        perform(Undo("stubborn", {}), budget_s=0.5)
