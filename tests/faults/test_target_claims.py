"""Who may take a target, and what a run may still write there: pure logic, on a target that lies in memory."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from drillbook.faults import Held, LeftBehind, Spot, Undo
from drillbook.faults.claims import taking, target
from drillbook.faults.claims.records import Holder, Lease, Record
from drillbook.faults.claims.target import LEASE_S, SKEW_S, Document, Fenced, TargetClaim
from drillbook.faults.recover import recover
from drillbook.model import CannotObserve, Json, Place, System
from drillbook.platforms import Changed, Kept
from drillbook.platforms.compose.settings import ComposeProject
from tests.systems import system

US = Holder("ops", "laptop", 1, "2026-01-01T00:00:00Z", "", 1)
THEM = Holder("ci", "runner-7", 2, "2026-01-01T00:00:00Z", "", 5)
NOW_S = 1_000.0
"""By the target's clock, which nobody else's need agree with."""
SYSTEM = Spot(system("compose"))
RECORD = Record("0a0b", "staging", 5, "kill api", Undo("instances.start", {}), "2026-01-01T00:00:00Z", "")


class Memory:
    """A target's claim, as strict as the strictest."""

    place = "memory"

    def clock_s(self) -> float:
        return NOW_S

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.writes = 0

    def read_claim(self) -> Kept | None:
        return self.kept

    def write_claim(self, text: str, *, over: Kept | None) -> None:
        if over != self.kept:
            raise Changed(self.place)
        self.writes += 1
        self.kept = Kept(text, str(self.writes))

    def remove_claim(self, *, over: Kept) -> None:
        if over != self.kept:
            raise Changed(self.place)
        self.kept = None

    def has(self, document: Document) -> None:
        self.write_claim(document.to_text(), over=self.kept)

    @property
    def document(self) -> Document:
        assert self.kept is not None
        return Document.from_text(self.kept.text)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    found = Memory()
    monkeypatch.setattr(taking, "keepers", lambda _systems: ((found, {"platform": "compose"}),))
    return found


def theirs(*records: Record, expires_in_s: float) -> Document:
    return Document("staging", "their-token", THEM, Lease(5, NOW_S + expires_in_s, NOW_S + 3600), records)


def take(folder: Path) -> TargetClaim:
    (claim,) = taking.take("staging", [SYSTEM], US, folder / "lock", lease_s=60)
    return claim


def test_a_document_comes_back_as_it_was_written() -> None:
    document = theirs(RECORD, expires_in_s=10)
    assert Document.from_text(document.to_text()) == document


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"shape": 99}', '{"shape": 1}'])
def test_something_else_there_is_a_broken_eye_and_never_written_over(text: str, memory: Memory, tmp_path: Path) -> None:
    memory.kept = Kept(text, "1")
    with pytest.raises(CannotObserve, match="memory: "):
        take(tmp_path)
    assert memory.kept == Kept(text, "1")


def test_a_living_run_is_not_disturbed(memory: Memory, tmp_path: Path) -> None:
    memory.has(theirs(RECORD, expires_in_s=LEASE_S))
    with pytest.raises(Held, match="ci on runner-7"):
        take(tmp_path)
    with pytest.raises(Held):
        taking.look("staging", [SYSTEM])
    assert memory.writes == 1


def test_clocks_may_differ_a_little(memory: Memory, tmp_path: Path) -> None:
    memory.has(theirs(RECORD, expires_in_s=-SKEW_S / 2))
    with pytest.raises(Held):
        take(tmp_path)


def test_what_a_dead_run_has_left_must_be_undone_first(memory: Memory, tmp_path: Path) -> None:
    memory.has(theirs(RECORD, expires_in_s=-60))
    with pytest.raises(LeftBehind, match=r'"kill api" since .*; undo them: drillbook recover --env staging'):
        take(tmp_path)


def test_a_dead_run_that_left_nothing_is_written_over(memory: Memory, tmp_path: Path) -> None:
    memory.has(theirs(expires_in_s=-60))
    claim = take(tmp_path)
    assert memory.document.holder == US
    claim.put(RECORD)
    assert memory.document.records == (RECORD,)
    claim.remove(RECORD.id)
    claim.remove(RECORD.id)
    claim.drop()
    assert memory.kept is None


def test_records_stay_when_a_run_lets_go_and_its_lease_is_over_at_once(memory: Memory, tmp_path: Path) -> None:
    claim = take(tmp_path)
    claim.put(RECORD)
    claim.drop()
    assert memory.document.records == (RECORD,)
    assert not memory.document.lives(NOW_S)


def test_a_run_that_lost_its_target_does_no_more_harm_and_removes_nothing(memory: Memory, tmp_path: Path) -> None:
    claim = take(tmp_path)
    memory.has(theirs(RECORD, expires_in_s=10))
    with pytest.raises(Fenced, match="held by ci on runner-7"):
        claim.put(dataclasses.replace(RECORD, id="0c"))
    with pytest.raises(Fenced):
        claim.renew()
    claim.remove(RECORD.id)
    claim.drop()
    assert memory.document.records == (RECORD,)
    memory.kept = None
    with pytest.raises(Fenced, match="somebody has removed"):
        claim.put(RECORD)


def test_recovery_takes_over_at_once_when_the_lease_is_over(memory: Memory, tmp_path: Path) -> None:
    memory.has(theirs(RECORD, expires_in_s=-60))
    said: list[str] = []
    (claim,) = taking.seize("staging", [SYSTEM], US, tmp_path / "lock", said.append)
    assert claim.read().records == (RECORD,)
    assert memory.document.holder == US
    assert said == []


def test_recovery_waits_for_the_lease_and_says_so(memory: Memory, tmp_path: Path) -> None:
    memory.has(theirs(RECORD, expires_in_s=1 - SKEW_S))
    said: list[str] = []
    taking.seize("staging", [SYSTEM], US, tmp_path / "lock", said.append)
    who = "ci on runner-7, process 2, since 2026-01-01T00:00:00Z"
    assert said == [f"staging was held by {who}; its lease on the target ends in 1 s"]


def test_recovery_leaves_a_run_alone_that_renews_its_lease(memory: Memory, tmp_path: Path) -> None:
    memory.has(theirs(RECORD, expires_in_s=1 - SKEW_S))
    with pytest.raises(Held):
        taking.seize(
            "staging", [SYSTEM], US, tmp_path / "lock", lambda _line: memory.has(theirs(RECORD, expires_in_s=60))
        )


def test_nothing_there_is_nothing_to_recover(memory: Memory, tmp_path: Path) -> None:
    assert taking.seize("staging", [SYSTEM], US, tmp_path / "lock", print) == ()
    assert memory.writes == 0


def test_a_run_that_writes_at_the_same_time_is_seen_a_moment_later(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _s: memory.has(theirs(expires_in_s=60)))
    with pytest.raises(Held):
        take(tmp_path)


def test_a_copy_is_found_again_by_its_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Spot] = []

    def keepers(spots: list[Spot]) -> list[tuple[Memory, dict[str, Json]]]:
        seen.extend(spots)
        return [(Memory(), {})]

    monkeypatch.setattr(target, "keepers", keepers)
    address: dict[str, Json] = {"system": "config-manager", "platform": "compose", "project": "p"}
    (claim,) = target.claims_at([address], "token", tmp_path / "lock")
    assert (claim.address, claim.token) == (address, "token")
    assert seen == [Spot(System("config-manager", Place("compose", ComposeProject("p"))))]


def test_a_record_on_a_target_does_not_choose_what_runs_on_this_machine(memory: Memory, tmp_path: Path) -> None:
    started = tmp_path / "started"
    found: dict[str, Json] = {"component": "api", "pid_file": "/nonexistent", "start": ["/usr/bin/touch", str(started)]}
    data: dict[str, Json] = {"platform": "process", "host": socket.gethostname(), "processes": {"api-1": found}}
    planted = Undo("instances.start", {"system": "unheard-of", "names": ["api-1"], **data})
    memory.has(theirs(dataclasses.replace(RECORD, undo=planted), expires_in_s=-60))
    on_compose = System("config-manager", Place("compose", ComposeProject("p", host="unix:///nowhere")))
    report = recover("staging", [on_compose], budget_s=1)
    assert [row.recovered for row in report.rows] == [False]
    assert "it lies on memory and leads to platform process" in report.rows[0].text
    assert not started.exists()
    assert memory.document.records


def test_a_record_of_an_unknown_system_is_undone_at_the_target_that_keeps_it_and_nowhere_else() -> None:
    from drillbook.faults.claims.records import Leftover  # noqa: PLC0415 - of this test alone
    from drillbook.faults.recover import _on_our_way  # noqa: PLC0415 - as above

    address: dict[str, Json] = {"system": "config-manager", "platform": "systemd", "host": "far", "units": {"api": "a"}}
    planted: dict[str, Json] = {
        "system": "ghost",
        "platform": "systemd",
        "host": "local",
        "units": {"x": "anything"},
        "names": ["x"],
    }
    record = dataclasses.replace(RECORD, undo=Undo("instances.start", planted))
    keeps = Memory()
    found = _on_our_way(Leftover(Path("0a0b"), record), record, TargetClaim(keeps, address, "t", Path("l")), {})
    assert found.record is not None
    assert found.record.undo.data == {**address, "system": "ghost", "names": ["x"]}


def test_the_way_of_another_machine_leaves_nothing_in_ours() -> None:
    from drillbook.faults.claims.records import Leftover  # noqa: PLC0415 - as above
    from drillbook.faults.recover import _on_our_way  # noqa: PLC0415 - as above

    theirs_way: dict[str, Json] = {"system": "s", "platform": "systemd", "host": "h", "ssh_config": "/builds/ci/ssh"}
    record = dataclasses.replace(RECORD, undo=Undo("instances.start", {**theirs_way, "names": ["a"], "before": {}}))
    keeps = Memory()
    ours: dict[str, Json] = {"system": "s", "platform": "systemd", "host": "h", "units": {"a": "a"}}
    found = _on_our_way(Leftover(Path("0a0b"), record), record, TargetClaim(keeps, {}, "t", Path("l")), {"s": ours})
    assert found.record is not None
    assert found.record.undo.data == {**ours, "names": ["a"], "before": {}}
