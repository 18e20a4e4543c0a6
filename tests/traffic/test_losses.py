"""Which acknowledged writes are lost. A line of writes: key, fate, when it was begun and when it ended."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from drillbook.traffic.ledger import judge, parse_history
from drillbook.traffic.losses import Absent, Fate, Found, History, Losses, Reading, Unread, Write, losses

OK, FAILED, UNKNOWN = Fate.OK, Fate.FAILED, Fate.UNKNOWN


def history(*rows: tuple[str, Fate, float, float]) -> History:
    writes = (Write(n, key, f"v{n}", begun, ended, fate, "") for n, (key, fate, begun, ended) in enumerate(rows))
    return History(tuple(writes), rate_per_s=10)


def lost(found: Losses) -> list[int]:
    return [write.number for write in found.lost_writes]


@pytest.mark.parametrize(
    ("writes", "reading", "expected"),
    [
        ([(OK, 1, 2)], Found("v0"), []),
        ([(OK, 1, 2)], Absent(), [0]),
        ([(OK, 1, 2)], Found("garbage"), [0]),
        ([(FAILED, 1, 2)], Absent(), []),
        ([(UNKNOWN, 1, 2)], Absent(), []),
        ([(UNKNOWN, 1, 2)], Found("v0"), []),
        # one after the other: the newest must stand
        ([(OK, 1, 2), (OK, 3, 4)], Found("v1"), []),
        ([(OK, 1, 2), (OK, 3, 4)], Found("v0"), [1]),
        ([(OK, 1, 2), (OK, 3, 4), (OK, 5, 6)], Found("v0"), [1, 2]),
        ([(OK, 1, 2), (OK, 3, 4)], Absent(), [0, 1]),
        ([(OK, 1, 2), (OK, 3, 4)], Found("garbage"), [1]),
        # at the same time: either may stand
        ([(OK, 1, 4), (OK, 2, 3)], Found("v0"), []),
        ([(OK, 1, 4), (OK, 2, 3)], Found("v1"), []),
        # a later unknown write may have replaced the value, or not
        ([(OK, 1, 2), (UNKNOWN, 3, 4)], Found("v1"), []),
        ([(OK, 1, 2), (UNKNOWN, 3, 4)], Found("v0"), []),
        ([(OK, 1, 2), (UNKNOWN, 3, 4)], Absent(), [0]),
        ([(OK, 1, 2), (UNKNOWN, 3, 4), (OK, 5, 6)], Found("v0"), [2]),
        # an unknown write may take effect late, after a newer acknowledged one
        ([(UNKNOWN, 1, 2), (OK, 3, 4)], Found("v0"), []),
        # a failed write that stands there after all explains itself, and is counted
        ([(OK, 1, 2), (FAILED, 3, 4)], Found("v1"), []),
    ],
)
def test_a_write_is_lost_when_no_order_of_writes_explains_what_stands_there(
    writes: list[tuple[Fate, float, float]], reading: Reading, expected: list[int]
) -> None:
    found = losses(history(*(("k", *write) for write in writes)), {"k": reading})
    assert lost(found) == expected
    assert found.lost == len(expected)


def test_a_failed_write_that_is_there_is_reported() -> None:
    found = losses(history(("a", FAILED, 1, 2), ("b", FAILED, 3, 4)), {"a": Found("v0"), "b": Absent()})
    assert (found.resurrected, found.failed_writes, found.lost) == (1, 2, 0)


def test_rpo_is_from_the_oldest_lost_acknowledgement_to_the_fault() -> None:
    past = history(("a", OK, 1, 2), ("b", OK, 3, 4), ("c", OK, 5, 6))
    found = losses(past, {"a": Found("v0"), "b": Absent(), "c": Absent()})
    assert found.rpo_s(7.5) == 3.5
    assert found.lost_keys == ("b", "c")
    assert found.oldest_lost_ack_at == 4
    assert found.resolution_s == pytest.approx(0.1)


def test_rpo_is_nought_without_loss_and_for_loss_after_the_fault() -> None:
    past = history(("a", OK, 1, 2))
    assert losses(past, {"a": Found("v0")}).rpo_s(7) == 0
    after = losses(past, {"a": Absent()})
    assert (after.rpo_s(1.5), after.lost) == (0, 1)


@pytest.mark.parametrize("readings", [{}, {"a": Unread("503")}])
def test_what_could_not_be_read_is_neither_lost_nor_kept(readings: dict[str, Reading]) -> None:
    found = losses(history(("a", OK, 1, 2), ("b", UNKNOWN, 1, 2)), readings)
    assert (found.lost, found.unread, found.known) == (0, 1, False)
    assert found.rpo_s(7) is None


def test_without_an_acknowledgement_nobody_can_say() -> None:
    assert losses(history(("a", FAILED, 1, 2)), {"a": Absent()}).rpo_s(7) is None


def test_what_is_right_at_the_second_reading_is_stale_and_not_lost() -> None:
    answers: Iterator[dict[str, Reading]] = iter([{"a": Absent(), "b": Absent()}, {"a": Found("v0"), "b": Absent()}])
    past = history(("a", OK, 1, 2), ("b", OK, 3, 4))
    found = judge(past, lambda _: next(answers), confirm_s=0)
    assert (found.stale, lost(found)) == (1, [1])


def test_an_invocation_without_outcome_is_unknown() -> None:
    rows = [
        {"k": "begin", "at": 1.0},
        {"k": "invoke", "n": 0, "key": "a", "value": "v0", "at": 1.0, "late": 0.0},
        {"k": "invoke", "n": 1, "key": "b", "value": "v1", "at": 2.0, "late": 120.0},
        {"k": "outcome", "n": 0, "at": 1.5, "c": "ok", "why": "201"},
    ]
    found = parse_history(rows, rate_per_s=10)
    assert [write.fate for write in found.writes] == [OK, UNKNOWN]
    assert found.slips == 1
    assert found.acknowledged_before(2.0, 1.0) == 1


@pytest.mark.parametrize("seed", range(60))
def test_a_register_that_keeps_its_word_never_loses(seed: int) -> None:
    """Whatever overlaps and whatever is unknown: an atomic register that applies in some legal order loses nothing."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    rows, applied = [], []
    for n in range(20):
        begun = chance.uniform(0, 10)
        ended = begun + chance.uniform(0.01, 3)
        fate = chance.choice([OK, OK, OK, FAILED, UNKNOWN])
        rows.append(("k", fate, begun, ended))
        if fate is OK:
            applied.append((chance.uniform(begun, ended), n))
        elif fate is UNKNOWN and chance.random() < 0.5:
            applied.append((begun + chance.uniform(0, 20), n))
    reading = Found(f"v{max(applied)[1]}") if applied else Absent()
    assert losses(history(*rows), {"k": reading}).lost == 0


@pytest.mark.parametrize("seed", range(30))
def test_a_restored_backup_loses_exactly_what_came_after_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    rows = [(f"k{n % 7}", OK, float(n), n + 0.5) for n in range(40)]
    cut = chance.randrange(1, 40)
    state = {key: n for n, (key, *_) in enumerate(rows[:cut])}
    readings: dict[str, Reading] = {
        f"k{n}": Found(f"v{state[f'k{n}']}") if f"k{n}" in state else Absent() for n in range(7)
    }
    found = losses(history(*rows), readings)
    assert lost(found) == list(range(cut, 40))
    assert found.rpo_s(50.0) == 50.0 - (cut + 0.5)
