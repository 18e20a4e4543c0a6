"""As whom PostgreSQL runs: it refuses to be root."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NOBODY = 65534
_NAMESPACE = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")


@dataclass(frozen=True)
class Identity:
    """As whom PostgreSQL runs.

    Attributes:
        prefix: goes before its command.
        user: the user and group to change to, or None.
        named: whether the users' database knows the user.
    """

    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None
    named: bool = True

    def starts(self, program: Path) -> bool:
        """Return whether this user can reach and start a program that knows ``--version``."""
        user, group = self.user or (None, None)
        try:
            tried = subprocess.run(
                (*self.prefix, str(program), "--version"),
                cwd="/",
                user=user,
                group=group,
                extra_groups=() if self.user else None,
                capture_output=True,
                check=False,
            )
        except OSError:
            return False
        return tried.returncode == 0


def identity() -> Identity:
    """Find a way to run PostgreSQL: as ourselves, or, being root, as nobody.

    A user namespace is preferred: it sees nobody, the kernel sees us, and no directory need be opened.
    """
    if os.geteuid() != 0:
        return Identity(named=_has_name(os.geteuid()))
    if shutil.which(_NAMESPACE[0]) is not None:
        tried = subprocess.run((*_NAMESPACE, "true"), capture_output=True, check=False)
        if tried.returncode == 0:
            return Identity(prefix=_NAMESPACE, named=_has_name(_NOBODY))
    with contextlib.suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        return Identity(user=(nobody.pw_uid, nobody.pw_gid))
    return Identity(user=(_NOBODY, _NOBODY), named=_has_name(_NOBODY))


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
