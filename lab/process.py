"""One process of the lab: started, stopped, signalled, and never restarted by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import clock, procfs
from .errors import LabError
from .logs import size, tail
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .children import Child, Children
    from .spec import ProcessSpec

State = Literal["running", "paused", "starting", "stopping", "exited"]
READY_EVERY_S = 0.025
READY_ANSWER_S = 2.0
ORPHANS_LEAVE_S = 1.0
EFFECT_S = 2.0
_WHOLE = {signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL}


@dataclass(frozen=True)
class Row:
    """What the keeper tells about a process; the shape that the control socket speaks."""

    name: str
    component: str
    pid: int | None
    state: State
    exit_code: int | None
    started_at: str | None
    exited_at: str | None
    starts: int
    log: str
    address: str


@dataclass(frozen=True)
class Stopped:
    """How a stop went."""

    exit_code: int
    killed: bool
    took_s: float


class Process:
    """One named process.

    Args:
        spec: how to run it; may be replaced as long as it does not run.
        children: starts it.
        home: its working directory.
        note: takes one line about each thing that happens to it.
    """

    def __init__(self, spec: ProcessSpec, *, children: Children, home: Path, note: Callable[[str], None]) -> None:
        self.spec = spec
        self._children = children
        self._home = home
        self._note = note
        self._child: Child | None = None
        self._ready = asyncio.Event()
        self._stopping = False
        self._log_begin = 0
        self._starts = 0
        self._started_at: str | None = None
        self._one_at_a_time = asyncio.Lock()
        self._clearing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """What users call it."""
        return self.spec.name

    @property
    def state(self) -> State:
        """Its state, as the kernel sees it."""
        child = self._alive()
        if child is None:
            return "exited"
        if self._stopping:
            return "stopping"
        found = procfs.stat(child.pid)
        if found is not None and found.state == "T":
            return "paused"
        return "running" if self._ready.is_set() else "starting"

    def row(self) -> Row:
        """Describe it."""
        child = self._child
        alive = self._alive()
        return Row(
            name=self.name,
            component=self.spec.component,
            pid=alive.pid if alive else None,
            state=self.state,
            exit_code=None if alive or child is None else child.exited.result().code,
            started_at=self._started_at,
            exited_at=None if alive or child is None else child.exited.result().at,
            starts=self._starts,
            log=str(self.spec.log),
            address=self.spec.address,
        )

    def log_tail(self) -> str:
        """Return the end of what its latest start has logged."""
        return tail(self.spec.log, self._log_begin)

    async def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            env: overrides that hold for this one start.

        Raises:
            LabError: it runs already, or it cannot be run.
        """
        async with self._one_at_a_time:
            alive = self._alive()
            if alive is not None:
                raise LabError(f"{self.name} runs already (pid {alive.pid}, {self.state})")
            if self._clearing is not None:
                await self._clearing
            spec = self.spec
            spec.before_start()
            self._log_begin = size(spec.log)
            try:
                child = self._children.spawn(
                    spec.argv,
                    env={**spec.env, **(env or {})},
                    log=spec.log,
                    cwd=self._home,
                    user=spec.user,
                    program=spec.program,
                )
            except OSError as error:
                raise LabError(f"{self.name}: cannot run {spec.argv[0]}: {error.strerror}") from None
            self._child, self._stopping = child, False
            self._ready = asyncio.Event()
            self._starts += 1
            self._started_at = clock.now()
            self._note(f"{self.name} started, pid {child.pid}" + (f", with {sorted(env)}" if env else ""))
            child.exited.add_done_callback(lambda exited: self._ended(child, exited.result().code))
            self._watching = asyncio.create_task(self._watch(child, self._ready))

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it is ready.

        Raises:
            LabError: it ended first or needs longer; with the end of its log.
        """
        child = self._alive()
        if child is None:
            raise LabError(f"{self.name} {self._end()} before it was ready; its log ends:\n{self.log_tail()}")
        ready = asyncio.create_task(self._ready.wait())
        try:
            either: set[asyncio.Future[Any]] = {ready, child.exited}
            await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if child.exited.done():
            raise LabError(f"{self.name} {self._end()} before it was ready; its log ends:\n{self.log_tail()}")
        if not self._ready.is_set():
            raise LabError(f"{self.name} is not ready after {timeout_s:g} s; its log ends:\n{self.log_tail()}")

    async def stop(self, grace_s: float) -> Stopped:
        """Ask it to stop, kill it when the grace is over, and wait until nothing of it is left.

        Raises:
            LabError: it does not run.
        """
        async with self._one_at_a_time:
            child = self._must_run()
            self._stopping = True
            began = time.monotonic()
            self._note(f"{self.name} is to stop: {self.spec.stop_signal.name}, {grace_s:g} s of grace")
            os.kill(child.pid, self.spec.stop_signal)
            await asyncio.wait({child.exited}, timeout=grace_s)
            killed = not child.exited.done()
            if killed:
                self._note(f"{self.name} is killed: the grace is over")
                child.signal_all(signal.SIGKILL)
            ended = await asyncio.shield(child.exited)
            took_s = time.monotonic() - began
            if self._clearing is not None:
                await self._clearing
            return Stopped(exit_code=ended.code, killed=killed, took_s=round(took_s, 3))

    async def signal(self, number: signal.Signals) -> None:
        """Send it a signal and wait until it shows, where it can be seen.

        STOP, CONT and KILL go to its children too, as a container's pause and kill do: PostgreSQL's backends
        would go on serving while their postmaster is frozen.

        Raises:
            LabError: it does not run.
        """
        child = self._must_run()
        self._note(f"{self.name} gets {number.name}")
        if number not in _WHOLE:
            os.kill(child.pid, number)
            return
        child.signal_all(number)
        if number is signal.SIGKILL:
            await asyncio.wait({child.exited}, timeout=EFFECT_S)
            return
        wanted = number is signal.SIGSTOP
        await wait_until(lambda: child.exited.done() or (_stopped(child.pid) is wanted), timeout_s=EFFECT_S)

    async def end(self, grace_s: float) -> None:
        """Stop it for good, whatever it is doing; does nothing when it is down."""
        child = self._alive()
        if child is not None and _stopped(child.pid):
            child.signal_all(signal.SIGKILL)
        elif child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, self.spec.stop_signal)
            await asyncio.wait({child.exited}, timeout=grace_s)
        if self._child is not None:
            self._child.signal_all(signal.SIGKILL)
            await asyncio.shield(self._child.exited)
            if self._clearing is not None:
                await self._clearing

    def _alive(self) -> Child | None:
        return None if self._child is None or self._child.exited.done() else self._child

    def _must_run(self) -> Child:
        self._children.reap()
        child = self._alive()
        if child is None:
            raise LabError(f"{self.name} does not run: it {self._end()}")
        return child

    def _end(self) -> str:
        if self._child is None:
            return "was never started"
        end = self._child.exited.result()
        how = f"was ended by {signal.Signals(-end.code).name}" if end.code < 0 else f"exited with {end.code}"
        return f"{how} at {end.at}"

    def _ended(self, child: Child, code: int) -> None:
        self._note(f"{self.name} ended with {code}")
        self._clearing = asyncio.create_task(self._clear(child))

    async def _clear(self, child: Child) -> None:
        """Let what it left behind leave by itself, as it would elsewhere, then kill the rest."""
        if not await wait_until(lambda: not child.members(), timeout_s=ORPHANS_LEAVE_S):
            child.signal_all(signal.SIGKILL)
            await wait_until(lambda: not child.members(), timeout_s=EFFECT_S)

    async def _watch(self, child: Child, ready: asyncio.Event) -> None:
        while not child.exited.done():
            with contextlib.suppress(OSError, TimeoutError, EOFError):  # not yet
                async with asyncio.timeout(READY_ANSWER_S):
                    answers = await self.spec.ready()
                if answers and procfs.listens(child.pid, self.spec.ports[0]):
                    ready.set()
                    self._note(f"{self.name} is ready")
                    return
            await asyncio.wait({child.exited}, timeout=READY_EVERY_S)


def _stopped(pid: int) -> bool:
    found = procfs.stat(pid)
    return found is not None and found.state == "T"
