"""For whoever comes after a run, or wants it to end: ``recover``, ``abort`` and ``clean``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import labs
from ..drill.clean import clean_up_after
from ..environment import BadEnvironment, known, load, locate
from ..faults import Held, LeftBehind
from ..faults import recover as recovering
from ..faults.claims.places import places_of
from ..faults.claims.records import files_of, folders_of, found_in, is_name, system_in
from ..faults.undo import BadUndo
from ..model import CannotObserve
from ..platforms import PlatformRefused
from ..polling import TimedOut
from ..redaction import visible
from ..tables import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..drill.clean import Cleaned
    from ..environment import Environment
    from ..faults.claims.records import LocalClaim
    from ..faults.recover import Report
    from ..model import System


@dataclass(frozen=True, slots=True)
class _Described:
    """An environment as far as it is known here."""

    name: str
    systems: tuple[System, ...]
    known: frozenset[str]
    """The names of all its systems, those that nobody can reach now included."""


def recover(where: str, system: str | None = None) -> int:
    """Undo what is left in, in an environment or in a folder of records; 1 when some of it still is.

    Args:
        where: the environment, its file, or the folder.
        system: the one whose harm is undone; None for all.
    """
    rows: list[Cleaned] = []

    def undo(name: str, systems: tuple[System, ...]) -> Report:
        def delete_keys(claim: LocalClaim) -> None:
            try:
                rows.extend(clean_up_after(claim, systems, only=system, say=_aside))
            except (CannotObserve, PlatformRefused) as error:  # the undoing is done, and is told in any case
                _aside(f"test keys may be left: {error.reason}; {error.hint}")

        return recovering.recover(name, systems, only=system, say=_aside, afterwards=delete_keys)

    if "/" in where and not where.endswith(".toml"):
        if system is not None:
            _aside("drillbook recover: --system goes with an environment, not with a folder of records")
            return 4
        return _tried("recover", lambda: _undone("recover", recovering.recover(where)))
    status = _tried("recover", lambda: _undo("recover", where, system, undo))
    _tell_cleaned(rows)
    return status


def abort(environment: str, system: str | None = None) -> int:
    """End living runs' harm; 1 when some of it is still in.

    Args:
        environment: its name or file.
        system: the one at whose place it is ended; None for all.
    """
    return _tried(
        "abort",
        lambda: _undo("abort", environment, system, lambda name, systems: recovering.abort(name, systems, only=system)),
    )


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
    except _TROUBLES as error:
        _aside(f"drillbook {command}: {_words(error)}")
        return 1


_TROUBLES = (CannotObserve, PlatformRefused, Held, LeftBehind, TimedOut, BadUndo)


def _words(trouble: Exception) -> str:
    return f"{trouble.reason}; {trouble.hint}" if isinstance(trouble, CannotObserve | PlatformRefused) else str(trouble)


def _undo(command: str, environment: str, system: str | None, do: Callable[[str, tuple[System, ...]], Report]) -> int:
    """Undo, and say what became of it; where the environment's file is not in order, only what this machine knows."""
    bad = False
    try:
        described = _described(environment)
    except BadEnvironment as error:
        name = Path(environment).stem
        if not is_name(name):
            raise
        described, bad = _Described(name, (), frozenset()), True
        _aside(f"drillbook {command}: {error}")
    if not bad and system is not None:
        _must_be_known(system, described)
    found = do(described.name, described.systems)
    if bad and not found.rows and not found.troubles:
        _aside(f"drillbook {command}: this machine has no record of {found.environment}; nobody looked at a target")
        return 4
    return _undone(command, found) or (4 if bad else 0)


def _must_be_known(system: str, described: _Described) -> None:
    if system not in described.known:
        known = ", ".join(sorted(described.known)) or "none"
        said = f"{described.name} has no such system{nearest(system, described.known)}; known: {known}"
        raise BadEnvironment(f"--system {system}", [said])


def _clean(environment: str) -> int:
    described = _described(environment)
    rows: list[Cleaned] = []
    name, troubles = described.name, False
    for names, there in places_of(name, described.systems).items():
        try:
            with recovering.held(name, names, there, _aside) as claim:
                rows.extend(clean_up_after(claim, described.systems, say=_aside))
        except _TROUBLES as error:
            _aside(f"drillbook clean: {_words(error)}")
            troubles = True
    if not rows and not troubles:
        print(f"{name}: no run that is gone has left test keys, as far as this machine and the targets remember")
    _tell_cleaned(rows)
    return int(troubles or any(row.left for row in rows))


def _described(name: str) -> _Described:
    """Return what is known of an environment, by its name or file; a name that has records here needs no file.

    Raises:
        BadEnvironment: there is no such environment, or its file is not in order.
        CannotObserve: this machine's records cannot be read.
    """
    if is_name(name) and not name.endswith(".toml") and name not in known() and (here := _recorded(name)):
        return here
    path = locate(name)
    environment = load(path)
    up = {system: labs.running_on(system, environment.platform) for system in environment.lab_systems}
    down = [system for system, file in up.items() if file is None]
    if down:
        whose = ", ".join(down)
        _aside(f"no lab of {whose} is up on {environment.platform} here: only this machine's records of it are seen")
    if up:
        environment = load(path, lab_environments=[file for file in up.values() if file is not None])
    systems = tuple(system for name, system in environment.systems.items() if name not in down)
    return _Described(environment.name, systems, _known_systems(environment))


def _known_systems(environment: Environment) -> frozenset[str]:
    """Return the names of those in the file, and of those that had a place of it when records were left here."""
    return frozenset({*environment.systems, *environment.lab_systems, *_systems_on_record(environment.name)})


def _systems_on_record(environment: str) -> frozenset[str]:
    """Return the systems that this machine's folders and undo records of an environment name."""
    folders = folders_of(environment)
    rows = (row.system for folder in folders.values() for row in found_in(folder))
    return frozenset({*(system_in(name) for there in folders for name in there), *(name for name in rows if name)})


def _recorded(name: str) -> _Described | None:
    """Return an environment as this machine's undo records know it, None where there are none."""
    if not any(files_of(folder) for folder in folders_of(name).values()):
        return None
    return _Described(name, (), _systems_on_record(name))


def _undone(command: str, found: Report) -> int:
    """Print what was undone; return 1 when something is still in."""
    for row in found.rows:
        print(f"{'undone' if row.recovered else 'STILL IN'}  {row.fault}   {row.text} ({row.took_s:.1f} s)")
    if not found.rows:
        if not found.troubles:
            print(f"{found.environment}: nothing to undo")
    elif not all(row.recovered for row in found.rows):
        _aside(f"drillbook {command}: some harm is still in; mend it by hand, then run this again")
    for trouble in found.troubles:
        _aside(f"drillbook {command}: {_words(trouble)}")
    for words in found.left_alone:
        _aside(f"of another system, and left as it is: {words}")
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
