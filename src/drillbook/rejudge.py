"""Judges a saved run again from its journal alone: no environment is touched, the verdicts are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import journal, rows
from .model import Facts, Observation, Verdict, judge
from .redaction import visible

if TYPE_CHECKING:
    from pathlib import Path

    from .model import Criterion


class CannotRejudge(Exception):
    """A journal that does not hold what judging needs."""


def rejudge(directory: Path) -> list[Verdict]:
    """Judge every criterion of a run again by the observations of its last round.

    Raises:
        journal.NoSuchRun: the journal is not there or damaged.
        CannotRejudge: it holds no judged round, or a criterion that this version no longer has.
    """
    facts: dict[str, Facts] = {}
    seen: dict[tuple[int, str, str], Observation] = {}
    judged: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in journal.read(directory):
        if record.kind == "run":
            facts = {name: Facts(**row) for name, row in record.data["facts"].items()}
        elif record.kind == "observation":
            one = Observation(**record.data["seen"])
            seen[record.data["round"], one.probe, one.target] = one
        elif record.kind == "verdict":
            judged[record.data["system"], record.data["test"], record.data["id"]] = record.data
    if not judged:
        raise CannotRejudge(f"{directory.name}: nothing was judged in this run")
    known = {(case.system, case.criterion.id, case.criterion.probe.key): case.criterion for case in rows.cases()}
    by_id = {(system, name): criterion for (system, name, _), criterion in known.items()}
    return [_again(directory, row, known, by_id, seen, facts) for row in judged.values()]


def _again(
    directory: Path,
    row: dict[str, Any],
    known: dict[tuple[str, str, str], Criterion[Any]],
    by_id: dict[tuple[str, str], Criterion[Any]],
    seen: dict[tuple[int, str, str], Observation],
    facts: dict[str, Facts],
) -> Verdict:
    """Judge one saved verdict's readings again; a statement may have rows with different probes."""
    readings = [(str(probe), str(target)) for probe, target in row["readings"]]
    by_probe = known.get((row["system"], row["id"], readings[0][0])) if readings else None
    criterion = by_probe or by_id.get((row["system"], row["id"]))
    if criterion is None:
        raise CannotRejudge(f"{directory.name}: this version of Drillbook has no criterion {row['id']}")
    found = [seen[row["round"], probe, target] for probe, target in readings]
    if any(one.masked for one in found):  # what was judged is not in the journal: its verdict is
        return Verdict.of_record(row)
    return judge(criterion, found, facts[row["system"]], visible)
