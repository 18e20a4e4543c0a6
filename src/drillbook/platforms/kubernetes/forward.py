"""Port-forwards: an address on 127.0.0.1 that leads through the API to a port of a pod."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING

from ... import addresses
from ...model import CannotObserve

if TYPE_CHECKING:
    from .api import Api

_MOST_CONNECTIONS = 32
_IDLE_S = 60.0
_OPEN_S = 4.0
_CHUNK = 1 << 16
_HINT = (
    'give this account create and get on pods/portforward, or set reach = "address" under [kubernetes]'
    " where pod addresses can be reached"
)
logging.getLogger("websocket").addHandler(logging.NullHandler())


class Forward:
    """Listens on 127.0.0.1 and hands each connection to one port of one pod, through a websocket of its own.

    Args:
        api: the account that may forward.
        pod: its name.
        port: the port inside the pod.
    """

    def __init__(self, api: Api, pod: str, port: int) -> None:
        self._api, self._pod, self._port = api, pod, port
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._opening = 0
        self._broken: str | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.local_port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, name=f"forward {pod}:{port}", daemon=True).start()

    def check(self) -> None:
        """Raise CannotObserve when the way to the pod, rather than the pod, is what failed."""
        if self._broken is not None:
            raise CannotObserve(f"port-forward to {self._pod}:{self._port}: {self._broken}", hint=_HINT)
        if self._opening:
            raise CannotObserve(f"port-forward to {self._pod}:{self._port} does not open", hint=_HINT)

    def _serve(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._slots.acquire(blocking=False):
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()
            else:
                near.close()

    def _carry(self, near: socket.socket) -> None:
        try:
            with near:
                far = self._open()
                if far is not None:
                    with contextlib.closing(far):  # the library wraps it without the means of `with`
                        _pump_both(near, far)
        finally:
            self._slots.release()

    def _open(self) -> socket.socket | None:
        """Open the websocket; note whether it was the way that failed. None when there is no connection."""
        self._opening += 1
        try:
            opened = self._api.port_forward(self._pod, self._port)
        except Exception as error:  # noqa: BLE001 - the library wraps whatever the websocket raises
            self._broken = _broken(str(getattr(error, "reason", None) or error))
            return None
        finally:
            self._opening -= 1
        self._broken = None
        found: socket.socket = opened.socket(self._port)
        return found


def _broken(reason: str) -> str | None:
    """Return the reason when it is ours (rights, connection), None when the pod is not there or does not run."""
    text = reason.strip().splitlines()[0][:160] if reason.strip() else "no reason given"
    of_the_pod = any(f"status {code}" in text for code in (404, 400, 500))
    return None if of_the_pod else text


def _pump_both(near: socket.socket, far: socket.socket) -> None:
    near.settimeout(_IDLE_S)
    far.settimeout(_IDLE_S)
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    _pump(near, far)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(_CHUNK):
            sink.sendall(part)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


_forwards: dict[tuple[str, str, int], Forward] = {}
_lock = threading.Lock()


def forwarded(api: Api, pod: str, port: int) -> Forward:
    """Return the forward to a pod's port, opened when it is first asked for; it ends with this process."""
    key = (repr(api.cluster), pod, port)
    with _lock:
        if key not in _forwards:
            _forwards[key] = Forward(api, pod, port)
        return _forwards[key]


class PodWay:
    """How one pod is reached: any port of it, through forwards."""

    def __init__(self, api: Api, pod: str) -> None:
        self._api, self._pod = api, pod

    def local(self, url: str) -> str:
        """Return the address on this machine that leads to ``url``'s port of the pod."""
        forward = forwarded(self._api, self._pod, self._port(url))
        return addresses.parse(url).at("127.0.0.1", forward.local_port).url

    def check(self, url: str) -> None:
        """Raise CannotObserve when the way itself, not the instance, is what failed."""
        forwarded(self._api, self._pod, self._port(url)).check()

    @staticmethod
    def _port(url: str) -> int:
        parts = addresses.parse(url)
        return parts.port or (443 if parts.scheme == "https" else 80)
