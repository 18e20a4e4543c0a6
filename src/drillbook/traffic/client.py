"""An HTTP client that tells what certainly did not happen from what may have happened."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from yarl import URL

from .. import outbound

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from ..outbound import Proxy
    from .service import Address

    _Body = bytes | AsyncIterable[bytes]
_NAMES_LIVE_S = 1
"""How long an address is remembered for a name: a failover by DNS must be seen when it happens."""


class Kind(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Nobody listened; nothing was sent."""
    UNREACHED = "unreached"
    """No connection came about (name, route, TLS, connect timeout); nothing was sent."""
    RESET = "reset"
    """The connection broke, or the answer was no HTTP, after sending had begun."""
    TIMEOUT = "timeout"
    """No whole answer in time; it may have been sent."""


_OUR_OWN_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
"""This machine ran out of something: the eye is broken, and nothing is said about the service."""
_AT_THE_PROXY = (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError)
"""Where there is a proxy, its name is the only one that is looked up."""
NOTHING_SENT = frozenset({Kind.REFUSED, Kind.UNREACHED})


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one request, and which address (by its place in the list) it ended at."""

    kind: Kind
    url: int
    status: int | None = None
    body: bytes = b""
    why: str = ""
    """What broke, where there was no answer."""


class Client:
    """Sends each request once, over a connection of its own, as its address says (headers, TLS, proxies).

    A connection of its own because a kept one that the server closes at the wrong moment looks like a failure of the
    request. The latency therefore includes connecting.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout_s: float,
        connect_timeout_s: float,
        response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._preferred = 0
        self._tls = [
            outbound.context(tls) if url.startswith("https://") else True
            for url, tls in zip(address.urls, address.tls, strict=True)
        ]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, ttl_dns_cache=_NAMES_LIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            response_class=response_class,
        )
        # aiohttp sends GET and DELETE a second time when the first was reset, and has no public switch for it (10790).
        self._session._retry_connection = False  # noqa: SLF001 - a test counts the connections

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(
        self, method: str, path: str, *, body: _Body | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send one request to the first address that takes a connection, and read the whole answer."""
        at = self._preferred
        try:
            async with asyncio.timeout(self._timeout_s):
                for step in range(len(self._address.urls)):
                    at = (at + 1) % len(self._address.urls) if step else at
                    reply = await self._try(at, method, path, body, headers)
                    if reply.kind not in NOTHING_SENT:
                        self._preferred = at if step else self._preferred
                        break
        except TimeoutError:
            return Reply(Kind.TIMEOUT, at, why=f"no whole answer in {self._timeout_s:g} s")
        return reply

    async def _try(
        self, at: int, method: str, path: str, body: _Body | None, headers: Mapping[str, str] | None
    ) -> Reply:
        url, proxy = URL(self._address.urls[at] + path), self._address.proxies[at]
        try:
            async with self._session.request(
                method, url, data=body, allow_redirects=False, ssl=self._tls[at], **self._between(proxy, url, headers)
            ) as response:
                outbound.blame_proxys_answer(proxy, str(url), response.status, response.headers)
                return Reply(Kind.ANSWERED, at, response.status, await response.read())
        except aiohttp.ClientConnectorCertificateError as error:  # first: up to aiohttp 3.13 it has no os_error
            return Reply(Kind.UNREACHED, at, why=_why(error))
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno in _OUR_OWN_FAULT:
                raise
            reached = not isinstance(error, _AT_THE_PROXY)
            outbound.blame_proxy(proxy, str(url), reached=reached, through=True, why=error.os_error.strerror)
            refused = isinstance(error.os_error, ConnectionRefusedError)
            return Reply(Kind.REFUSED if refused else Kind.UNREACHED, at, why=_why(error))
        except aiohttp.ConnectionTimeoutError as error:
            # For https it may have been the service behind the tunnel.
            outbound.blame_proxy(proxy, str(url), reached=url.scheme == "https", through=True, why=None)
            return Reply(Kind.UNREACHED, at, why=_why(error))
        except aiohttp.ClientHttpProxyError as error:
            outbound.blame_proxy(proxy, str(url), reached=True, through=False, why=error.status)
            return Reply(Kind.UNREACHED, at, why=_why(error))
        except aiohttp.ClientError as error:
            return Reply(Kind.RESET, at, why=_why(error))

    def _between(self, proxy: Proxy | None, url: URL, headers: Mapping[str, str] | None) -> dict[str, Any]:
        """Return headers and proxy: its login goes with CONNECT for https, and with the request itself for http.

        The service's own headers are no headers of the session: aiohttp would send those to the proxy too, the login as
        Proxy-Authorization.
        """
        own = {**self._address.headers, **(headers or {})}
        if proxy is None:
            return {"headers": own}
        if url.scheme == "https":
            return {"headers": own, "proxy": proxy.shown, "proxy_headers": proxy.headers}
        return {"headers": {**own, **proxy.headers}, "proxy": proxy.shown}


def _why(error: aiohttp.ClientError) -> str:
    """Return what broke, in the words of the system rather than of aiohttp."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
