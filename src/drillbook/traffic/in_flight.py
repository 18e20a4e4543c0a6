"""Requests that are in flight while a service is told to stop: the client trickles their bodies."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ..model import CannotObserve
from ..polling import TimedOut, wait_until

if TYPE_CHECKING:
    from types import TracebackType

    from .service import Address, Service

CONNECT_TIMEOUT_S = 2.0
_START_TIMEOUT_S = 10.0
_SHORTEST_BODY = 2


@dataclass(frozen=True, slots=True)
class Completed:
    """A request that got its whole answer."""

    index: int
    status: int
    url: int
    """The place of the address in the service's list."""
    took_s: float
    """From the first byte sent to the whole answer."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A request that was in flight and got no answer, or a 5xx."""

    index: int
    reason: str
    url: int
    """As above; -1 where its end left it unknown."""
    after_s: float
    """From the first byte sent."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the requests do."""

    address: Address
    method: str
    path: str
    body: str
    seconds: float
    count: int
    apart_s: float
    """From the beginning of one to that of the next."""
    answer_timeout_s: float
    expect_continue: bool
    content_type: str

    @property
    def begun_within_s(self) -> float:
        """When the last one begins."""
        return self.apart_s * (self.count - 1)


@dataclass(slots=True)
class Progress:
    """What became of the requests so far, told by the thread that sends them."""

    started: int = 0
    never_started: list[str] = field(default_factory=list)
    ended: dict[int, Completed | Dropped] = field(default_factory=dict)
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set to end them all."""


class SlowRequests:
    """Opens requests and sends their bodies piece by piece, so that they are in flight for a known time.

    Entering returns once all are confirmed in flight: with ``expect_continue`` the server has asked for the body, and
    its kernel has taken the headers and the first piece. Leaving waits, bounded, for all to finish.

    Args:
        service: where to send; every request goes to the first address that takes a connection.
        path: path and query; ``{index}`` is replaced by the number of the request.
        body: the body; ``{index}`` likewise. It is sent over ``seconds``, in equal pieces.
        seconds: how long all of them are in flight together. Where the service has a ``max_rps`` they are begun one
            after the other, the earlier ones take longer, and all end together.
        count: how many requests.
        method: the HTTP method.
        answer_timeout_s: how long the answer may take after the last piece.
        expect_continue: send ``Expect: 100-continue``: the server's answer to it proves that a handler reads the body.
        content_type: of the body.
    """

    def __init__(
        self,
        service: Service,
        path: str,
        *,
        body: str,
        seconds: float,
        count: int = 4,
        method: str = "POST",
        answer_timeout_s: float = 10.0,
        expect_continue: bool = False,
        content_type: str = "application/json",
    ) -> None:
        if count < 1 or seconds <= 0 or len(body) < _SHORTEST_BODY:
            raise ValueError("expected at least one request with two bytes of body, over more than 0 seconds")
        apart_s = 1 / service.max_rps if service.max_rps else 0.0
        self._plan = Plan(
            service.address(),
            method,
            path,
            body,
            seconds,
            count,
            apart_s,
            answer_timeout_s,
            expect_continue,
            content_type,
        )
        self._progress = Progress()
        self._thread: threading.Thread | None = None

    @property
    def started(self) -> int:
        """How many were confirmed in flight."""
        return self._progress.started

    @property
    def completed(self) -> list[Completed]:
        """Those that got their answer so far; final once the context was left."""
        return [one for _, one in sorted(self._progress.ended.copy().items()) if isinstance(one, Completed)]

    @property
    def dropped(self) -> list[Dropped]:
        """Those that got none so far; final once the context was left."""
        return [one for _, one in sorted(self._progress.ended.copy().items()) if isinstance(one, Dropped)]

    def __enter__(self) -> Self:
        from .trickling import send_all  # noqa: PLC0415 - loads aiohttp, which a gate does not need

        plan, progress = self._plan, self._progress
        self._thread = threading.Thread(
            target=lambda: asyncio.run(send_all(plan, progress)), daemon=True, name="slow-requests"
        )
        self._thread.start()
        asked_for = ", each asked for its body (100 Continue)" if plan.expect_continue else ""
        try:
            wait_until(
                lambda: progress.started + len(progress.never_started) == plan.count,
                what=f"{plan.count} requests in flight{asked_for}",
                timeout_s=plan.begun_within_s + min(_START_TIMEOUT_S, plan.seconds),
                every_s=0.01,
            )
        except TimedOut as error:
            progress.abandoned.set()
            raise _not_in_flight(str(error)) from None
        if progress.never_started:
            progress.abandoned.set()
            raise _not_in_flight("; ".join(sorted(set(progress.never_started))))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._progress.abandoned.set()
        self.wait()

    def wait(self) -> None:
        """Wait until all have finished. What is still open at the end of its time counts as dropped."""
        plan = self._plan
        after_s = plan.seconds + plan.answer_timeout_s
        if self._thread is not None:
            self._thread.join(plan.begun_within_s + after_s + CONNECT_TIMEOUT_S)
        for index in range(plan.count):
            self._progress.ended.setdefault(index, Dropped(index, "no end within its time", -1, after_s))


def slow_requests(
    service: Service,
    path: str,
    *,
    body: str,
    seconds: float,
    count: int = 4,
    method: str = "POST",
    answer_timeout_s: float = 10.0,
    expect_continue: bool = False,
) -> SlowRequests:
    """Return requests that will be in flight for ``seconds`` once entered; see ``SlowRequests``."""
    return SlowRequests(
        service,
        path,
        body=body,
        seconds=seconds,
        count=count,
        method=method,
        answer_timeout_s=answer_timeout_s,
        expect_continue=expect_continue,
    )


def _not_in_flight(reason: str) -> CannotObserve:
    return CannotObserve(
        f"not all requests could be put in flight: {reason}",
        hint="check that the service is up and takes requests of this kind before stopping it",
    )
