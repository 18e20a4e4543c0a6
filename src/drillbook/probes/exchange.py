"""One request and what came of it, within a time that bounds all of it. The only door to httpx.

Nothing is kept from one request to the next, neither cookies nor connections: each probe is a new user, whom a balancer
may send to any copy. Only a ``Line`` keeps its connection, for requests that must come to the same copy.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
import time
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from .. import clock, outbound
from ..model import Access, CannotObserve, Json
from ..platforms.limited import limited
from ..polling import TimedOut

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    import httpx

    from ..model import Way


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes, and how."""

    url: str
    """As the environment names it."""
    address: str
    """As it is reached from here."""
    access: Access
    way: Way | None
    proxy: outbound.Proxy | None

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context for https, None for http: the certificate store costs 20 ms to load."""
        return outbound.context(self.access.tls) if self.address.startswith("https://") else None


class Line:
    """A connection that several requests by one route share; it ends with the block."""

    def __init__(self, route: Route) -> None:
        self.client = _made(route.tls, route.proxy, kept=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()


class Exchange:
    """A request: what it did on its way, and how long it took.

    Attributes:
        steps: what httpcore did, in the names of its trace.
        took_s: until the last byte had come; what reading them takes is our own time.
        read_at: RFC 3339, by the runner's clock, when the last byte had come.
    """

    def __init__(self, route: Route, line: Line | None, largest: int) -> None:
        self._route, self._line, self._largest = route, line, largest
        self._began = time.perf_counter()
        self._connection: socket.socket | None = None
        self.steps: list[str] = []
        self.took_s = 0.0
        self.read_at = ""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What ``answer`` raises where nothing came."""
        return _httpx().HTTPError, TimedOut

    def is_late(self, error: Exception) -> bool:
        """Say whether that is why nothing came."""
        return isinstance(error, (_httpx().TimeoutException, TimedOut))

    def found_closed(self, error: Exception) -> bool:
        """Say whether it failed because the server had meanwhile closed a connection that was kept."""
        library = _httpx()
        closed = isinstance(error, (library.RemoteProtocolError, library.ReadError, library.WriteError))
        return closed and "connection.connect_tcp.started" not in self.steps

    def answer(self, method: str, json: Json, timeout_s: float) -> tuple[int, Mapping[str, str], str]:
        """Send it and return status, headers and text.

        Raises:
            CannotObserve: the body is too large.
            Exception: one of ``failures``.
        """
        try:
            return limited(
                lambda: self._answer(method, json, timeout_s), what=f"{method} {self._route.url}", limit_s=timeout_s
            )
        except TimedOut:
            self._cut()
            raise
        finally:
            self.took_s = self.took_s or time.perf_counter() - self._began

    def _answer(self, method: str, json: Json, timeout_s: float) -> tuple[int, Mapping[str, str], str]:
        route = self._route
        client = self._line.client if self._line else _passing(route.tls, route.proxy)
        self._began = time.perf_counter()
        try:
            with client.stream(
                method,
                route.address,
                json=json,
                headers=outbound.revealed(route.access.headers),
                timeout=timeout_s,
                extensions={"trace": self._note},
            ) as response:
                data = self._read(response)
            return response.status_code, response.headers, _text(data, response.encoding)
        finally:
            if self._connection is not None:
                self._connection.close()

    def _read(self, response: httpx.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > self._largest:
                raise CannotObserve(
                    f"a body of more than {self._largest >> 20} MiB", hint="check that the address is the service's"
                )
        self.took_s = time.perf_counter() - self._began
        self.read_at = clock.now()
        return b"".join(parts)

    def _note(self, step: str, details: Mapping[str, Any]) -> None:
        """Take a step down; keep a handle on the connection, by which it can be ended from another thread."""
        self.steps.append(step)
        if step == "connection.connect_tcp.complete":
            self._connection = details["return_value"].get_extra_info("socket").dup()

    def _cut(self) -> None:
        """End the connection, so that the thread which waits for it ends too."""
        with contextlib.suppress(OSError):
            if self._connection is not None:
                self._connection.shutdown(2)  # SHUT_RDWR


def _text(data: bytes, encoding: str | None) -> str:
    """Return a body as text: UTF-8 where its charset is none of text, and without a byte order mark."""
    try:
        text = data.decode(encoding or "utf-8", errors="replace")
    except (LookupError, ValueError):
        text = data.decode("utf-8", errors="replace")
    return text.removeprefix("\ufeff")


@cache
def _httpx() -> ModuleType:
    """Import httpx, a tenth of a second that only HTTP probes pay, without its command line (half of that again)."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None makes an import fail; httpx expects it
    import httpx  # noqa: PLC0415 - see above

    return httpx


@cache
def _passing(tls: ssl.SSLContext | None, proxy: outbound.Proxy | None) -> httpx.Client:
    """Return the client that equal requests share, which closes each connection after its answer."""
    return _made(tls, proxy, kept=0)


def _made(tls: ssl.SSLContext | None, proxy: outbound.Proxy | None, *, kept: int) -> httpx.Client:
    """Return a client that keeps so many connections, as many open as are needed, and never a cookie."""
    library = _httpx()
    between = proxy and library.Proxy(proxy.shown, auth=(proxy.username, proxy.password) if proxy.headers else None)
    client: httpx.Client = library.Client(
        verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        proxy=between,
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        limits=library.Limits(max_connections=None, max_keepalive_connections=kept),
    )
    return client
