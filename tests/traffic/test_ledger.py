"""A real writer against a real service that loses, hides and lies on command."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drillbook import timeline
from drillbook.model import CannotObserve
from drillbook.traffic.ledger import Ledger, judge, read_history
from drillbook.traffic.losses import Absent, Fate, Found, Unread
from drillbook.traffic.service import Call, KeyedApi, Service

from .conftest import Range

pytestmark = pytest.mark.alone

PATH = "/api/v1/configs/drill/{key}"
API = KeyedApi(
    write=Call("POST", PATH, (200, 201), body='{"value": "{value}", "env": "production", "user": "drillbook"}'),
    read=Call("GET", f"{PATH}?env=production", (200,), absent=(404,)),
    delete=Call("DELETE", f"{PATH}?env=production", (200, 204), absent=(404,)),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_an_honest_service_loses_nothing_over_a_kill(target: Range, file: Path) -> None:
    with Ledger(target.service, API, file=file, rewrites=2) as ledger:
        time.sleep(1.5)
        killed = target.kill()
        time.sleep(0.5)
        target.start()
        time.sleep(1)
    found = ledger.verify(deadline_s=20)
    assert found.acknowledged >= 40
    assert found.failed_writes >= 5
    assert (found.lost, found.unread, found.resurrected) == (0, 0, 0)
    assert found.rpo_s(killed) == 0
    assert ledger.lost() == []
    cleaned = ledger.cleanup()
    assert (cleaned.left, target.ask("GET", PATH.format(key=ledger.history().keys[0]))) == ((), {})
    taken = {write.key for write in ledger.history().of(Fate.OK)}
    assert len(taken) <= cleaned.deleted <= len(ledger.history().keys)


def test_acknowledged_writes_that_were_kept_in_memory_are_lost_by_a_kill(target: Range, file: Path) -> None:
    with Ledger(target.service, API, file=file) as ledger:
        time.sleep(1)
        target.set(persist=False)
        lossy_from = timeline.now()
        time.sleep(1)
        killed = target.kill()
        target.start()
        time.sleep(0.5)
    found = ledger.verify(deadline_s=20, confirm_s=0.1)
    assert 15 <= found.lost <= 25
    rpo_s = found.rpo_s(killed)
    assert rpo_s == pytest.approx(killed - lossy_from, abs=found.resolution_s + 0.3)
    assert {lost.found for lost in found.lost_writes} == {None}
    assert read_history(file) == ledger.history()


def test_a_write_whose_answer_was_lost_is_unknown_and_its_value_no_loss(target: Range, file: Path) -> None:
    with Ledger(target.service, API, file=file, rewrites=1) as ledger:
        time.sleep(1)
        target.set(apply_then_status=503)
        time.sleep(1)
    found = ledger.verify(deadline_s=20)
    assert found.unknown_writes >= 15
    assert found.lost == 0


def test_a_write_that_hung_is_unknown(target: Range, file: Path) -> None:
    with Ledger(target.service, API, file=file, timeout_s=0.4) as ledger:
        target.signal(signal.SIGSTOP)
        time.sleep(1)
        target.signal(signal.SIGCONT)
        history = ledger.stop()
    assert "timeout" in {write.reason for write in history.of(Fate.UNKNOWN)}


def test_a_refused_write_is_certainly_not_applied(target: Range, file: Path) -> None:
    target.set(status=422)
    with Ledger(target.service, API, file=file) as ledger:
        time.sleep(0.5)
        target.kill()
        time.sleep(0.5)
        history = ledger.stop()
    assert {write.reason for write in history.of(Fate.FAILED)} == {"422", "refused"}
    assert not history.of(Fate.OK)


def test_what_cannot_be_read_is_unread_and_the_wait_is_bounded(target: Range, file: Path) -> None:
    with Ledger(target.service, API, file=file) as ledger:
        time.sleep(0.5)
    target.kill()
    began = time.monotonic()
    found = ledger.verify(deadline_s=1)
    assert time.monotonic() - began < 4
    assert found.unread == found.acknowledged > 0
    assert found.unread_reasons == ("refused",)
    assert found.rpo_s(timeline.now()) is None
    with pytest.raises(ValueError, match="could not be read"):
        ledger.lost()
    left = ledger.cleanup(deadline_s=0.5)
    assert left.deleted == 0
    assert len(left.left) == len(ledger.history().keys)


def test_reads_may_come_from_elsewhere(target: Range, file: Path) -> None:
    with Ledger(target.service, API, file=file) as ledger:
        time.sleep(0.5)
    stored = dict(json.loads(line) for line in target.data.read_text().splitlines())
    found = ledger.verify(lambda keys: {key: Found(stored[key]) if key in stored else Absent() for key in keys})
    assert (found.lost, found.unread) == (0, 0)


def test_writes_fail_over_to_the_next_instance_only_when_nothing_was_sent(
    ranges: Callable[[], Range], file: Path
) -> None:
    first, second = ranges(), ranges()
    with Ledger(Service((first.url, second.url)), API, file=file) as ledger:
        time.sleep(0.5)
        first.kill()
        time.sleep(0.5)
        history = ledger.stop()
    assert not history.of(Fate.FAILED)
    assert len(history.of(Fate.UNKNOWN)) <= 2


def test_the_death_of_the_writer_is_an_error_and_its_file_can_still_be_judged(target: Range, file: Path) -> None:
    ledger = Ledger(target.service, API, file=file).start()
    time.sleep(0.5)
    assert ledger.pid
    os.kill(ledger.pid, signal.SIGKILL)
    time.sleep(0.2)
    with pytest.raises(CannotObserve, match="status -9"):
        ledger.verify()
    history = read_history(file)
    assert judge(history, lambda keys: dict.fromkeys(keys, Unread("not asked")), confirm_s=0).unread >= 5
    assert ledger.cleanup().left == ()


def test_an_api_that_does_not_say_where_key_and_value_go_is_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        KeyedApi(API.write, Call("GET", "/x", (200,)), API.delete)
    with pytest.raises(ValueError, match="value"):
        KeyedApi(Call("POST", "/{key}", (200,)), API.read, API.delete)
