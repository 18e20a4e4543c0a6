"""Outlives the keeper by a moment: whatever happens to the keeper, nothing of the lab stays.

The warden is the keeper's parent and adopts what the keeper orphans. When the keeper is killed, the kernel
kills the lab's processes and the warden ends the rest and removes the directory. When the warden is killed,
the keeper is told and tears the lab down.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from . import directory, kernel, procfs
from .keeper import STOP_SIGNALS, Keeper

if TYPE_CHECKING:
    from .directory import Layout
    from .options import Options


def run(options: Options, *, owner: int | None, progress: bool) -> int:
    """Hold a lab in the foreground until it is told to end.

    Args:
        options: the lab's make-up.
        owner: the read end of a pipe; its end-of-file means that the owner has died.
        progress: whether to write to stderr what is being waited for.

    Returns:
        The exit status.

    Raises:
        LabError: the lab's directory cannot be made.
    """
    os.umask(0o077)
    directory.sweep()
    # Blocked, so that none gets lost between here and the moment that somebody listens.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOP_SIGNALS, signal.SIGCHLD})
    layout, _lock = directory.create()  # held by both, to the end
    kernel.adopt_orphans()
    warden = os.getpid()
    keeper = os.fork()
    if keeper == 0:
        os._exit(_keep(warden, layout, options, owner=owner, progress=progress))
    if owner is not None:
        with contextlib.suppress(OSError):  # the keeper says what is wrong with it
            os.close(owner)
    status = _wait_for(keeper)
    _end_all()
    if layout.root.exists():
        directory.remove(layout.root)
    return min(status, 1)


def _keep(warden: int, layout: Layout, options: Options, *, owner: int | None, progress: bool) -> int:
    try:
        kernel.die_with_parent(warden, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        return asyncio.run(Keeper(layout, options, say=_say if progress else _say_nothing).run(owner))
    except BaseException:  # noqa: BLE001 - this half must end here, and not return into its parent's code
        sys.excepthook(*sys.exc_info())
        return 1


def _wait_for(keeper: int) -> int:
    """Return the keeper's exit status; hand on what we are told meanwhile."""
    while True:
        number = signal.sigwait({*STOP_SIGNALS, signal.SIGCHLD})
        if number != signal.SIGCHLD:
            os.kill(keeper, signal.SIGTERM)
        pid, status = os.waitpid(keeper, os.WNOHANG)
        if pid == keeper:
            return abs(os.waitstatus_to_exitcode(status))


def _end_all() -> None:
    """Kill and reap what the keeper left; each death may hand us further orphans."""
    while True:
        for process in procfs.table().values():
            if process.parent == os.getpid():
                os.kill(process.pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads any more
        os.write(sys.stderr.fileno(), f"{line}\n".encode())


def _say_nothing(line: str) -> None:
    del line
