"""The HTTP interface."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router

from .configs import Configs, Entry
from .crypto import DecryptionError
from .health import Health
from .logs import log
from .metrics import CONFIGS_ROUTE, OperationCounter
from .model import EntryId, StorageUnavailableError, rfc3339
from .readiness import Readiness

NAME_LIMIT = 255
BODY_LIMIT = 1_048_576
Handler = Callable[[Request], Awaitable[Response]]


class Json(Response):
    """A JSON answer; plain ASCII, so that any string survives."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the content's JSON text."""
        return json.dumps(content, separators=(",", ":")).encode()


class InvalidError(Exception):
    """The request is not acceptable; the text says what was expected and found."""

    def __init__(self, what: str, expected: str, found: str, status: int = 400) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}")
        self.status = status


class Api:
    """Answers requests; it is built before the storage is open."""

    def __init__(self, *, configs: Configs, health: Health, readiness: Readiness, operations: OperationCounter) -> None:
        self._configs, self._health, self._readiness = configs, health, readiness
        self._operations = operations

    def router(self) -> Router:
        """Return the routes as an ASGI application."""
        configs = {"GET": self._get, "POST": self._post, "DELETE": self._delete}
        names = {"GET": "get", "POST": "set", "DELETE": "delete"}
        return Router(
            [
                Route("/health", self._report_health),
                Route("/live", _live),
                Route("/ready", self._report_ready),
                *(
                    Route(CONFIGS_ROUTE, self._counted(names[method], handler), methods=[method])
                    for method, handler in configs.items()
                ),
            ]
        )

    async def _report_health(self, _request: Request) -> Response:
        report = await self._health.report()
        return Json(report.body(), report.http_status)

    async def _report_ready(self, _request: Request) -> Response:
        ready = self._readiness.ready
        return Json({"status": "ready" if ready else "not ready"}, 200 if ready else 503)

    async def _get(self, request: Request) -> Response:
        entry_id = _entry_id(request, request.query_params.get("env"))
        entry = await self._configs.get(entry_id)
        return Json(_entry_body(entry)) if entry else _not_found(entry_id)

    async def _post(self, request: Request) -> Response:
        body = await _json_object(request)
        entry_id = _entry_id(request, body.get("env"))
        user = _name("user", body.get("user"))
        value = body.get("value")
        if not isinstance(value, str):
            raise InvalidError("value", "a string", _kind(value))
        return Json(_entry_body(await self._configs.set(entry_id, value, user)), 201)

    async def _delete(self, request: Request) -> Response:
        entry_id = _entry_id(request, request.query_params.get("env"))
        return Response(status_code=204) if await self._configs.delete(entry_id) else _not_found(entry_id)

    def _counted(self, operation: str, handler: Handler) -> Handler:
        """Return the handler with its failures answered and its result counted."""

        async def counted(request: Request) -> Response:
            result = "error"
            try:
                response = await handler(request)
                result = "not_found" if response.status_code == 404 else "success"  # noqa: PLR2004 - the status
            except InvalidError as error:
                result, response = "invalid", Json({"error": str(error)}, error.status)
            except StorageUnavailableError:  # logged where the outage was noticed
                result, response = "unavailable", Json({"error": "the storage is not available"}, 503)
            except DecryptionError as error:
                log.exception("Stored value unreadable")
                response = Json({"error": str(error)}, 500)
            except ClientDisconnect:
                result = "invalid"
                raise
            finally:
                self._operations.count(operation, result)
            return response

        return counted


async def _live(_request: Request) -> Response:
    return Json({"status": "alive"})


async def _json_object(request: Request) -> Mapping[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise InvalidError("body", f"at most {BODY_LIMIT} bytes", "more", status=413)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidError("body", "a JSON object with value, env and user", f"{len(body)} bytes not JSON") from error
    if not isinstance(found, dict):
        raise InvalidError("body", "a JSON object with value, env and user", _kind(found))
    return found


def _entry_id(request: Request, env: object) -> EntryId:
    path = request.path_params
    return EntryId(_name("namespace", path["namespace"]), _name("key", path["key"]), _name("env", env))


def _name(what: str, found: object) -> str:
    expected = f"a string of 1 to {NAME_LIMIT} printable characters"
    if not isinstance(found, str):
        raise InvalidError(what, expected, _kind(found))
    if not 1 <= len(found) <= NAME_LIMIT or not found.isprintable():
        raise InvalidError(what, expected, ascii(found[:60]))
    return found


def _kind(found: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "nothing"}
    return kinds.get(type(found), "a number")


def _entry_body(entry: Entry) -> dict[str, object]:
    return {
        "namespace": entry.entry_id.namespace,
        "key": entry.entry_id.key,
        "env": entry.entry_id.env,
        "value": entry.value,
        "user": entry.user,
        "version": entry.version,
        "updated_at": rfc3339(entry.updated_at),
    }


def _not_found(entry_id: EntryId) -> Response:
    return Json({"error": f"no entry {entry_id.namespace}/{entry_id.key} in env {entry_id.env}"}, 404)
