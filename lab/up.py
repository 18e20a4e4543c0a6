"""Starts a keeper in the background and waits until its lab is ready."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import clock
from .errors import LabError
from .progress import Progress
from .registry import Record

if TYPE_CHECKING:
    from .options import Options

ALTOGETHER_S = 120.0
_TICK_S = 0.1
_ROOT = Path(__file__).resolve().parents[1]


def launch(system: str, options: Options) -> Record:
    """Start a lab that outlives us.

    Returns:
        What to remember about it.

    Raises:
        LabError: it did not get ready; nothing of it is left.
    """
    path = [str(Path(part).resolve()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    keeper = subprocess.Popen(
        [sys.executable, "-P", "-m", "lab", "run", system, "--progress", *options.argv()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *path])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    )
    try:
        ready = _wait(keeper, Progress(f"{system} lab"))
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            keeper.send_signal(signal.SIGTERM)
        keeper.wait()
        raise
    keeper.returncode = 0  # it is on its own from here
    return Record(
        system=system,
        dir=ready["dir"],
        environment=ready["environment"],
        control=ready["control"],
        pid=ready["pid"],
        started_at=clock.now(),
        instances=options.instances,
        version=options.version,
        defects=options.defects,
    )


def _wait(keeper: subprocess.Popen[bytes], progress: Progress) -> dict[str, Any]:
    """Show the keeper's progress, from its stderr, until its one line comes on stdout."""
    assert keeper.stdout is not None
    assert keeper.stderr is not None
    out, err = keeper.stdout.fileno(), keeper.stderr.fileno()
    texts = {out: b"", err: b""}
    deadline = time.monotonic() + ALTOGETHER_S
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        selector.register(err, selectors.EVENT_READ)
        while out in selector.get_map() and b"\n" not in texts[out]:
            if time.monotonic() > deadline:
                raise LabError(f"the lab is not ready after {ALTOGETHER_S:g} s; it said:\n{texts[err].decode()}")
            for key, _ in selector.select(_TICK_S):
                chunk = os.read(key.fd, 65536)
                texts[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
            lines = texts[err].decode(errors="replace").splitlines()
            progress.on(lines[-1] if lines else "the keeper")
            progress.tick()
    progress.done()
    if not texts[out]:
        raise LabError(f"the keeper ended without an answer; it said:\n{texts[err].decode()}")
    answer: dict[str, Any] = json.loads(texts[out])
    if not answer["ready"]:
        raise LabError(answer["error"])
    return answer
