"""The claim on the target itself: one alone holds it, and whoever comes next from another machine finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook.environment import load
from drillbook.faults import FaultSession, Refusal, permit, spot_of, stop_component
from drillbook.journal import Journal
from drillbook.platforms import Changed, KeepsClaim
from drillbook.redaction import Redactor

from .grounds import COMPONENT, Ground, having


@having(KeepsClaim)
def test_one_alone_writes_over_what_was_read(ground: Ground) -> None:
    keeps = ground.ask(KeepsClaim)
    assert keeps.read_claim() is None
    keeps.write_claim("first", over=None)
    first = keeps.read_claim()
    try:
        assert first is not None
        assert first.text == "first"
        with pytest.raises(Changed):
            keeps.write_claim("another", over=None)
        keeps.write_claim("second\nwith 'quotes' and ünï", over=first)
        second = keeps.read_claim()
        assert second is not None
        assert second.text == "second\nwith 'quotes' and ünï"
        with pytest.raises(Changed):
            keeps.write_claim("late", over=first)
        with pytest.raises(Changed):
            keeps.remove_claim(over=first)
        assert keeps.read_claim() == second
    finally:
        left = keeps.read_claim()
        if left is not None:
            keeps.remove_claim(over=left)
    assert keeps.read_claim() is None
    assert left is not None
    keeps.remove_claim(over=left)  # one that is gone is fine


@having(KeepsClaim)
def test_a_run_on_another_machine_is_refused_as_long_as_this_one_holds_the_target(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeps = ground.ask(KeepsClaim)
    environment = load(ground.file)
    with _run(tmp_path, "first", monkeypatch) as journal:
        session = FaultSession.open(environment, "lab", spot_of(ground.load()), journal=journal)
        assert not isinstance(session, Refusal), session.reason
        with session:
            blast = stop_component(ground.load(), COMPONENT).blast
            with _run(tmp_path, "second", monkeypatch) as elsewhere:
                refused = FaultSession.open(environment, "lab", spot_of(ground.load()), journal=elsewhere)
                planned = permit(environment, "lab", blast)
            for one in (refused, planned):
                assert isinstance(one, Refusal)
                assert "lab is held by" in one.reason
            monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path / "first"))
        assert keeps.read_claim() is None


class _run:  # noqa: N801 - reads as a function
    """A machine of its own, as far as Drillbook can tell: a state directory that no other run sees."""

    def __init__(self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DRILLBOOK_STATE_DIR", str(folder / name))
        (folder / f"{name}-run").mkdir()
        self._journal = Journal(folder / f"{name}-run", Redactor())

    def __enter__(self) -> Journal:
        return self._journal

    def __exit__(self, *_error: object) -> None:
        self._journal.close()
