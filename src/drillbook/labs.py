"""The lab on this machine: the one that ``drillbook lab up`` left running, else one of our own for this run."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from . import carried
from .platforms import lab_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 30.0


class LabFailed(Exception):
    """The lab could not be brought up; the text says why and what to do."""


@dataclass
class Lab:
    """A lab that can be judged. ``close`` takes down what this run brought up and leaves a user's lab alone."""

    environment: Path
    _keeper: subprocess.Popen[bytes] | None = None
    _owner_fd: int | None = None

    def close(self) -> None:
        """Let go: the keeper sees the end of the pipe and takes everything down."""
        if self._owner_fd is not None:
            os.close(self._owner_fd)
            self._owner_fd = None
        if self._keeper is not None:
            try:
                self._keeper.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._keeper.terminate()
                self._keeper.wait(_STOP_LIMIT_S)
            for stream in (self._keeper.stdout, self._keeper.stderr):  # only now: it may have had something to say
                if stream is not None:
                    stream.close()


def acquire(systems: Iterable[str], progress: Callable[[str], None], platform: str = "process") -> tuple[Lab, ...]:
    """Return a lab for each system: the one that is up, or one that ends with this process.

    Some platforms' labs are never brought up by a gate: where that changes a cluster that may be somebody else's, or
    takes minutes the first time.

    Args:
        systems: which; when one cannot be had, none is brought up, or what was is taken down again.
        progress: shows a line.
        platform: where.

    Raises:
        LabFailed: there is no such lab, or it did not come up.
    """
    systems = tuple(systems)
    here = lab_on(platform)
    without = [system for system in systems if not carried.has_lab(system)]
    if without:
        raise LabFailed(f"there is no lab of {', '.join(without)}; leave it out of [lab] systems")
    running = {system: running_on(system, platform) for system in systems}
    down = [system for system, path in running.items() if path is None]
    if down and (here is None or not here.says):
        raise LabFailed(f"none of {', '.join(down)} is up on {platform}: drillbook lab up {down[0]} --on {platform}")
    labs: list[Lab] = []
    with contextlib.ExitStack() as unless_all_are_up:
        for system, path in running.items():
            labs.append(_brought_up(system, progress, platform) if path is None else Lab(path))
            unless_all_are_up.callback(labs[-1].close)
        unless_all_are_up.pop_all()
    return tuple(labs)


def _brought_up(system: str, progress: Callable[[str], None], platform: str) -> Lab:
    how = lab_on(platform)
    assert how is not None
    progress(how.says.format(system=system))
    return bring_up(system, *how.options, limit_s=how.limit_s)


def running_on(system: str, platform: str) -> Path | None:
    """Return the environment file of the lab that is up on a platform, or None."""
    here = lab_on(platform)
    return None if here is None else here.running(system)


def bring_up(system: str, *options: str, limit_s: float = _START_LIMIT_S) -> Lab:
    """Bring up a lab that ends with this process; options are those of ``drillbook lab run``. Raises LabFailed."""
    read_end, write_end = os.pipe()
    arguments, environment = carried.lab_command("run", system, "--owner-fd", str(read_end), *options)
    keeper = subprocess.Popen(
        arguments,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[read_end],
        start_new_session=True,
    )
    os.close(read_end)
    lab = Lab(Path(), keeper, write_end)
    try:
        lab.environment = _environment_of(_first_line(keeper, limit_s))
    except BaseException:
        lab.close()
        raise
    return lab


def _environment_of(answer: dict[str, object]) -> Path:
    if not answer.get("ready"):
        raise LabFailed(str(answer.get("error", "no reason given")))
    return Path(str(answer["environment"]))


def _first_line(keeper: subprocess.Popen[bytes], limit_s: float) -> dict[str, object]:
    """Wait, bounded, for the keeper's one line of JSON. Raises LabFailed."""
    assert keeper.stdout is not None
    assert keeper.stderr is not None
    end = time.monotonic() + limit_s
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(keeper.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, end - time.monotonic())):
                raise LabFailed(f"not ready within {limit_s:g} s")
            part = os.read(keeper.stdout.fileno(), 65536)
            if not part:
                raise LabFailed(_why(line, keeper.stderr))
            line += part
    try:
        found: dict[str, object] = json.loads(line)
    except ValueError:
        raise LabFailed(f"its first line is not JSON: {line[:200]!r}") from None
    return found


def _why(line: bytes, stderr: IO[bytes]) -> str:
    text = stderr.read().decode(errors="replace").strip() or line.decode(errors="replace").strip()
    hint = "\ninstall the lab's parts: pip install 'drillbook[lab]'" if "ModuleNotFoundError" in text else ""
    return f"the keeper ended: {text[-800:] or 'without a word'}{hint}"
