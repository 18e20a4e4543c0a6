"""A uvicorn server whose end is in our hands."""

import asyncio
import socket
import time

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

POLL_S = 0.02
KEEP_ALIVE_S = 75


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


class Listener:
    """Serves an application on one socket until it is drained."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._housekeeping: asyncio.Task[None] | None = None

    async def open(self, bound: socket.socket) -> None:
        """Begin to accept connections."""
        await self._server.startup(sockets=[bound])
        self._housekeeping = asyncio.create_task(self._server.main_loop())

    async def drain(self, timeout_s: float) -> int:
        """Stop accepting, let the requests in flight finish, close every connection.

        Args:
            timeout_s: How long to wait for them.

        Returns:
            How many requests were cut off at the end of that time.
        """
        if self._housekeeping is None:
            return 0  # it never began to accept
        deadline = time.monotonic() + timeout_s
        self._server.should_exit = True
        for server in self._server.servers:
            server.close()
        while self._server.server_state.connections and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)  # first of all, what has arrived is read
            self._dismiss_idle()
        cut = await self._cut_off()
        await self._housekeeping
        return cut

    def _dismiss_idle(self) -> None:
        for connection in self._connections():
            half_a_request = connection.conn.trailing_data[0]
            if not half_a_request and not connection.transport.is_closing():
                connection.shutdown()  # closes it when idle, else after the answer

    async def _cut_off(self) -> int:
        tasks = list(self._server.server_state.tasks)
        for connection in self._connections():
            connection.transport.abort()
        await asyncio.sleep(0)  # lets the requests see that their client is gone
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        return len(tasks)

    def _connections(self) -> list[H11Protocol]:
        return [each for each in self._server.server_state.connections if isinstance(each, H11Protocol)]
