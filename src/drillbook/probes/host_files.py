"""Files of a service on its host: there or not, owner, mode, who may read and write; contents never leave the host."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import ClassVar

from ..model import CannotObserve, System, Target
from ..platforms import RunsOnHost
from ..platforms.systemd.settings import SystemdHost
from .base import ReadingProbe
from .blindness import lacks
from .remote_host import on_host

_NO_HOST_MEND = "name the host under systems.NAME.systemd in the environment file"


@dataclass(frozen=True, slots=True)
class FileState:
    """One file or folder, there or not."""

    exists: bool
    kind: str = ""
    """As stat calls it: ``regular file``, ``directory`` ..."""
    mode: str = ""
    """Octal, without a leading zero."""
    owner: str = ""
    group: str = ""

    def words(self) -> str:
        """Say it in a few words."""
        return f"{self.kind}, {self.owner}:{self.group}, mode {self.mode}" if self.exists else "not there"


@dataclass(frozen=True, slots=True)
class FilesReading:
    """What the host says about its files. Questions that could not be answered stand in ``unanswered``."""

    files: dict[str, FileState]
    sets_variable: bool | None
    """Whether the file of secrets gives the variable a value of three characters or more; none of it is read."""
    foreign: str | None
    """A path in the tree that is not the user's; empty when all are; None when the tree is not there."""
    may: dict[str, bool]
    """Whether the service's user may read (``-r PATH``) or write (``-w PATH``)."""
    unanswered: dict[str, str] = field(default_factory=dict)
    """The reason by question: a path, ``variable``, ``tree``, ``-r PATH``."""


@dataclass(frozen=True)
class HostFiles(ReadingProbe[FilesReading]):
    """Look at a service's files on its host, in one round trip; root's questions are asked through sudo.

    Attributes:
        paths: what to stat.
        variable: a file, and the variable that it should set.
        tree: a folder, and the user and group that should own everything in it.
        access: what the service's user (of ``tree``) should be able to do: ``-r PATH``, ``-w PATH``.
    """

    paths: tuple[str, ...]
    variable: tuple[str, str]
    tree: tuple[str, str, str]
    access: tuple[str, ...]
    reading: ClassVar[type[FilesReading]] = FilesReading
    together: ClassVar[bool] = True
    timeout_s: ClassVar[float] = 15.0  # connecting, and two questions on a busy host

    def blind(self, system: System) -> str | None:
        """Return why there is no host to look at."""
        return lacks(system, RunsOnHost, "looks at files on a host")

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the host."""
        return (Target(system, "host"),)

    def source(self, target: Target) -> str:
        """Return where the files are."""
        where = target.system.place.held_as(SystemdHost)
        return f"files on {where.host if where else 'no host'}: {', '.join(self.paths)}"

    def observe(self, target: Target) -> FilesReading:
        """Ask everything at once. Raises CannotObserve when there is no host or it does not answer."""
        run = on_host(target.system)
        if run is None:
            raise CannotObserve("the environment names no host to look at", hint=_NO_HOST_MEND)
        return _parse(run(self._script()))

    def _script(self) -> str:
        """Return the script: one line for each question, ``question<TAB>exit status<TAB>answer or complaint``."""
        file, name = self.variable
        folder, user, group = self.tree
        # Exactly these words stand in a sudoers file: whoever changes them asks operators to change theirs.
        grep = shlex.join(["grep", "-c", f"^{name}=...", file])
        find = shlex.join(["find", folder, *f"( ! -user {user} -o ! -group {group} ) -print -quit".split()])
        asks = [(f"file {path}", shlex.join(["stat", "--printf=%F|%a|%U|%G", "--", path])) for path in self.paths]
        asks += [("variable", f"$root {grep}"), ("tree", f"$root {find}")]
        asks += [(f"may {each}", f"$user test {each}") for each in self.access]
        lines = [
            'root= user="runuser -u ' + shlex.quote(user) + ' --"',
            f'[ "$(id -u)" = 0 ] || {{ root="sudo -n"; user="sudo -n -u {shlex.quote(user)}"; }}',
            'ask() { q=$1; shift; a=$("$@" 2>&1); printf "%s\\t%s\\t%s\\n" "$q" $? "$(echo "$a" | tail -n 1)"; }',
        ]
        return "\n".join(lines + [f"ask {shlex.quote(question)} {command}" for question, command in asks])


def _parse(text: str) -> FilesReading:
    files: dict[str, FileState] = {}
    may: dict[str, bool] = {}
    unanswered: dict[str, str] = {}
    sets: bool | None = None
    foreign: str | None = None
    for line in text.removesuffix("\n").split("\n"):
        question, status, answer = line.split("\t", 2)
        kind, _, what = question.partition(" ")
        absent = "No such file or directory" in answer
        if kind == "file" and (status == "0" or absent):
            files[what] = FileState(exists=False) if absent else FileState(True, *answer.split("|"))  # noqa: FBT003 - named by its class
        elif kind == "variable" and (answer.isdigit() or absent):
            sets = not absent and int(answer) > 0
        elif kind == "tree" and (status == "0" or absent):
            foreign = None if absent else answer
        elif kind == "may" and status in ("0", "1") and not answer:
            may[what] = status == "0"
        else:
            unanswered[what or kind] = answer or f"exit status {status}"
    return FilesReading(files, sets, foreign, may, unanswered)
