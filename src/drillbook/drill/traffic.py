"""Client-side truth beside a fault: an availability sampler and a ledger of acknowledged writes."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, replace
from json import loads
from typing import TYPE_CHECKING, Protocol, Self

from .. import timeline
from ..faults import INTERRUPTS
from ..faults.claims.own_keys import PREFIX, OwnKeys
from ..journal.events import OwnKeysDeleted, TrafficMeasured
from ..model import CannotObserve, Target
from ..platforms import PlatformRefused
from ..polling import TimedOut, wait_until
from ..probes.http import Answer, request
from ..probes.recorded import Downtime, WriteLosses
from ..traffic.availability import Availability, NotRecovered, Quality, bad_share, between, quality
from ..traffic.in_flight import SlowRequests, slow_requests
from ..traffic.ledger import Ledger
from ..traffic.sampler import Sampler
from ..traffic.service import KeyedApi, Service
from .ends import Refused, TooLittleTraffic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from ..journal import Journal
    from ..model import System


LEAST_SAMPLES_PER_S = 5.0
"""Below this an outage of a second would be a matter of luck."""
HASTY_S = 5.0
"""For deleting keys when the run was ended, or its story failed: the service may be down, and somebody waits."""


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """What a system's clients do while a scenario runs; each system brings its own."""

    api: Callable[[str], KeyedApi]
    """The keyed API in a namespace."""
    samples_per_s: float = 50.0
    writes_per_s: float = 20.0
    others_per_s: float = 10.0
    """What is left for probes and for requests in flight, where the environment sets a ``max_rps``."""
    bad_after_ms: float = 250.0
    warm_up_s: float = 2.0
    floor: float = 0.8
    """The share of the offered rate that must have been good before a fault counts."""

    def bad_after(self, limit_ms: float | None) -> TrafficPlan:
        """Return this plan with the environment's own limit, where it has one."""
        return self if limit_ms is None else replace(self, bad_after_ms=limit_ms)

    def within(self, max_rps: float | None) -> TrafficPlan:
        """Return this plan with all its rates lowered alike, so that they keep to ``max_rps`` together.

        Raises:
            Refused: too few samples would be left to see an outage by.
        """
        whole = self.samples_per_s + self.writes_per_s + self.others_per_s
        if max_rps is None or max_rps >= whole:
            return self
        share = max_rps / whole
        if self.samples_per_s * share < LEAST_SAMPLES_PER_S:
            least = LEAST_SAMPLES_PER_S * whole / self.samples_per_s
            raise Refused(f"its clients need {least:g} requests a second, and api.max_rps allows {max_rps:g}")
        return replace(
            self,
            samples_per_s=self.samples_per_s * share,
            writes_per_s=self.writes_per_s * share,
            others_per_s=self.others_per_s * share,
        )


class RemembersKeys(Protocol):
    """The environment's claim, as clients need it."""

    def remember(self, keys: OwnKeys) -> None:
        """Remember keys durably. Raises OSError, PlatformRefused, CannotObserve."""
        ...

    def forget(self, keys_id: str) -> None:
        """Forget keys that are deleted. Raises PlatformRefused, CannotObserve."""
        ...


class Traffic:
    """Sampler and ledger, started together, with a floor before any fault.

    Args:
        system: where; its entry, or else its instances with client-side failover.
        namespace: where may be written.
        plan: what the clients do, within the system's ``max_rps``.
        directory: where samples and ledger go.
        journal: the run's record.
        claim: remembers which keys may be written, for whoever comes after a run that is gone.
        say: shows a line of progress.
    """

    def __init__(
        self,
        system: System,
        namespace: str,
        plan: TrafficPlan,
        *,
        directory: Path,
        journal: Journal,
        claim: RemembersKeys,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        instances = system.ways_in
        limited = system.max_rps is not None
        self.service = Service.of(instances, max_rps=plan.others_per_s if limited else None)
        self._alone = replace(self.service, max_rps=system.max_rps)
        self._plan = plan
        self._namespace = namespace
        self._journal = journal
        self._claim = claim
        self._say = say
        self._ended = False
        directory.mkdir(parents=True)
        self._api = plan.api(namespace)
        self._target = Target(system, instances[0].name, instances[0])
        mark = secrets.token_hex(4)
        prefix = f"{PREFIX}{mark}"
        self._canary = f"{prefix}-canary"
        self._sampler = Sampler(
            self.service,
            self._api.read.path_for(self._canary),
            file=directory / "samples.jsonl",
            rate_per_s=plan.samples_per_s,
            bad_after_ms=plan.bad_after_ms,
        )
        self._ledger = Ledger(
            self._alone,
            self._api,
            file=directory / "ledger.jsonl",
            rate_per_s=plan.writes_per_s,
            prefix=prefix,
        )
        delete = self._api.delete
        self._keys = OwnKeys(
            id=mark,
            run=str(journal.directory.absolute()),
            system=system.name,
            namespace=namespace,
            ledger=str((directory / "ledger.jsonl").absolute()),
            prefix=prefix,
            per_s=plan.writes_per_s,
            extra=(self._canary,),
            path=delete.path,
            done=delete.expected,
            absent=delete.absent,
        )
        self._availability: Availability | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if not self._keys.surely_ours:
            self._say(f"a DELETE of {self._keys.path} names no namespace: if this run is killed, its test keys stay")
        self._remember(self._keys)
        try:
            self._write_canary()
            self._sampler.start()
            self._ledger.start()
            self._await_floor()
        except BaseException as ending:  # nobody would end them otherwise: without an entry there is no exit
            self.give_up(within_s=self._patience_s() if isinstance(ending, Exception) else HASTY_S)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.give_up()
            return
        try:
            if self._availability is None:
                self.stop()
        finally:
            self._clean_up(within_s=self._patience_s())

    def give_up(self, *, within_s: float = HASTY_S) -> None:
        """End both at once and delete what can be deleted soon; nothing happens when they have ended."""
        if self._ended:
            return
        with INTERRUPTS.held():
            self._sampler.kill()
            self._ledger.kill()
            self._clean_up(within_s=within_s)

    def flow(self, *, seconds: float) -> None:
        """Let clients go on for this long: a stated part of the scenario, not a wait."""
        time.sleep(seconds)

    def in_flight(self, *, seconds: float, count: int) -> SlowRequests:
        """Return requests whose bodies take this long to arrive; entering it has them all in flight."""
        write = self._api.write
        slow = f"{self._canary}-slow"
        extra = (*self._keys.extra, *(f"{slow}-{index}" for index in range(count)))
        self._remember(replace(self._keys, extra=extra))
        return slow_requests(
            self.service,
            write.path_for(slow) + "-{index}",
            body=(write.body or "").replace("{value}", "slow"),
            seconds=seconds,
            count=count,
            method=write.method,
            expect_continue=True,
        )

    def await_good(self, *, timeout_s: float, sustained_s: float = 2.0) -> None:
        """Wait until clients have seen good service for ``sustained_s`` on end. Raises TimedOut."""

        def good() -> bool:
            found = self._sampler.availability()
            now = timeline.now()
            recent = between(found.samples, now - sustained_s, now)
            enough = len(recent) >= self._plan.floor * self._plan.samples_per_s * sustained_s
            return enough and all(quality(one, found.rules) is Quality.GOOD for one in recent)

        wait_until(good, what="sustained good service", timeout_s=timeout_s, every_s=0.2)

    def bad_share(self, *, over_s: float) -> float | None:
        """Return the share of bad samples in the last seconds, None before there are any. Raises CannotObserve."""
        return bad_share(self._sampler.samples(), self._sampler.rules, now=timeline.now(), over_s=over_s)

    def stop(self) -> None:
        """End both; ``downtime`` and ``losses`` can be asked afterwards."""
        self._availability = self._sampler.stop()
        self._ledger.stop()
        found = self._availability
        self._journal.write(
            TrafficMeasured(
                total=found.total,
                good=found.good,
                bad=dict(found.bad),
                slips=found.slips,
                worst_slip_ms=found.worst_slip_ms,
                offered_rps=found.offered_rps,
                achieved_rps=found.achieved_rps,
                unknown_because=tuple(found.unknown_because),
            )
        )

    def downtime(self, fault_at: float) -> Downtime:
        """Return what clients saw since the fault (a moment of the run's time line)."""
        assert self._availability is not None
        found = self._availability
        recovery = found.recovery_after(fault_at)
        known = found.known
        if isinstance(recovery, NotRecovered):
            why, rto_s = recovery.reason, None
        else:
            why, rto_s = "", recovery.rto_s
        return Downtime(
            samples=found.total,
            good_before_fault=found.good_before(fault_at, self._plan.warm_up_s),
            bad=found.bad_total,
            slips=found.slips,
            rto_s=rto_s,
            resolution_s=found.resolution_s,
            why_not="; ".join(found.unknown_because) if not known else why,
            known=known,
            at_most=found.at_most,
            bad_by=found.bad_in_words(),
        )

    def losses(self, fault_at: float) -> WriteLosses:
        """Read every acknowledged write back and return what is lost."""
        history = self._ledger.history()
        found = self._ledger.verify(deadline_s=self._patience_s())
        return WriteLosses(
            acknowledged=found.acknowledged,
            before_fault=history.acknowledged_before(fault_at, window_s=3600),
            lost=found.lost,
            lost_keys=tuple(found.lost_keys),
            unread=found.unread,
            unread_reasons=tuple(found.unread_reasons),
            unknown_writes=found.unknown_writes,
            rpo_s=found.rpo_s(fault_at),
        )

    def _patience_s(self) -> float:
        """Return how long all keys may be asked for, one after the other at ``max_rps``."""
        rate = self._alone.max_rps
        keys = (time.monotonic() - self._began) * self._plan.writes_per_s
        return 30.0 + (keys / rate if rate else 0.0)

    def _await_floor(self) -> None:
        plan = self._plan

        def enough() -> bool:
            now = timeline.now()
            samples = self._sampler.availability().good_before(now, plan.warm_up_s)
            writes = self._ledger.history().acknowledged_before(now, plan.warm_up_s)
            return (
                samples >= plan.floor * plan.samples_per_s * plan.warm_up_s
                and writes >= plan.floor * plan.writes_per_s * plan.warm_up_s
            )

        try:
            wait_until(enough, what="traffic at its floor", timeout_s=20, every_s=0.2)
        except TimedOut as error:
            raise TooLittleTraffic(f"{error}; the service does not take the traffic that the scenario needs") from None

    def _write_canary(self) -> None:
        """Write the one key that the sampler reads. Raises TooLittleTraffic when the service does not take it."""
        write = self._api.write
        base = self._target.instance.url if self._target.instance else None
        body = loads((write.body or "").replace("{value}", "canary"))
        last: list[Answer] = []

        def taken() -> bool:
            last[:] = [request(self._target, write.method, f"{base}{write.path_for(self._canary)}", json=body)]
            return last[0].status in write.expected

        try:
            wait_until(taken, what="the first write to be taken", timeout_s=15, every_s=0.2)
        except TimedOut:
            raise TooLittleTraffic(
                f"the first write was not taken: {last[0].summary()}; is the service healthy?"
            ) from None

    def _clean_up(self, *, within_s: float) -> None:
        """Delete every key that was written here; journal and say what could not be."""
        self._ended = True
        cleaned = self._ledger.cleanup(also=self._keys.extra, deadline_s=within_s)
        self._journal.write(OwnKeysDeleted(cleaned.deleted, tuple(cleaned.left), tuple(cleaned.reasons)))
        if cleaned.left:
            why = ", ".join(cleaned.reasons)
            self._say(
                f"{len(cleaned.left)} of our test keys may be left in {self._namespace}: {why}; "
                f"the next run, or drillbook clean, deletes them"
            )
            return
        with contextlib.suppress(CannotObserve, PlatformRefused, OSError):  # then whoever comes next finds none there
            self._claim.forget(self._keys.id)

    def _remember(self, keys: OwnKeys) -> None:
        """Write down which keys there may be, before they are. Raises Refused when that cannot be done."""
        self._keys = keys
        if not keys.surely_ours:  # nobody would take them for ours when they are read again
            return
        try:
            self._claim.remember(keys)
        except (CannotObserve, PlatformRefused) as error:
            raise Refused(f"its test keys cannot be remembered: {error.reason}; {error.hint}") from None
        except OSError as error:
            raise Refused(f"its test keys cannot be remembered here: {error.strerror}") from None
