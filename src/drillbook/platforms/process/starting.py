"""Starts a command again as a service of its own, that outlives whoever has started it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from ..capabilities import PlatformRefused

if TYPE_CHECKING:
    from .found import Found

MARK = "DRILLBOOK_STARTED"
"""The variable that tells what we have started, however long it takes until it can be found."""
_STARTS_WITHIN_S = 60.0
_LAUNCHED_WITHIN_S = 10.0
"""How long what a launcher has started, and that bears no mark of ours, may take until it can be found."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UMASK = 0o022
_FRESH = """
import os, signal, sys
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_SETMASK, ())
user, group, *groups = (int(one) for one in sys.argv[1].split(","))
program = sys.argv[2]
try:
    if user != os.geteuid():
        os.setgroups(groups)
        os.setgid(group)
        os.setuid(user)
    os.execv(program, sys.argv[2:])
except OSError as error:
    sys.exit(f"{program}: {error.strerror}")
"""
"""A watchdog ignores signals that a service must hear, and that is inherited; a hook after the fork is no way in a
process with threads. It changes the user by itself: that one may not be able to run our Python."""


@dataclass(frozen=True, slots=True)
class _Launched:
    """What this process has started last under a mark."""

    process: subprocess.Popen[bytes]
    at_s: float
    """By the monotonic clock."""


_launched: dict[str, _Launched] = {}


def start(mark: str, found: Found) -> None:
    """Start the command of an instance: in a session of its own, in ``/``, without anything of our environment.

    It runs as us; where we are root and the instance names its user, as that user. Its environment is PATH, HOME, USER,
    LOGNAME, LANG and our mark; its output goes to the instance's log. What else it needs is for a script of its own.

    Raises:
        PlatformRefused: it cannot be run.
    """
    assert found.start is not None
    at_s = time.monotonic()
    try:
        account = _account(found.user)
        groups = os.getgrouplist(account.pw_name, account.pw_gid)
        identity = ",".join(str(one) for one in (account.pw_uid, account.pw_gid, *groups))
        with open(found.log or os.devnull, "ab") as output:  # noqa: PTH123 - a path or the system's own name
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _FRESH, identity, *found.start],
                cwd="/",
                env=_environment(account, mark),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=_UMASK,
            )
    except (OSError, KeyError, subprocess.SubprocessError) as error:
        raise PlatformRefused(f"cannot run {found.start[0]}: {error}", hint="run it by hand as the same user") from None
    _launched[mark] = _Launched(process, at_s)
    threading.Thread(target=process.wait, name=f"the end of {mark}", daemon=True).start()


def failed_with(mark: str) -> int | None:
    """Return, once, the exit status with which the last start under this mark has failed; None where it has not."""
    last = _launched.get(mark)
    if last is None or not last.process.returncode:
        return None
    del _launched[mark]
    return last.process.returncode


def forget(mark: str) -> None:
    """Note that what was started under this mark has been found: what ends from now on has ended."""
    _launched.pop(mark, None)


def is_starting(mark: str) -> bool:
    """Say whether something that was started under this mark within the last minute is still there.

    A command that has ended in good order has left it to another, which is given a little time.
    """
    last = _launched.get(mark)
    if last is not None:
        limit_s = {None: _STARTS_WITHIN_S, 0: _LAUNCHED_WITHIN_S}.get(last.process.returncode, 0.0)
        if time.monotonic() - last.at_s < limit_s:
            return True
    youngest_s = time.time() - _STARTS_WITHIN_S
    return any(_bears(one, mark) for one in psutil.process_iter() if _began_s(one) >= youngest_s)


def _account(user: str | None) -> pwd.struct_passwd:
    """Return whom it runs as. Raises KeyError for a user that is not known here, PermissionError for another's."""
    account = pwd.getpwuid(os.geteuid()) if user is None else pwd.getpwnam(user)
    if os.geteuid() not in (0, account.pw_uid):
        raise PermissionError(f"only root starts it as {user}")
    return account


def _environment(account: pwd.struct_passwd, mark: str) -> dict[str, str]:
    name = account.pw_name
    return {"PATH": _PATH, "HOME": account.pw_dir, "USER": name, "LOGNAME": name, "LANG": "C.UTF-8", MARK: mark}


def _began_s(process: psutil.Process) -> float:
    try:
        return float(process.create_time())
    except psutil.Error:
        return 0.0


def _bears(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False
