"""The control socket: one JSON request a line, one JSON answer a line."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import socket
from typing import TYPE_CHECKING, Any

from .errors import LabError
from .spec import TIERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from .children import Children
    from .process import Process

GRACE_S = 10.0
_LINE_LIMIT = 1 << 20
_FAREWELL_S = 1.0


class ControlServer:
    """Answers requests about the keeper's processes.

    Args:
        processes: by name.
        children: reaps before a list, so that it never shows the dead as alive.
        down: tears the lab down and returns when that is done.
    """

    def __init__(
        self, processes: Mapping[str, Process], *, children: Children, down: Callable[[], Awaitable[None]]
    ) -> None:
        self._processes = processes
        self._children = children
        self._down = down
        self._busy: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._closing = False

    async def listen(self, path: Path) -> None:
        """Begin to answer at a socket that its owner alone can open."""
        endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        endpoint.bind(str(path))
        path.chmod(0o600)  # noqa: ASYNC240 - before anybody is served
        self._server = await asyncio.start_unix_server(self._serve, sock=endpoint, limit=_LINE_LIMIT)

    def refuse(self) -> None:
        """Take no more requests that would start something."""
        self._closing = True

    async def close(self) -> None:
        """Let those who wait for an answer have it, then leave."""
        if self._server is not None:
            self._server.close()
        if self._busy:
            await asyncio.wait(self._busy, timeout=_FAREWELL_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                task = asyncio.create_task(self._answer_to(line, writer))
                self._busy.add(task)
                task.add_done_callback(self._busy.discard)
                await asyncio.shield(task)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # the client left, sent an endless line, or we are leaving
        finally:
            writer.close()

    async def _answer_to(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            answer = {"ok": True, **await self._handle(_parsed(line))}
        except LabError as error:
            answer = {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - becomes the client's answer; the keeper must live on
            answer = {"ok": False, "error": f"the keeper failed: {type(error).__name__}: {error}"}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    async def _handle(self, request: dict[str, Any]) -> dict[str, Any]:
        do = request.get("do")
        if do == "list":
            self._children.reap()
            return {"processes": [dataclasses.asdict(process.row()) for process in self._in_order()]}
        if do == "down":
            await self._down()
            return {}
        if do not in ("start", "stop", "signal"):
            raise LabError(f"expected do to be list, start, stop, signal or down, got {do!r}")
        process = self._named(request.get("name"))
        if do == "start":
            return await self._start(process, request)
        if do == "stop":
            stopped = await process.stop(_seconds(request, "grace_s", GRACE_S))
            return dataclasses.asdict(stopped)
        await process.signal(_signal(request.get("signal")))
        return {"process": dataclasses.asdict(process.row())}

    async def _start(self, process: Process, request: dict[str, Any]) -> dict[str, Any]:
        if self._closing:
            raise LabError(f"{process.name} is not started: the lab is going down")
        timeout_s = _seconds(request, "timeout_s", process.spec.ready_within_s)
        await process.start(_overrides(request.get("env")))
        if request.get("wait_ready"):
            await process.wait_ready(timeout_s)
        return {"process": dataclasses.asdict(process.row())}

    def _named(self, name: object) -> Process:
        if not isinstance(name, str) or name not in self._processes:
            known = ", ".join(process.name for process in self._in_order())
            raise LabError(f"there is no process {name!r}; there are {known}")
        return self._processes[name]

    def _in_order(self) -> list[Process]:
        return sorted(self._processes.values(), key=lambda one: TIERS.index(one.spec.component))


def ask(path: Path, request: Mapping[str, object], *, timeout_s: float = 30.0) -> dict[str, Any]:
    """Send one request to a keeper and return its answer.

    Raises:
        LabError: the keeper refused, or does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
    except OSError as error:
        raise LabError(f"the keeper does not answer at {path}: {error}") from None
    if not line:
        raise LabError(f"the keeper at {path} left without an answer")
    answer: dict[str, Any] = json.loads(line)
    if not answer["ok"]:
        raise LabError(answer["error"])
    return answer


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise LabError(f"expected one JSON object a line: {error}") from None
    if not isinstance(request, dict):
        raise LabError(f"expected a JSON object, got {type(request).__name__}")
    return request


def _seconds(request: dict[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise LabError(f"expected {name} to be a number of seconds from 0, got {value!r}")
    return float(value)


def _overrides(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, dict) and all(isinstance(one, str) for pair in value.items() for one in pair):
        return value
    raise LabError('expected env to be an object of strings, like {"LLM_CONFIG_DEFECT": "..."}')


def _signal(name: object) -> signal.Signals:
    try:
        return signal.Signals[f"SIG{str(name).removeprefix('SIG')}"]
    except KeyError:
        raise LabError(f"expected the name of a signal, like KILL, STOP or CONT, got {name!r}") from None
