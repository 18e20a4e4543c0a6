"""A bounded PostgreSQL pool: no call outlives its timeout, whatever became of the server."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from .logs import Outage
from .model import StorageUnavailableError

APPLICATION_NAME = "llm-config-manager"
OPERATION_TIMEOUT_S = 3.0
PROBE_TIMEOUT_S = 1.0
LOST_BORROW_TIMEOUT_S = 0.3

Connection = AsyncConnection[tuple[object, ...]]
T = TypeVar("T")
Work = Callable[[Connection], Awaitable[T]]


class Database:
    """Lends connections to bounded pieces of work and knows whether the server can be reached."""

    def __init__(self, url: str, pool_max: int) -> None:
        self._url = url
        self._outage = Outage(logging.ERROR, "Storage lost", "Storage is back")
        self._opened = False
        self.in_use = 0
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs=_connect_options(),
            min_size=1,
            max_size=pool_max,
            open=False,
            configure=_configure,
            check=_check_open,
            reconnect_timeout=0.2,  # give up early: whoever asks next tries again, so the way back is short
            num_workers=2,
        )

    @property
    def lost(self) -> bool:
        """Whether the server could not be reached the last time."""
        return self._outage.active

    async def open(self, prepare: Work[None]) -> None:
        """Run `prepare` on a connection of its own, then open the pool.

        Raises:
            StorageUnavailableError: With the server's reason.
        """
        try:
            async with asyncio.timeout(2 * OPERATION_TIMEOUT_S):
                async with await AsyncConnection.connect(self._url, **_connect_options()) as connection:
                    await prepare(connection)
                await self._pool.open(wait=True, timeout=OPERATION_TIMEOUT_S)
        except (psycopg.Error, TimeoutError) as error:
            raise StorageUnavailableError(_reason(error)) from error
        self._opened = True

    async def close(self) -> None:
        """Close the pool."""
        self._opened = False
        with contextlib.suppress(psycopg.Error):
            await self._pool.close(timeout=1)

    async def run(self, work: Work[T], *, probe: bool = False) -> T:
        """Run work on a connection of the pool.

        Args:
            work: Is given the connection.
            probe: Whether to try although the server is known to be lost; success ends the outage.

        Returns:
            What the work returned.

        Raises:
            StorageUnavailableError: The server could not be reached, refused, or did not answer in time.
        """
        if not self._opened or (self.lost and not probe):
            raise StorageUnavailableError("storage is not open" if not self._opened else "storage is lost")
        deadline = time.monotonic() + (PROBE_TIMEOUT_S if probe else OPERATION_TIMEOUT_S)
        try:
            result = await self._lend(work, deadline)
        except (psycopg.Error, TimeoutError) as error:
            if _is_loss(error) and not self._is_exhausted(error) and self._opened:
                await self._note_loss(error)
            raise StorageUnavailableError(_reason(error)) from error
        self._outage.end()
        return result

    async def _lend(self, work: Work[T], deadline: float) -> T:
        patience_s = LOST_BORROW_TIMEOUT_S if self.lost else deadline - time.monotonic()
        connection = await self._pool.getconn(timeout=patience_s)
        self.in_use += 1
        try:
            return await _bounded(connection, work, deadline - time.monotonic())
        finally:
            self.in_use -= 1
            await self._pool.putconn(connection)

    def _is_exhausted(self, error: Exception) -> bool:
        return isinstance(error, PoolTimeout) and self.in_use >= self._pool.max_size

    async def _note_loss(self, error: Exception) -> None:
        if self._outage.begin(_reason(error)):
            await self._pool.drain()


async def _bounded(connection: Connection, work: Work[T], timeout_s: float) -> T:
    """Run the work; at the timeout cut its connection, as cancelling would wait for a silent server."""
    task = asyncio.ensure_future(work(connection))
    try:
        await asyncio.wait({task}, timeout=max(timeout_s, 0.01))
    finally:
        if not task.done():
            _sever(connection)
            await asyncio.wait({task}, timeout=1)
    if not task.done():
        task.cancel()
        raise TimeoutError("no answer in time")
    return task.result()


def _sever(connection: Connection) -> None:
    with (
        contextlib.suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as link,
    ):
        link.shutdown(socket.SHUT_RDWR)


def _connect_options() -> dict[str, Any]:
    return {"autocommit": True, "application_name": APPLICATION_NAME, "connect_timeout": 2}


async def _configure(connection: Connection) -> None:
    """Make an acknowledged commit durable, and let no frozen instance keep the others waiting for long."""
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false), set_config('lock_timeout', '2s', false),"
        " set_config('idle_in_transaction_session_timeout', '5s', false)"
    )


async def _check_open(connection: Connection) -> None:
    """Raise if the server closed this idle connection; costs no round trip."""
    connection.pgconn.consume_input()


def _is_loss(error: Exception) -> bool:
    """Whether the server is away, rather than unwilling."""
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return error.sqlstate.startswith(("08", "57P"))
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | TimeoutError)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
