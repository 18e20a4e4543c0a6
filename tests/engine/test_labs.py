"""Labs for all systems of a file, or for none: without a process behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook import labs
from drillbook.labs import Lab, LabFailed

TWO = ("config-manager", "data-vault")


class Range:
    """Brings up labs that are only written down."""

    def __init__(self) -> None:
        self.up: dict[str, Path] = {}
        self.begun: list[str] = []
        self.closed: list[str] = []
        self.fails = ""

    def bring_up(self, system: str, *options: str, limit_s: float) -> Lab:
        del options, limit_s
        self.begun.append(system)
        if system == self.fails:
            raise LabFailed(f"{system} does not come up")
        return _Lab(system, self)

    def running_on(self, system: str, platform: str) -> Path | None:
        del platform
        return self.up.get(system)


class _Lab(Lab):
    def __init__(self, system: str, keeps: Range) -> None:
        super().__init__(Path(f"{system}.toml"))
        self._system, self._keeps = system, keeps

    def close(self) -> None:
        self._keeps.closed.append(self._system)


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Range:
    found = Range()
    monkeypatch.setattr(labs, "bring_up", found.bring_up)
    monkeypatch.setattr(labs, "running_on", found.running_on)
    monkeypatch.setattr("drillbook.carried.has_lab", lambda system: system in TWO)
    return found


def test_each_system_gets_its_lab_and_one_that_is_up_stays(ground: Range) -> None:
    ground.up["data-vault"] = Path("up.toml")
    said: list[str] = []
    found = labs.acquire(TWO, said.append)
    assert [lab.environment for lab in found] == [Path("config-manager.toml"), Path("up.toml")]
    assert ground.begun == ["config-manager"]
    assert ground.closed == []
    assert "config-manager" in said[0]


def test_a_system_without_a_lab_is_told_before_any_is_begun(ground: Range) -> None:
    with pytest.raises(LabFailed, match="there is no lab of analytics-hub; leave it out"):
        labs.acquire((*TWO, "analytics-hub"), print)
    assert ground.begun == []


def test_labs_that_a_run_does_not_bring_up_are_told_before_any_is_begun(ground: Range) -> None:
    with pytest.raises(LabFailed, match="none of config-manager, data-vault is up on systemd"):
        labs.acquire(TWO, print, "systemd")
    assert ground.begun == []


def test_when_one_does_not_come_up_the_others_are_taken_down(ground: Range) -> None:
    ground.fails = "data-vault"
    with pytest.raises(LabFailed, match="data-vault does not come up"):
        labs.acquire(TWO, print)
    assert ground.closed == ["config-manager"]


def test_the_range_has_a_lab_of_the_first_system_and_of_no_other() -> None:
    from drillbook import carried  # noqa: PLC0415 - unpatched here

    assert carried.has_lab("config-manager")
    assert not any(carried.has_lab(name) for name in ("data-vault", "nothing"))
