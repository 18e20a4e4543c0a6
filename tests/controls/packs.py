"""Planted defects in packs: where planting is dear, those with disjoint effects are planted together.

On processes each defect is planted by itself. Elsewhere a pack must flip exactly the union of what its defects name;
a pack that does not is split, and the failure says which of them is to blame. ``DRILLBOOK_MATRIX=1`` (``tox -e
matrix``) plants each by itself everywhere. What cannot be planted with anything else says ``apart`` in the list.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drillbook.trace import broken_on

from ..running import ROOT, Run
from . import kept

CONTROLS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "lab" / "defects.toml").read_text("utf-8"))
MATRIX = "DRILLBOOK_MATRIX"
_JOINED = ("plant", "stop", "remove", "kubectl", "mend", "on_host", "drop_in")
_SINGLE = ("logging", "api_says", "project", "environment", "occupy")
"""What a pack can have of one defect alone."""


@dataclass(frozen=True)
class Pack:
    """Defects that are planted together, and exactly what must flip.

    Attributes:
        platform: where.
        names: of the defects.
        row: all of them as one row of lab/defects.toml.
        ids: what must flip.
    """

    platform: str
    names: tuple[str, ...]
    row: Mapping[str, Any]
    ids: frozenset[str]

    def __str__(self) -> str:
        return f"{self.platform}-{'+'.join(self.names)}"

    @classmethod
    def of(cls, platform: str, names: Iterable[str]) -> Pack:
        """Return the pack of these defects."""
        names = tuple(names)
        ids = frozenset[str]().union(*(broken_on(CONTROLS[name], platform) for name in names))
        assert ids, f"nothing that {names} break applies to {platform}"
        return cls(platform, names, _merged([CONTROLS[name] for name in names]), ids)

    def alone(self) -> list[Pack]:
        """Return a pack of each of its defects."""
        return [Pack.of(self.platform, [name]) for name in self.names]


def packs(platform: str, stage: str) -> list[Pack]:
    """Return all defects of a platform and a stage in the packs that first fit finds; what breaks most comes first."""
    names = [
        name for name, row in CONTROLS.items() if platform in row["platforms"] and row.get("stage", "smoke") == stage
    ]
    if os.environ.get(MATRIX):
        return [Pack.of(platform, [name]) for name in names]
    found: list[list[str]] = []
    for name in sorted(names, key=lambda one: -len(broken_on(CONTROLS[one], platform))):
        for members in found:
            if all(_together(platform, name, member) for member in members):
                members.append(name)
                break
        else:
            found.append([name])
    return [Pack.of(platform, members) for members in found]


def prove(pack: Pack, look: Callable[[Mapping[str, Any]], Run]) -> None:
    """See that a pack flips exactly what it names.

    Args:
        pack: what to plant.
        look: plants a row, runs what must show it, and takes it out again.

    Raises:
        AssertionError: it does not; with the defects that do not by themselves, or else that they do not go together.
    """
    run = look(pack.row)
    if len(pack.names) == 1 or _flips(run, pack.ids):
        expect_broken(run, pack.ids)
        kept.add(pack.platform, {name: broken_on(CONTROLS[name], pack.platform) for name in pack.names}, run)
        return
    broken = run.broken()  # now: the next look is the newest run of the same folder
    for one in pack.alone():
        prove(one, look)
    raise AssertionError(
        f"each of {pack.names} flips what it names, and together they flip more or less: say apart of one of them\n"
        f"not flipped: {sorted(pack.ids - broken)}\ntoo many: {sorted(broken - pack.ids)}\n{run.output}"
    )


def expect_broken(run: Run, ids: Iterable[str]) -> None:
    """Compare what flipped with what must; the exit status says the same."""
    assert run.broken() == set(ids), run.output
    outcomes = {run.verdicts()[name] for name in ids}
    assert run.exit_status == (10 if outcomes == {"UNKNOWN"} else 1), run.output


def _flips(run: Run, ids: Iterable[str]) -> bool:
    try:
        expect_broken(run, ids)
    except AssertionError:
        return False
    return True


def _together(platform: str, one: str, other: str) -> bool:
    rows = CONTROLS[one], CONTROLS[other]
    if any(row.get("apart") for row in rows):
        return False
    if any(rows[0].get(key) != rows[1].get(key) for key in ("tests", "rto_s")):
        return False
    if any(rows[0].get(key) and rows[1].get(key) for key in _SINGLE):
        return False
    return not broken_on(rows[0], platform) & broken_on(rows[1], platform)


def _merged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return several rows as one: all is planted, and taken back in reverse."""
    whole: dict[str, Any] = {key: [one for row in rows for one in row.get(key, [])] for key in _JOINED}
    whole["host_undo"] = [one for row in reversed(rows) for one in row.get("host_undo", [])]
    whole["node"] = any(row.get("node") for row in rows)
    for row in rows:
        whole |= {key: value for key, value in row.items() if key not in whole}
    return whole
