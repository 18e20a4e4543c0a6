"""Requests that are in flight while a service is told to stop: the client trickles their bodies.

Over ``http.client`` and not aiohttp, which takes every interim answer (102, 103; RFC 9110, 15.2) for the 100 by which a
request is confirmed in flight here, and has no hook that would tell them apart.
"""

from __future__ import annotations

import http.client
import re
import select
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from .. import addresses, outbound
from ..model import CannotObserve
from ..polling import TimedOut, wait_until

if TYPE_CHECKING:
    from types import TracebackType

    from ..model import Tls
    from ..outbound import Proxy
    from .service import Address, Service

_PIECE_S = 0.1
_START_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 2.0
_CONTINUE = 100
_SWITCHING = 101
_FINAL = 200
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LONGEST_LINE = 65536
_SERVER_ERROR = 500
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
    after_s: float
    """From the first byte sent."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What every one of the requests does."""

    address: Address
    method: str
    path: str
    body: str
    seconds: float
    answer_timeout_s: float
    expect_continue: bool
    content_type: str


@dataclass(slots=True)
class _Outcomes:
    """What the threads report, under a lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    started: int = 0
    completed: list[Completed] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    never_started: list[str] = field(default_factory=list)

    def settled(self) -> int:
        """Return how many requests are in flight, or will never be."""
        with self.lock:
            return self.started + len(self.never_started)


class SlowRequests:
    """Opens requests and sends their bodies piece by piece, so that they are in flight for a known time.

    Entering returns once all are confirmed in flight: headers and the first piece are sent and, with
    ``expect_continue``, the server has asked for the rest (without it, its kernel has taken them). Leaving waits,
    bounded, for all to finish.

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
        address = service.address()
        self._apart_s = 1 / service.max_rps if service.max_rps else 0.0
        self._begun_within_s = self._apart_s * (count - 1)
        self._plan = _Plan(address, method, path, body, seconds, answer_timeout_s, expect_continue, content_type)
        self._count = count
        self._outcomes = _Outcomes()
        self._abandon = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def started(self) -> int:
        """How many were confirmed in flight."""
        return self._outcomes.started

    @property
    def completed(self) -> list[Completed]:
        """Those that got their answer so far; final once the context was left."""
        with self._outcomes.lock:
            return sorted(self._outcomes.completed, key=lambda found: found.index)

    @property
    def dropped(self) -> list[Dropped]:
        """Those that got none so far; final once the context was left."""
        with self._outcomes.lock:
            return sorted(self._outcomes.dropped, key=lambda found: found.index)

    def __enter__(self) -> Self:
        self._threads = [
            threading.Thread(target=self._run, args=(index,), daemon=True, name=f"slow-request-{index}")
            for index in range(self._count)
        ]
        for thread in self._threads:
            thread.start()
        outcomes = self._outcomes
        try:
            wait_until(
                lambda: outcomes.settled() == self._count,
                what=f"{self._count} requests in flight",
                timeout_s=self._begun_within_s + min(_START_TIMEOUT_S, self._plan.seconds),
                every_s=0.01,
            )
        except TimedOut as error:
            self._abandon.set()
            raise _not_in_flight(str(error)) from None
        if outcomes.never_started:
            self._abandon.set()
            raise _not_in_flight("; ".join(sorted(set(outcomes.never_started))))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandon.set()
        self.wait()

    def wait(self) -> None:
        """Wait until all have finished. What is still open at the end of its time counts as dropped."""
        longest_s = self._plan.seconds + self._plan.answer_timeout_s + _CONNECT_TIMEOUT_S
        end = time.monotonic() + self._begun_within_s + longest_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        with self._outcomes.lock:
            known = {found.index for found in self._outcomes.completed}
            known |= {found.index for found in self._outcomes.dropped}
            for index in set(range(self._count)) - known:
                after_s = self._plan.seconds + self._plan.answer_timeout_s
                self._outcomes.dropped.append(Dropped(index, "no end within its time", -1, after_s))

    def _run(self, index: int) -> None:
        outcomes = self._outcomes
        seconds = self._plan.seconds + self._begun_within_s - index * self._apart_s
        request = _SlowRequest(replace(self._plan, seconds=seconds), index, self._abandon)
        try:
            if self._abandon.wait(index * self._apart_s):
                raise InterruptedError("abandoned by us")
            request.begin()
        except (OSError, http.client.HTTPException) as error:
            with outcomes.lock:
                outcomes.never_started.append(_describe(error))
            request.close()
            return
        with outcomes.lock:
            outcomes.started += 1
        result = request.finish()
        with outcomes.lock:
            if isinstance(result, Completed):
                outcomes.completed.append(result)
            else:
                outcomes.dropped.append(result)


class _SlowRequest:
    """One of the requests, on its own thread."""

    def __init__(self, plan: _Plan, index: int, abandon: threading.Event) -> None:
        self._plan, self._index, self._abandon = plan, index, abandon
        self._body = plan.body.replace("{index}", str(index)).encode()
        self._connection: http.client.HTTPConnection | None = None
        self._url = 0
        self._began = time.monotonic()
        pieces = max(2, round(plan.seconds / _PIECE_S))
        self._step = max(1, -(-len(self._body) // pieces))

    def begin(self) -> None:
        """Connect, send the headers and the first piece, and have them confirmed. Raises OSError, HTTPException."""
        plan = self._plan
        connection = self._connection = self._connect()
        headers = {"Content-Type": plan.content_type, **plan.address.headers}
        target = plan.address.urls[self._url] + plan.path.replace("{index}", str(self._index))
        proxy = plan.address.proxies[self._url]
        if target.startswith("https://") or proxy is None:
            target = addresses.parse(target).rest or "/"
        else:  # a proxy wants the whole address, and its login beside it
            headers |= proxy.headers
        connection.putrequest(plan.method, target, skip_host=any(name.lower() == "host" for name in headers))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(self._body)))
        if plan.expect_continue:
            connection.putheader("Expect", "100-continue")
        self._began = time.monotonic()
        connection.endheaders()
        connection.send(self._body[: self._step])
        if plan.expect_continue:
            self._await_continue()
        self._await_taken()

    def finish(self) -> Completed | Dropped:
        """Send the rest over the planned time and read the answer."""
        try:
            self._trickle()
            return self._answer()
        except (OSError, http.client.HTTPException) as error:
            return self._dropped(_describe(error))
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        address = self._plan.address
        for self._url, url in enumerate(address.urls):
            proxy = address.proxies[self._url]
            connection = _connection(url, address.tls[self._url], proxy)
            try:
                connection.connect()
            except OSError as error:
                if url is not address.urls[-1]:
                    continue
                raise outbound.unreached(proxy, error) from None
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sock.settimeout(self._plan.answer_timeout_s)
            connection.response_class = _FinalAnswer
            return connection
        raise AssertionError("a service has at least one address")

    def _await_continue(self) -> None:
        """Wait until the server asks for the rest of the body."""
        end = time.monotonic() + min(_START_TIMEOUT_S, self._plan.seconds)
        while True:
            if not self._is_readable(max(0.0, end - time.monotonic())):
                raise TimeoutError("the server did not ask for the body (100 Continue)")
            status = _status(self._read_head())
            if status == _CONTINUE:
                return
            if status is None or not _is_interim(status):
                raise http.client.HTTPException("the server answered before the body was sent")

    def _is_readable(self, timeout_s: float) -> bool:
        """Wait for bytes: what TLS has decrypted already is not in the socket any more."""
        pending = getattr(self._socket(), "pending", lambda: 0)
        return pending() > 0 or bool(select.select([self._socket()], [], [], timeout_s)[0])

    def _read_head(self) -> bytes:
        """Read one head, and nothing behind it."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self._socket().recv(1)
            if not byte:
                raise http.client.RemoteDisconnected("the server hung up instead of asking for the body")
            head += byte
        return head

    def _await_taken(self) -> None:
        """Wait until the peer has acknowledged all bytes sent so far (TCP_INFO: nothing unacknowledged)."""
        wait_until(
            lambda: _unacknowledged(self._socket()) == 0,
            what="the first bytes to arrive",
            timeout_s=_CONNECT_TIMEOUT_S,
            every_s=0.005,
        )

    def _socket(self) -> socket.socket:
        assert self._connection is not None
        found = self._connection.sock
        assert isinstance(found, socket.socket)
        return found

    def _trickle(self) -> None:
        """Send piece by piece, unless the answer comes early."""
        assert self._connection is not None
        offsets = range(self._step, len(self._body), self._step)
        for number, offset in enumerate(offsets, 1):
            due = self._began + self._plan.seconds * number / len(offsets)
            if self._abandon.wait(max(0.0, due - time.monotonic())) or self._answered_early():
                return
            self._connection.send(self._body[offset : offset + self._step])

    def _answered_early(self) -> bool:
        """Say whether an answer, or the end of the connection, can be read.

        Not over TLS: there a server sends session tickets of its own accord, and they cannot be told from an answer.
        """
        if isinstance(self._connection, http.client.HTTPSConnection):
            return False
        while self._is_readable(0):
            waiting = self._socket().recv(_LONGEST_LINE, socket.MSG_PEEK)
            status = _status(waiting)
            if status is None or not _is_interim(status):
                return True
            if b"\r\n\r\n" not in waiting:  # the rest of it is on its way
                return False
            self._read_head()
        return False

    def _answer(self) -> Completed | Dropped:
        assert self._connection is not None
        if self._abandon.is_set():
            return self._dropped("abandoned by us")
        response = self._connection.getresponse()
        response.read()
        if response.status >= _SERVER_ERROR:
            return self._dropped(f"status {response.status}")
        return Completed(self._index, response.status, self._url, time.monotonic() - self._began)

    def _dropped(self, reason: str) -> Dropped:
        return Dropped(self._index, reason, self._url, time.monotonic() - self._began)


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


def _connection(url: str, tls: Tls | None, proxy: Proxy | None) -> http.client.HTTPConnection:
    """Return a connection to a service or to the proxy before it, not yet open."""
    parts = addresses.parse(url)
    host, port = (parts.host, parts.port) if proxy is None else (proxy.host, proxy.port)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=_CONNECT_TIMEOUT_S)
    context = outbound.context(tls)
    connection = http.client.HTTPSConnection(host, port, timeout=_CONNECT_TIMEOUT_S, context=context)
    if proxy is not None:
        connection.set_tunnel(parts.host, parts.port, proxy.headers)
    return connection


class _FinalAnswer(http.client.HTTPResponse):
    """An answer, after all those that only say that one is coming: ``http.client`` takes a 103 for the answer."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc] # private, and where begin() takes it
            if not _is_interim(status):
                return version, status, reason
            while self.fp.readline(_LONGEST_LINE).strip():
                pass


def _status(head: bytes) -> int | None:
    found = _HEAD.match(head)
    return int(found[1]) if found else None


def _is_interim(status: int) -> bool:
    """Say whether an answer only says that another is coming."""
    return _CONTINUE <= status < _FINAL and status != _SWITCHING


def _unacknowledged(sock: socket.socket) -> int:
    """Return the number of segments that the peer has not acknowledged (``tcpi_unacked``)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int.from_bytes(info[24:28], "little")


def _not_in_flight(reason: str) -> CannotObserve:
    return CannotObserve(
        f"not all requests could be put in flight: {reason}",
        hint="check that the service is up and takes requests of this kind before stopping it",
    )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
