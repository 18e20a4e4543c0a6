"""PostgreSQL's programs where the user that it runs as can start them: as installed, else a copy in the lab."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from .errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from .identity import Identity

_ASKS_WHO_IT_IS = ("initdb", "postgres")
_BY_USER = b"\0getpwuid\0"
_FIRST_ENTRY = b"\0getpwent\0"


def usable(installed: Path, runs_as: Identity, copy: Path) -> Path:
    """Return the folder with ``initdb`` and ``postgres`` that this user can run.

    A virtual environment in root's home cannot be entered by nobody. A user id without a name, as OpenShift gives
    one, is refused by ``initdb`` alone: the server itself does not mind.

    Args:
        installed: the folder as found.
        runs_as: who is to run them.
        copy: where a copy may be made; it does not exist yet.

    Raises:
        LabError: they cannot be copied, or this ``initdb`` insists on a name.
    """
    if runs_as.named and (runs_as.user is None or runs_as.starts(installed / "initdb")):
        return installed
    try:
        programs = _copied(installed, copy)
        if not runs_as.named:
            for name in _ASKS_WHO_IT_IS:
                _content_with_any_name(programs / name)
    except (OSError, shutil.Error) as error:
        raise LabError(f"cannot copy PostgreSQL's programs from {installed}: {error}") from None
    return programs


def _copied(installed: Path, copy: Path) -> Path:
    """Copy the tree, and the libraries that a wheel keeps beside its package, at the same distance."""
    tree = installed.parent
    package = tree.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(tree, copy / package.name / tree.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
    return copy / package.name / tree.name / installed.name


def _content_with_any_name(program: Path) -> None:
    """Let it take the first entry of the users' database for its own, of which it uses the name alone.

    It imports ``getpwuid`` from the C library by name; ``getpwent`` is as long, and returns an entry of the same
    type. What it may do is the kernel's affair, and does not change.
    """
    content = program.read_bytes()
    if _BY_USER not in content:
        raise LabError(f"{program.name} refuses a user without a name; add an entry for this user id to /etc/passwd")
    program.write_bytes(content.replace(_BY_USER, _FIRST_ENTRY))
