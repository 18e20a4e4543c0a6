"""Which keys a run that is gone may have left: remembered before the first, here and on the target."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from drillbook.drill.clean import clean_up_after
from drillbook.faults import Spot
from drillbook.faults.claims import taking as targets
from drillbook.faults.claims.own_keys import OwnKeys
from drillbook.faults.claims.records import Holder, Lease, LocalClaim
from drillbook.faults.claims.target import LEASE_S, SKEW_S, Document, TargetClaim
from drillbook.faults.undo import BadUndo
from drillbook.model import CannotObserve, Instance
from tests.systems import system

from .test_target_claims import NOW_S, US, Memory

KEYS = OwnKeys(
    id="0a0b",
    run="/reports/2026-01-01",
    system="config-manager",
    namespace="drill",
    ledger="/reports/2026-01-01/ledger.jsonl",
    prefix="drillbook-0a0b",
    per_s=20.0,
    extra=("drillbook-0a0b-canary",),
    path="/configs/drill/{key}",
    done=(204,),
    absent=(404,),
)
SYSTEM = Spot(system("compose"))


def test_they_come_back_as_they_were_written() -> None:
    assert OwnKeys.from_json(KEYS.to_json()) == KEYS


@pytest.mark.parametrize(
    "other",
    [
        {"prefix": "customer"},
        {"extra": ("drillbook-1", "customer-1")},
        {"path": "/configs/drill"},
        {"path": "/configs/production/{key}"},
        {"per_s": "often"},
    ],
)
def test_keys_that_no_run_of_ours_would_write_are_refused(other: dict[str, object]) -> None:
    row = KEYS.to_json()
    assert isinstance(row, dict)
    with pytest.raises(BadUndo):
        OwnKeys.from_json({**row, **other})  # type: ignore[dict-item] # as wrong as in the file


def test_how_many_there_may_be_follows_from_the_last_sign_of_life() -> None:
    began = dataclasses.replace(KEYS, began_s=NOW_S)
    found = began.ended(NOW_S + 2)
    assert found.count == 20 * (2 + 10), "the writer may go on for a moment"
    assert found.keys[:2] == ("drillbook-0a0b-canary", "drillbook-0a0b-0")
    assert found.keys[-1] == "drillbook-0a0b-239"
    assert found.ended(NOW_S + 1000) == found, "it is counted once"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    found = Memory()
    monkeypatch.setattr(targets, "keepers", lambda _systems: ((found, {}),))
    return found


def take(folder: Path) -> TargetClaim:
    (claim,) = targets.take("staging", [SYSTEM], US, folder / "lock", lease_s=60)
    return claim


def test_they_stay_on_the_target_when_a_run_lets_go(memory: Memory, tmp_path: Path) -> None:
    claim = take(tmp_path)
    claim.remember(KEYS)
    claim.drop()
    (left,) = memory.document.keys
    assert left.count == 20 * (LEASE_S + 10)
    assert not memory.document.lives(NOW_S)


def test_the_next_run_on_another_machine_takes_them_over_and_is_not_refused(memory: Memory, tmp_path: Path) -> None:
    them = Holder("ci", "runner-7", 2, "2026-01-01T00:00:00Z", "", 5)
    began = dataclasses.replace(KEYS, began_s=NOW_S - 100)
    memory.has(Document("staging", "token", them, Lease(5, NOW_S - SKEW_S - 1, NOW_S), (), (began,)))
    claim = take(tmp_path)
    (left,) = claim.read().keys
    assert left.count == 20 * (100 - SKEW_S - 1 + 10)
    claim.remember(dataclasses.replace(KEYS, id="ours"))
    claim.forget(KEYS.id)
    assert [keys.id for keys in claim.read().keys] == ["ours"]
    claim.forget("ours")
    claim.drop()
    assert memory.kept is None


def test_a_claim_without_keys_is_one_of_a_version_before() -> None:
    text = Document("staging", "token", US, Lease(5, NOW_S, NOW_S)).to_text()
    assert Document.from_text(text.replace(',\n "keys": []', "")).keys == ()
    assert Document.from_text(text).keys == ()


def test_nothing_is_asked_where_the_environment_allows_no_writes_any_more() -> None:
    claim = LocalClaim.take("staging", run="")
    try:
        claim.remember(KEYS)
        instance = Instance("api-1", "http://127.0.0.1:9")
        for systems, why in (
            ((), "nobody is known here as config-manager"),
            ((system("compose", instance),), "does not allow writes"),
        ):
            (row,) = clean_up_after(claim, systems)
            assert (row.deleted, row.left > 0) == (0, True)
            assert why in row.words()
        assert [keys.id for keys in claim.remembered()] == [KEYS.id]
        claim.forget(KEYS.id)
        assert claim.remembered() == ()
    finally:
        claim.release()


def test_a_second_word_about_the_same_keys_does_not_make_the_run_younger(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = LocalClaim.take("staging", run="")
    try:
        claim.on_targets = (take(tmp_path),)
        claim.remember(KEYS)
        first = (began_here(claim), memory.document.keys[0].began_s)
        monkeypatch.setattr(memory, "clock_s", lambda: NOW_S + 60)
        claim.remember(dataclasses.replace(KEYS, extra=(*KEYS.extra, "drillbook-0a0b-slow-0")))
        assert (began_here(claim), memory.document.keys[0].began_s) == first
        assert memory.document.keys[0].extra[-1] == "drillbook-0a0b-slow-0"
    finally:
        claim.release()


def began_here(claim: LocalClaim) -> float:
    return float(json.loads((claim.folder / f"{KEYS.id}.keys").read_text("utf-8"))["began_s"])


def test_a_run_days_later_does_not_take_its_own_life_for_that_of_the_one_before() -> None:
    claim = LocalClaim.take("staging", run="")
    claim.renew(Lease(1, 0.0, 0.0))
    claim.remember(KEYS)
    claim.release()
    path = claim.folder / f"{KEYS.id}.keys"
    row = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**row, "began_s": row["began_s"] - 86_400}), "utf-8")
    os.utime(claim.folder / "lease", (row["began_s"] - 86_395, row["began_s"] - 86_395))
    later = LocalClaim.take("staging", run="")
    try:
        later.renew(Lease(2, 0.0, 0.0))  # its watchdog does, before anybody asks for keys
        (left,) = later.remembered()
        assert left.count == 20 * (5 + 10)
        later.forget(KEYS.id)
    finally:
        later.release()


def test_a_file_that_cannot_be_read_is_told_and_never_taken_for_no_keys() -> None:
    claim = LocalClaim.take("staging", run="")
    path = claim.folder / "0c0d.keys"
    try:
        path.write_text("{")
        with pytest.raises(CannotObserve, match=r"0c0d\.keys"):
            claim.remembered()
    finally:
        path.unlink()
        claim.release()
