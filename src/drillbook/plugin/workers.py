"""xdist: one run, one set of observations, whatever the number of workers.

The journal is what the workers share: the first that needs observations takes all of them under a lock, the others
read them from there.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import journal
from ..journal.events import Observed, RoundJudged
from ..model import Observation, Verdict
from ..rounds import Judged, Round

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from ..observations import Key

KEY = "drillbook"


@dataclass(frozen=True, slots=True)
class Worker:
    """What the controller tells a worker."""

    directory: Path
    labs: tuple[Path, ...]
    """The environment files of the labs that the run uses."""


def input_of(config: pytest.Config) -> Worker | None:
    """Return the controller's word, or None outside a worker."""
    given = getattr(config, "workerinput", {}).get(KEY)
    if given is None:
        return None
    return Worker(Path(given["directory"]), tuple(Path(one) for one in given["labs"]))


def is_controller(config: pytest.Config) -> bool:
    """Say whether this process hands the tests to workers."""
    return not hasattr(config, "workerinput") and config.getoption("dist", "no") != "no"


def hand_over(config: pytest.Config, kept: journal.Journal) -> None:
    """In a worker: give the controller what the disk did not take."""
    config.workeroutput[KEY] = {"lost": kept.lost, "unwritten": kept.unwritten}  # type: ignore[attr-defined] # xdist puts it there


def hand_over_refusal(config: pytest.Config, why: str) -> None:
    """In a worker: tell the controller why nothing may run."""
    config.workeroutput[KEY] = {"refusal": why}  # type: ignore[attr-defined] # as above


def refusal_in(output: dict[str, Any]) -> str | None:
    """In the controller: return why a worker ran nothing, or None."""
    found = output.get(KEY, {}).get("refusal")
    return str(found) if found is not None else None


def take_over(output: dict[str, Any], kept: journal.Journal) -> None:
    """In the controller: take what a worker could not write."""
    given = output.get(KEY, {})
    if given.get("lost"):
        kept.lost = kept.lost or given["lost"]
        kept.unwritten += given["unwritten"]


@contextmanager
def first(directory: Path, worker: Worker | None) -> Iterator[Round | None]:
    """Give None to the one that must observe, and to all others, once it is done, what it saw."""
    if worker is None:
        yield None
        return
    from filelock import FileLock  # noqa: PLC0415 - only xdist needs it

    with FileLock(str(directory / ".observing")):
        yield last_round(directory)


def last_round(directory: Path) -> Round | None:
    """Return a run's last complete round, None when there is none."""
    try:
        records = list(journal.read(directory))
    except journal.NoSuchRun:  # its disk is full: whoever cannot read what was seen must look
        return None
    rounds: dict[int, dict[Key, Observation]] = {}
    complete: list[tuple[int, dict[Judged, Verdict]]] = []
    for record in records:
        match record.event:
            case Observed() as one:
                seen = one.observation
                rounds.setdefault(one.round, {})[seen.probe, seen.target] = seen
            case RoundJudged() as one:
                judged = {(system, name, probe): verdict for system, name, probe, verdict in one.judged}
                complete.append((one.number, judged))
    if not complete:
        return None
    number, judged = complete[-1]
    return Round(number, rounds.get(number, {}), judged)
