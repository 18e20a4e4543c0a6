"""The packs themselves: whole, disjoint, and split when one of them does not flip what it names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from drillbook.control_runs import read, write
from drillbook.journal import Journal
from drillbook.journal.events import RunBegan
from drillbook.redaction import Redactor
from drillbook.trace import broken_on

from ..running import Run
from . import kept
from .packs import CONTROLS, MATRIX, Pack, packs, prove

ELSEWHERE = ["compose", "systemd", "kubernetes"]
PAIR = Pack.of("compose", ["no-check-fields", "frozen-uptime"])


@pytest.mark.parametrize("stage", ["smoke", "chaos"])
@pytest.mark.parametrize("platform", ELSEWHERE)
def test_each_defect_is_in_one_pack_and_no_two_break_the_same(platform: str, stage: str) -> None:
    found = packs(platform, stage)
    here = [n for n, row in CONTROLS.items() if platform in row["platforms"] and row.get("stage", "smoke") == stage]
    assert sorted(name for pack in found for name in pack.names) == sorted(here)
    for pack in found:
        assert len(pack.ids) == sum(len(broken_on(CONTROLS[name], platform)) for name in pack.names)


def test_the_matrix_plants_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MATRIX, "1")
    assert all(len(pack.names) == 1 for pack in packs("compose", "smoke"))


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Callable[[Mapping[str, Any]], Run]]:
    """Gates that were never run: what each shows broken is given by what is planted."""

    def looks(shows: Callable[[list[str]], set[str]]) -> Callable[[Mapping[str, Any]], Run]:
        def one(row: Mapping[str, Any]) -> Run:
            broken = shows(row["plant"])
            folder = tmp_path / "latest"
            folder.mkdir(exist_ok=True)
            verdicts = [{"id": name, "verdict": "NOT_MET"} for name in broken] + [{"id": "other", "verdict": "MET"}]
            (folder / "summary.json").write_text(json.dumps({"verdicts": verdicts}))
            journal = Journal(folder, Redactor())
            journal.write(RunBegan("lab", "compose", ("config-manager",), {}, "0.1.0", commit="c0ffee"))
            journal.close()
            return Run(1 if broken else 0, f"a gate with {row['plant']}", tmp_path)

        return one

    return looks


def named(planted: list[str]) -> set[str]:
    return set[str]().union(*(broken_on(CONTROLS[name], "compose") for name in planted))


def test_a_pack_that_flips_exactly_its_union_is_proved_and_kept(
    look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, record = tmp_path / "runs.jsonl", tmp_path / "control_runs.json"
    monkeypatch.setenv(kept.FILE, str(lines))
    prove(PAIR, look(named))
    monkeypatch.setattr("drillbook.control_runs.path", lambda: record)
    assert kept.keep(lines) == 2
    (one, other) = read(record)
    assert (one.defect, one.beside, one.commit) == ("frozen-uptime", ("no-check-fields",), "c0ffee")
    assert one.flipped == broken_on(CONTROLS["frozen-uptime"], "compose")
    assert other.beside == ("frozen-uptime",)
    write((one, other), record)
    assert read(record) == (one, other)


@pytest.mark.parametrize(
    "shows",
    [
        lambda planted: named([name for name in planted if name != "frozen-uptime"]),
        lambda planted: named(planted) | ({"too.many"} if "frozen-uptime" in planted else set()),
    ],
    ids=["too-few", "too-many"],
)
def test_a_pack_is_split_and_the_one_to_blame_is_shown(
    shows: Callable[[list[str]], set[str]], look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = tmp_path / "runs.jsonl"
    monkeypatch.setenv(kept.FILE, str(lines))
    with pytest.raises(AssertionError, match=r"a gate with \['frozen-uptime'\]"):
        prove(PAIR, look(shows))
    assert "frozen-uptime" not in lines.read_text(), "what did not flip what it names is not kept"


def test_defects_that_only_together_flip_something_else_are_to_be_kept_apart(look: Any) -> None:
    with pytest.raises(AssertionError, match=r"say apart of one of them\nnot flipped: \[\]\ntoo many: \['too\.many'\]"):
        prove(PAIR, look(lambda planted: named(planted) | ({"too.many"} if len(planted) > 1 else set())))
