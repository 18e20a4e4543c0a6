"""What every request passes first and every answer last: errors, security headers, counting."""

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .api import Json
from .logs import log
from .metrics import CONFIGS_ROUTE

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FIXED_ROUTES = frozenset({"/health", "/live", "/ready"})
CLIENT_GONE = 499
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
}


class Edge:
    """Wraps the application; `count(method, route, status, duration_s)` is told about every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        count: Callable[[str, str, int, float], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._app, self._count, self._stopping = app, count, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        begun = time.monotonic()
        answer = _Answer(send, self._stopping)
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = CLIENT_GONE
        except asyncio.CancelledError:  # the drain's deadline; its warning tells the number
            answer.status = CLIENT_GONE
        except Exception:  # noqa: BLE001 - whatever no handler foresaw becomes a 500 and one ERROR line
            log.exception("Request failed", extra={"fields": {"route": _route(scope)}})
            if not answer.status:
                await Json({"error": "internal error"}, 500)(scope, receive, answer.send)
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._count(method, _route(scope), answer.status, time.monotonic() - begun)


class _Answer:
    """Sees the status go by and adds headers."""

    def __init__(self, send: Send, stopping: Callable[[], bool]) -> None:
        self._send, self._stopping = send, stopping
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            if self._stopping():
                headers["Connection"] = "close"  # a client that hears it now need not find out by a reset
        await self._send(message)


def _route(scope: Scope) -> str:
    if scope["path"] in FIXED_ROUTES:
        return str(scope["path"])
    return CONFIGS_ROUTE if scope.get("path_params") else "unmatched"
