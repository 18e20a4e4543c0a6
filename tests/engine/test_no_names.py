"""The rooms of the engine know no platform, no kind of component and no system by its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drillbook import catalogue, kinds, platforms

from ..running import ROOT

ROOMS = (
    *("model", "environment", "drill", "rounds.py", "observations.py", "plugin", "report"),
    *("faults", "labs.py", "cli"),
)
WORDS_OF_EVERYBODY = {"http", "process", "address"}
NAMES = {*platforms.known(), *kinds.known(), *catalogue.SYSTEMS} - WORDS_OF_EVERYBODY


def sources(room: str) -> list[Path]:
    path = ROOT / "src" / "drillbook" / room
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def test_there_are_names_to_look_for() -> None:
    assert {"kubernetes", "postgres", "config-manager", "conduit"} <= NAMES


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_none_of_them(room: str) -> None:
    files = sources(room)
    assert files
    spelt = "|".join(re.escape(name).replace(r"\-", "[-_ ]") for name in sorted(NAMES))
    named = re.compile(rf"(?<![a-z])(?:{spelt})(?![a-z])", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if named.search(line)
    ]
    assert found == []
