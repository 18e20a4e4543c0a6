"""Takes observations concurrently: once per probe and target, bounded per target, each with its own deadline."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import clock, pace
from .model import AsRead, CannotObserve, Observation, Probe, Target

if TYPE_CHECKING:
    from .redaction import Redactor

_THREADS = 16
_PER_TARGET = 4

Key = tuple[str, str]
"""A probe's key and a target's id."""


@dataclass(frozen=True)
class Want:
    """One reading that is needed."""

    probe: Probe[Any]
    target: Target

    @property
    def key(self) -> Key:
        """What makes two wants the same reading."""
        return (self.probe.key, target_id(self.target))


def target_id(target: Target) -> str:
    """Return ``system/name``, unique in an environment."""
    return f"{target.system.name}/{target.name}"


@dataclass
class _Round:
    """The state that the threads of one round share."""

    todo: queue.SimpleQueue[Want]
    redactor: Redactor
    gates: dict[str, threading.Semaphore]
    changed: threading.Condition = field(default_factory=threading.Condition)
    started: dict[Key, float] = field(default_factory=dict)
    waiting: dict[Key, pace.Waiting] = field(default_factory=dict)
    seen: dict[Key, Observation] = field(default_factory=dict)

    def work(self) -> None:
        while True:
            try:
                want = self.todo.get_nowait()
            except queue.Empty:
                return
            with self.gates[_gate(want)], pace.counted() as waiting:
                with self.changed:
                    self.waiting[want.key] = waiting
                    self.started[want.key] = time.monotonic()
                observation = take(want, self.redactor)
            with self.changed:
                self.seen.setdefault(want.key, observation)
                self.changed.notify()


def observe(
    wants: Iterable[Want],
    redactor: Redactor,
    *,
    deadline_s: float | None = None,
    done: Callable[[Observation], None] = lambda _seen: None,
) -> dict[Key, Observation]:
    """Take every wanted reading once.

    A reading that exceeds its probe's ``timeout_s``, our own ``max_rps`` not counted, or that is unfinished when
    ``deadline_s`` (from now) has passed, becomes an error; its thread is a daemon and cannot hold the exit.

    Args:
        wants: the readings; equal ones are taken once.
        redactor: applied to every value and error before anyone sees it.
        deadline_s: bounds the whole.
        done: called in this thread for each observation.

    Returns:
        One observation for each distinct want.
    """
    unique = {want.key: want for want in wants}
    shared = _Round(
        queue.SimpleQueue(),
        redactor,
        {_gate(want): threading.Semaphore(_PER_TARGET) for want in unique.values()},
    )
    together = [want for want in unique.values() if want.probe.together]
    apart = [want for want in unique.values() if not want.probe.together]
    for want in together + apart:
        shared.todo.put(want)
    for _ in range(len(together) + min(_THREADS, len(apart))):  # those that travel together wait for nobody
        threading.Thread(target=shared.work, daemon=True).start()
    end = None if deadline_s is None else time.monotonic() + deadline_s
    reported: set[Key] = set()
    with shared.changed:
        while len(reported) < len(unique):
            _give_up_on_late(shared, unique, end)
            for key in shared.seen.keys() - reported:
                reported.add(key)
                done(shared.seen[key])
            if len(reported) < len(unique):
                shared.changed.wait(timeout=0.05)
    return dict(shared.seen)


def take(want: Want, redactor: Redactor) -> Observation:
    """Take one reading now, in this thread."""
    source = redactor.own(want.probe.source(want.target))
    at = clock.now()
    began = time.perf_counter()

    def finished(**outcome: Any) -> Observation:
        duration_ms = round((time.perf_counter() - began) * 1000, 1)
        return Observation(want.probe.key, target_id(want.target), source, at, duration_ms, **outcome)

    try:
        _refuse_hidden(want.target)
        reading = want.probe.observe(want.target)
        return finished(**value_of(want.probe, reading, redactor))
    except CannotObserve as broken:
        return finished(error=redactor.shown(broken.reason), hint=redactor.own(broken.hint))
    except Exception as crash:  # noqa: BLE001 - a crash in a probe is a broken eye: UNKNOWN, never a pass
        return finished(
            error=redactor.shown(f"the probe broke: {type(crash).__name__}: {crash}"),
            hint="this is a defect of the probe: report it with the journal",
        )


def value_of(probe: Probe[Any], reading: Any, redactor: Redactor) -> dict[str, Any]:
    """Return an observation's value: what may be seen of a reading, and, where that is not all, what is judged."""
    read = probe.encode(reading)
    safe = redactor.reading(reading, read)
    return {"value": safe} if safe == read else {"value": safe, "masked": True, "as_read": AsRead(read)}


def _gate(want: Want) -> str:
    """Return whose limit a reading counts for: its target's, or nobody's when it travels with others."""
    return repr(want.key) if want.probe.together else target_id(want.target)


def _refuse_hidden(target: Target) -> None:
    if target.instance is not None and target.instance.hidden is not None:
        raise CannotObserve(target.instance.hidden.reason, hint=target.instance.hidden.hint)


def _give_up_on_late(shared: _Round, unique: dict[Key, Want], end: float | None) -> None:
    """Record an error for what is late, and start a thread in the place of the one that it holds."""
    now = time.monotonic()
    for key, want in unique.items():
        if key in shared.seen:
            continue
        started = shared.started.get(key)
        late = started is not None and now - started - shared.waiting[key].seconds > want.probe.timeout_s
        if late or (end is not None and now >= end):
            limit = f"{want.probe.timeout_s:g} s" if late else "the deadline of the run"
            shared.seen[key] = Observation(
                want.probe.key,
                target_id(want.target),
                shared.redactor.own(want.probe.source(want.target)),
                clock.now(),
                round((now - started) * 1000, 1) if started else 0.0,
                error=f"no answer within {limit}",
                hint="look at the source by hand; raise --deadline if the run was cut short",
            )
            if late:
                shared.gates[_gate(want)].release()
            threading.Thread(target=shared.work, daemon=True).start()
