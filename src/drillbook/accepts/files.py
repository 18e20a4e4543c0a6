"""Judges for files on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met_if, not_met, rule, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Accepts, Finding
    from ..probes.host_files import FilesReading, FileState


def is_file(path: str) -> Accepts[FilesReading]:
    """Accept a regular file at this path."""
    return _about(path, f"{path} is a file", lambda found: met_if(found.kind.startswith("regular"), found.words()))


def mode(path: str, octal: str) -> Accepts[FilesReading]:
    """Accept this mode, given as stat shows it."""
    return _about(path, f"{path} has mode {octal}", lambda found: met_if(found.mode == octal, found.words()))


def owned(path: str, *, owner: str, groups: tuple[str, ...]) -> Accepts[FilesReading]:
    """Accept this owner with one of these groups."""
    return _about(
        path,
        f"{path} belongs to {' or '.join(f'{owner}:{group}' for group in groups)}",
        lambda found: met_if(found.owner == owner and found.group in groups, found.words()),
    )


def all_owned(path: str, *, owner: str, group: str) -> Accepts[FilesReading]:
    """Accept a folder in which everything belongs to this owner and group."""

    def check(reading: FilesReading) -> Finding:
        if reason := reading.unanswered.get("tree"):
            return unknown(f"could not look: {reason}")
        if reading.foreign is None:
            return not_met(f"{path} is not there")
        return met_if(not reading.foreign, (reading.foreign and f"{reading.foreign} does not") or "all of it")

    return rule(f"{path} and everything below it belong to {owner}:{group}", check)


def sets(path: str, variable: str) -> Accepts[FilesReading]:
    """Accept a file that gives the variable a value (CM-07: not an empty one, not a comment, not a longer name)."""

    def check(reading: FilesReading) -> Finding:
        if reading.sets_variable is None:
            return unknown(f"could not look: {reading.unanswered.get('variable', 'not asked')}")
        return met_if(reading.sets_variable, "a value is set" if reading.sets_variable else "no value is set")

    return rule(f"{path} sets {variable} to a value", check)


def accessible(*access: str) -> Accepts[FilesReading]:
    """Accept when the service's user may do all of this (``-r PATH`` read, ``-w PATH`` write)."""

    def check(reading: FilesReading) -> Finding:
        missing = [each for each in access if each not in reading.may]
        if missing:
            return unknown(f"could not look: {missing[0]}: {reading.unanswered.get(missing[0], 'not asked')}")
        refused = [each for each in access if not reading.may[each]]
        return met_if(not refused, f"refused: {', '.join(refused)}" if refused else f"{len(access)} allowed")

    return rule(f"the service's user passes test {', '.join(access)}", check)


def _about(path: str, expected: str, check: Callable[[FileState], Finding]) -> Accepts[FilesReading]:
    def guarded(reading: FilesReading) -> Finding:
        if path not in reading.files:
            return unknown(f"could not look: {reading.unanswered.get(path, 'not asked')}")
        return check(reading.files[path])

    return rule(expected, guarded)
