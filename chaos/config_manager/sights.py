"""What scenarios look at while a fault is in effect."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Self

from drillbook import timeline
from drillbook.accepts.http import shown
from drillbook.accepts.scenario import BLIND
from drillbook.model import CannotObserve, Target
from drillbook.platforms import LogText, discovered
from drillbook.polling import TimedOut, wait_until
from drillbook.probes.http import request
from drillbook.probes.postgres import Postgres
from drillbook.probes.recorded import Ended, Sights
from drillbook.probes.tails import entries_since, said_since

from .criteria import LIE, SHUTDOWN_MESSAGES, TRUTH

if TYPE_CHECKING:
    from types import TracebackType

    from drillbook.drill.scenario import Scenario
    from drillbook.model import Instance, System
    from drillbook.platforms import Stopped

_EXAMPLE = "/api/v1/configs/test/example?env=production"


def ended(system: System, instance: Instance, stopped: Stopped, *, since: float) -> Ended:
    """Return how an instance ended, with its log since then (a moment of the run's time line)."""
    since = timeline.earliest_wall(since)
    kept = stopped.said is None
    said = (
        said_since(system, instance, since, SHUTDOWN_MESSAGES)
        if kept
        else entries_since(LogText(stopped.said or (), whole=True), since, SHUTDOWN_MESSAGES)
    )
    return Ended(
        instance=instance.name,
        exit_code=stopped.exit_code,
        killed=stopped.killed,
        took_s=round(stopped.took_s, 3),
        said=said,
        failure=stopped.failure,
    )


def health_of_all(system: System) -> Sights:
    """Ask every instance for its health once and keep what it says of its cache."""
    found = []
    for instance in discovered(system).instances:
        answer = request(Target(system, instance.name, instance), "GET", f"{instance.url}/health", timeout_s=3)
        cache = shown(answer.get("checks.cache.status"))
        found.append(f"{instance.name}: checks.cache.status == {cache}; {answer.summary()}")
    return Sights(tuple(found))


def backends(system: System) -> Sights:
    """Count the application's connections to PostgreSQL once."""
    try:
        state = Postgres().observe(Postgres().targets(system)[0])
    except (CannotObserve, IndexError) as broken:
        return Sights((f"{BLIND}: {broken}",))
    if not state.accepting:
        return Sights((f"{BLIND}: {state.failure}",))
    return Sights((f"connections of the application: {state.application_backends()}",))


class StartUpWatch:
    """Asks the instance that starts, again and again, whether it says healthy while its API refuses.

    Where the platform puts another replica in its place, the one to ask is known only once it is there.
    """

    def __init__(self, scenario: Scenario, instance: Instance) -> None:
        self._system = scenario.system
        self._instance = instance
        self._known = {one.name for one in scenario.system.instances} - {instance.name}
        self._seen: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def await_healthy(self, *, timeout_s: float) -> None:
        """Wait until it was seen healthy with an API that answers; whoever judges sees when it never was."""
        with contextlib.suppress(TimedOut):
            wait_until(
                lambda: any(one.startswith(TRUTH) for one in self._seen),
                what="the instance to be healthy",
                timeout_s=timeout_s,
                every_s=0.1,
            )

    def sights(self) -> Sights:
        """Return what was seen."""
        return Sights(tuple(self._seen))

    def _look(self) -> None:
        while not self._over.wait(0.05):
            try:
                instance = self._starting()
                if instance is not None and instance.url is not None:
                    self._seen.append(self._sight(Target(self._system, instance.name, instance), instance.url))
            except CannotObserve as broken:  # there is no way to it yet: nobody is told that it is healthy
                self._seen.append(f"not reached: {broken}")
            except Exception as crash:  # noqa: BLE001 - whatever it is, what comes after goes unseen
                self._seen.append(f"{BLIND}: {type(crash).__name__}: {crash}")
                return

    def _starting(self) -> Instance | None:
        """Return the instance itself, or the one that has come in its place; None before there is one."""
        there = discovered(self._system).instances if self._system.api.discovered else (self._instance,)
        return next((one for one in there if one.name not in self._known), None)

    @staticmethod
    def _sight(target: Target, base: str) -> str:
        health = request(target, "GET", f"{base}/health", timeout_s=2)
        api = request(target, "GET", f"{base}{_EXAMPLE}", timeout_s=2)
        healthy = health.get("status") == "healthy"
        refused = api.status not in {200, 404}  # whether the example's key exists is not the question
        if healthy and not refused:
            return f"{TRUTH}: {api.summary()}"
        if healthy:
            still = request(target, "GET", f"{base}/health", timeout_s=2)
            if still.get("status") == "healthy":
                return f"{LIE}: {api.summary()} at {time.strftime('%H:%M:%S', time.gmtime())}"
        return f"health {health.summary()}, API {api.summary()}"
