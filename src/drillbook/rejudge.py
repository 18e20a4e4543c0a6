"""Judges a saved run again from its journal alone: no environment is touched, the verdicts are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import journal, rows
from .model import Facts, Observation, judge

if TYPE_CHECKING:
    from pathlib import Path

    from .model import Verdict


class CannotRejudge(Exception):
    """A journal that does not hold what judging needs."""


def rejudge(directory: Path) -> list[Verdict]:
    """Judge every criterion of a run again by the observations of its last round.

    Raises:
        journal.NoSuchRun: the journal is not there or damaged.
        CannotRejudge: it holds no judged round, or a criterion that this version no longer has.
    """
    facts: dict[str, Facts] = {}
    rounds: dict[int, list[Observation]] = {}
    last = None
    judged: dict[tuple[str, str], None] = {}
    for record in journal.read(directory):
        if record.kind == "run":
            facts = {name: Facts(**row) for name, row in record.data["facts"].items()}
        elif record.kind == "observation":
            rounds.setdefault(record.data["round"], []).append(Observation(**record.data["seen"]))
        elif record.kind == "round":
            last = record.data["number"]
        elif record.kind == "verdict":
            judged[record.data["system"], record.data["id"]] = None
    if last is None or not judged:
        raise CannotRejudge(f"{directory.name}: nothing was judged in this run")
    known = {(case.system, case.criterion.id): case.criterion for case in rows.cases()}
    gone = [name for system, name in judged if (system, name) not in known]
    if gone:
        raise CannotRejudge(f"{directory.name}: this version of Drillbook has no criterion {', '.join(gone)}")
    verdicts = []
    for system, name in judged:
        criterion = known[system, name]
        seen = [
            one
            for one in rounds.get(last, [])
            if one.probe == criterion.probe.key and one.target.startswith(f"{system}/")
        ]
        verdicts.append(judge(criterion, seen, facts[system]))
    return verdicts
