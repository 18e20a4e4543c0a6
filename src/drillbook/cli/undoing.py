"""For whoever comes after a run, or wants it to end: ``recover``, ``abort`` and ``clean``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..redaction import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from ..drill.clean import Cleaned
    from ..faults.records import LocalClaim
    from ..faults.recover import Report
    from ..model import System


def recover(options: argparse.Namespace) -> int:
    """Undo what is left in; 1 when some of it still is."""
    from ..faults import recover as recovering  # noqa: PLC0415 - only this command pays for it
    from ..model import CannotObserve  # noqa: PLC0415 - only this command pays for it
    from ..platforms import PlatformRefused  # noqa: PLC0415 - only this command pays for it

    rows: list[Cleaned] = []

    def undo(name: str, systems: tuple[System, ...]) -> Report:
        def delete_keys(claim: LocalClaim) -> None:
            try:
                rows.extend(_cleaned(claim, systems))
            except (CannotObserve, PlatformRefused) as error:  # the undoing is done, and is told in any case
                _aside(f"test keys may be left: {error.reason}; {error.mend}")

        return recovering.recover(name, systems, say=_aside, afterwards=delete_keys)

    status = _undo("recover", options.env, undo)
    _tell_cleaned(rows)
    return status


def clean(options: argparse.Namespace) -> int:
    """Delete test keys; 1 when some may be left."""
    from ..environment import BadEnvironment  # noqa: PLC0415 - only these commands pay for it
    from ..faults import Held  # noqa: PLC0415 - only these commands pay for it
    from ..faults.undo import BadUndo  # noqa: PLC0415 - only these commands pay for it
    from ..model import CannotObserve  # noqa: PLC0415 - only these commands pay for it
    from ..platforms import PlatformRefused  # noqa: PLC0415 - only these commands pay for it

    try:
        name, systems = _described(options.env)
        rows = _held_and_cleaned(name, systems)
    except BadEnvironment as error:
        _aside(f"drillbook clean: {error}")
        return 4
    except (Held, BadUndo) as error:
        _aside(f"drillbook clean: {error}")
        return 1
    except (CannotObserve, PlatformRefused) as error:
        _aside(f"drillbook clean: {error.reason}; {error.mend}")
        return 1
    if not rows:
        print(f"{name}: no run that is gone has left test keys, as far as this machine and the targets remember")
    _tell_cleaned(rows)
    return int(any(row.left for row in rows))


def _held_and_cleaned(name: str, systems: tuple[System, ...]) -> tuple[Cleaned, ...]:
    from ..faults.records import LocalClaim  # noqa: PLC0415 - only these commands pay for it
    from ..faults.targets import seize  # noqa: PLC0415 - only these commands pay for it

    claim = LocalClaim.take(name, run="", leftovers_are_fine=True)
    try:
        claim.copies = seize(name, systems, claim.holder, claim.target_lock, _aside)
        return _cleaned(claim, systems)
    finally:
        claim.release()


def _cleaned(claim: LocalClaim, systems: tuple[System, ...]) -> tuple[Cleaned, ...]:
    from ..drill.clean import clean_up_after  # noqa: PLC0415 - only these commands pay for it

    return clean_up_after(claim, systems, say=_aside)


def _tell_cleaned(rows: Iterable[Cleaned]) -> None:
    for row in rows:
        print(
            f"{'LEFT' if row.left else 'cleaned'}  {visible(row.words())}", file=sys.stderr if row.left else sys.stdout
        )


def _aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def abort(options: argparse.Namespace) -> int:
    """End a living run's harm; 1 when some of it is still in."""
    from ..faults import recover as recovering  # noqa: PLC0415 - only this command pays for it

    return _undo("abort", options.env, recovering.abort)


def _undo(command: str, environment: str, do: Callable[[str, tuple[System, ...]], Report]) -> int:
    """Undo, and say what became of it; where the environment's file is not in order, only what this machine knows."""
    from ..environment import BadEnvironment  # noqa: PLC0415 - only these commands pay for it
    from ..faults import Held, LeftBehind  # noqa: PLC0415 - only these commands pay for it
    from ..model import CannotObserve  # noqa: PLC0415 - only these commands pay for it
    from ..platforms import PlatformRefused  # noqa: PLC0415 - only these commands pay for it
    from ..polling import TimedOut  # noqa: PLC0415 - only these commands pay for it

    bad = False
    try:
        name, systems = _described(environment)
    except BadEnvironment as error:
        print(f"drillbook {command}: {error}", file=sys.stderr)
        name, systems, bad = Path(environment).stem, (), True
    try:
        found = do(name, systems)
    except (Held, LeftBehind, TimedOut) as error:
        print(f"drillbook {command}: {error}", file=sys.stderr)
        return 1
    except (CannotObserve, PlatformRefused) as error:
        print(f"drillbook {command}: {error.reason}; {error.mend}", file=sys.stderr)
        return 1
    if bad and not found.rows:
        print(f"drillbook {command}: this machine has no record of {name}; nobody looked at a target", file=sys.stderr)
        return 4
    return _undone(command, found) or (4 if bad else 0)


def _described(name: str) -> tuple[str, tuple[System, ...]]:
    """Return an environment's name and systems by its name or file; a name that has records here needs no file.

    Raises:
        BadEnvironment: there is no such environment, or its file is not in order.
    """
    from .. import labs  # noqa: PLC0415 - only these commands pay for it
    from ..environment import known, load, locate  # noqa: PLC0415 - only these commands pay for it
    from ..faults.records import folder_of  # noqa: PLC0415 - only these commands pay for it

    if not name.endswith(".toml"):
        records = "/" in name
        if records or (name not in known() and any(folder_of(name).glob("*.json"))):
            return name, ()
    path = locate(name)
    environment = load(path)
    if environment.lab_systems:
        running = labs.running_on(environment.lab_systems[0], environment.platform)
        if running is None:
            print(f"no lab is up on {environment.platform} here: only this machine's records are seen", file=sys.stderr)
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
        print(f"drillbook {command}: some harm is still in; mend it by hand, then run this again", file=sys.stderr)
    return 0 if found.clean else 1
