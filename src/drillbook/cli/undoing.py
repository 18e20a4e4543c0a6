"""For whoever comes after a run, or wants it to end: ``recover``, ``abort`` and ``clean``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import labs
from ..drill.clean import clean_up_after
from ..environment import BadEnvironment, known, load, locate
from ..faults import Held, LeftBehind
from ..faults import recover as recovering
from ..faults.records import LocalClaim, files_of, folder_of, is_name
from ..faults.targets import seize
from ..faults.undo import BadUndo
from ..model import CannotObserve
from ..platforms import PlatformRefused
from ..polling import TimedOut
from ..redaction import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..drill.clean import Cleaned
    from ..faults.recover import Report
    from ..model import System


def recover(where: str) -> int:
    """Undo what is left in, in an environment or in a folder of records; 1 when some of it still is."""
    rows: list[Cleaned] = []

    def undo(name: str, systems: tuple[System, ...]) -> Report:
        def delete_keys(claim: LocalClaim) -> None:
            try:
                rows.extend(clean_up_after(claim, systems, say=_aside))
            except (CannotObserve, PlatformRefused) as error:  # the undoing is done, and is told in any case
                _aside(f"test keys may be left: {error.reason}; {error.mend}")

        return recovering.recover(name, systems, say=_aside, afterwards=delete_keys)

    if "/" in where and not where.endswith(".toml"):
        return _tried("recover", lambda: _undone("recover", recovering.recover(where)))
    status = _tried("recover", lambda: _undo("recover", where, undo))
    _tell_cleaned(rows)
    return status


def abort(environment: str) -> int:
    """End a living run's harm; 1 when some of it is still in."""
    return _tried("abort", lambda: _undo("abort", environment, recovering.abort))


def clean(environment: str) -> int:
    """Delete test keys; 1 when some may be left."""
    return _tried("clean", lambda: _clean(environment))


def _tried(command: str, do: Callable[[], int]) -> int:
    """Return the exit status of a command; say why it could not be carried out."""
    try:
        return do()
    except BadEnvironment as error:
        _aside(f"drillbook {command}: {error}")
        return 4
    except (CannotObserve, PlatformRefused) as error:
        _aside(f"drillbook {command}: {error.reason}; {error.mend}")
        return 1
    except (Held, LeftBehind, TimedOut, BadUndo) as error:
        _aside(f"drillbook {command}: {error}")
        return 1


def _undo(command: str, environment: str, do: Callable[[str, tuple[System, ...]], Report]) -> int:
    """Undo, and say what became of it; where the environment's file is not in order, only what this machine knows."""
    bad = False
    try:
        name, systems = _described(environment)
    except BadEnvironment as error:
        name, systems, bad = Path(environment).stem, (), True
        if not is_name(name):
            raise
        _aside(f"drillbook {command}: {error}")
    found = do(name, systems)
    if bad and not found.rows:
        _aside(f"drillbook {command}: this machine has no record of {name}; nobody looked at a target")
        return 4
    return _undone(command, found) or (4 if bad else 0)


def _clean(environment: str) -> int:
    name, systems = _described(environment)
    claim = LocalClaim.take(name, run="", leftovers_are_fine=True)
    try:
        claim.copies = seize(name, systems, claim.holder, claim.target_lock, _aside)
        rows = clean_up_after(claim, systems, say=_aside)
    finally:
        claim.release()
    if not rows:
        print(f"{name}: no run that is gone has left test keys, as far as this machine and the targets remember")
    _tell_cleaned(rows)
    return int(any(row.left for row in rows))


def _described(name: str) -> tuple[str, tuple[System, ...]]:
    """Return an environment's name and systems by its name or file; a name that has records here needs no file.

    Raises:
        BadEnvironment: there is no such environment, or its file is not in order.
        CannotObserve: this machine's records cannot be read.
    """
    if is_name(name) and not name.endswith(".toml") and name not in known() and files_of(folder_of(name)):
        return name, ()
    path = locate(name)
    environment = load(path)
    if environment.lab_systems:
        running = labs.running_on(environment.lab_systems[0], environment.platform)
        if running is None:
            _aside(f"no lab is up on {environment.platform} here: only this machine's records are seen")
            return environment.name, ()
        environment = load(path, lab_environment=running)
    return environment.name, tuple(environment.systems.values())


def _undone(command: str, found: Report) -> int:
    """Print what was undone; return 1 when something is still in."""
    for row in found.rows:
        print(f"{'undone' if row.recovered else 'STILL IN'}  {row.fault}   {row.text} ({row.took_s:.1f} s)")
    if not found.rows:
        print(f"{found.environment}: nothing to undo")
    elif not found.clean:
        _aside(f"drillbook {command}: some harm is still in; mend it by hand, then run this again")
    return 0 if found.clean else 1


def _tell_cleaned(rows: Iterable[Cleaned]) -> None:
    for row in rows:
        words = visible(row.words())
        if row.left:
            _aside(f"LEFT  {words}")
        else:
            print(f"cleaned  {words}")


def _aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
