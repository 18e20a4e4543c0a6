"""The sending of requests whose bodies arrive piece by piece."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import aiohttp

from ..model import CannotObserve
from .client import Client, Reply
from .in_flight import CONNECT_TIMEOUT_S, Completed, Dropped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.connector import Connection

    from .in_flight import Plan, Progress

_PIECE_S = 0.1
_TAKEN_WITHIN_S = 2.0
_CONTINUE = 100
_SWITCHING = 101
_FINAL = 200
_SERVER_ERROR = 500


async def send_all(plan: Plan, progress: Progress) -> None:
    """Send all requests and tell what becomes of them; returns when all have ended, soon once they are abandoned."""
    tasks = {asyncio.create_task(_SlowRequest(plan, index, progress).send()) for index in range(plan.count)}
    while tasks:
        _, tasks = await asyncio.wait(tasks, timeout=_PIECE_S)
        if progress.abandoned.is_set():
            for task in tasks:
                task.cancel()


class _SlowRequest:
    """One of the requests."""

    def __init__(self, plan: Plan, index: int, progress: Progress) -> None:
        self._plan, self._index, self._progress = plan, index, progress
        self._body = plan.body.replace("{index}", str(index)).encode()
        self._wait_s = plan.apart_s * index
        self._seconds = plan.seconds + plan.begun_within_s - self._wait_s
        self._step = -(-len(self._body) // max(2, round(self._seconds / _PIECE_S)))
        self._limit = asyncio.timeout(None)
        self._connected: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self._began = time.monotonic()
        self._in_flight = False

    async def send(self) -> None:
        """Send it and tell what became of it."""
        reply, why = None, ""
        try:
            await asyncio.sleep(self._wait_s)
            reply = await self._reply()
            why = reply.why
        except asyncio.CancelledError:
            why = "abandoned by us"
        except TimeoutError:
            why = f"TimeoutError: no answer {self._plan.answer_timeout_s:g} s after its body"
        except CannotObserve as error:  # the proxy, or a file of ours for TLS
            why = error.reason
        except OSError as error:  # this machine ran out of something
            why = str(error)
        self._tell(reply, why)

    def connected(self, transport: asyncio.Transport) -> None:
        """Begin: the headers are being sent."""
        self._began = time.monotonic()
        self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds + self._plan.answer_timeout_s)
        self._connected.set_result(transport)

    async def _reply(self) -> Reply:
        plan = self._plan
        headers = {"Content-Type": plan.content_type, "Content-Length": str(len(self._body))}
        if plan.expect_continue:
            headers["Expect"] = "100-continue"
        longest_s = CONNECT_TIMEOUT_S * len(plan.address.urls) + self._seconds + plan.answer_timeout_s
        client = Client(
            plan.address,
            timeout_s=longest_s,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            response_class=_response_class(self),
        )
        async with self._limit, client:
            path = plan.path.replace("{index}", str(self._index))
            return await client.send(plan.method, path, body=self._pieces(), headers=headers)

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Yield the body over the planned time. aiohttp takes the first piece once the server has asked for it.

        It takes no more of them once there is a whole answer.
        """
        yield self._body[: self._step]
        await _await_taken(await self._connected)
        self._tell_started()
        offsets = range(self._step, len(self._body), self._step)
        for number, offset in enumerate(offsets, 1):
            await asyncio.sleep(self._began + self._seconds * number / len(offsets) - time.monotonic())
            yield self._body[offset : offset + self._step]

    def _tell_started(self) -> None:
        if not self._in_flight:
            self._in_flight = True
            self._progress.started += 1

    def _tell(self, reply: Reply | None, why: str) -> None:
        index, took_s = self._index, time.monotonic() - self._began
        status = reply.status if reply else None
        if status is not None and not self._plan.expect_continue:
            self._tell_started()  # what is answered was taken
        if not self._in_flight:
            self._progress.never_started.append(why or f"the server answered before the body was sent: {status}")
        elif reply is None or status is None or status >= _SERVER_ERROR:
            url = reply.url if reply else -1
            self._progress.ended.setdefault(index, Dropped(index, why or f"status {status}", url, took_s))
        else:
            self._progress.ended.setdefault(index, Completed(index, status, reply.url, took_s))


def _response_class(request: _SlowRequest) -> type[aiohttp.ClientResponse]:
    """Return a class of answers that tells a request of its connection, and passes no interim answer on but the 100.

    aiohttp takes every interim answer (102, 103; RFC 9110, 15.2) for the 100 that asks for the body.
    """

    class Answer(aiohttp.ClientResponse):
        async def start(self, connection: Connection) -> aiohttp.ClientResponse:
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None:
                raise aiohttp.ServerDisconnectedError
            read = protocol.read

            async def read_what_counts() -> Any:
                while True:
                    message, payload = await read()
                    if not _CONTINUE < message.code < _FINAL or message.code == _SWITCHING:
                        return message, payload

            protocol.read = read_what_counts  # type: ignore[method-assign] # where start() takes it, for this answer alone
            request.connected(transport)
            return await super().start(connection)

    return Answer


async def _await_taken(transport: asyncio.Transport) -> None:
    """Wait until the peer has acknowledged all bytes sent so far (TCP_INFO: nothing unacknowledged)."""
    end = time.monotonic() + _TAKEN_WITHIN_S
    while transport.get_write_buffer_size() or _unacknowledged(transport.get_extra_info("socket")):
        if time.monotonic() > end:
            raise ConnectionError(f"the first bytes were not taken in {_TAKEN_WITHIN_S:g} s")
        await asyncio.sleep(0.005)


def _unacknowledged(sock: Any) -> int:
    """Return the number of segments that the peer has not acknowledged (``tcpi_unacked``)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int.from_bytes(info[24:28], "little")
