"""Raw requests to the Kubernetes API: every one with a time limit, lists in pages, never the client's typed models."""

from __future__ import annotations

import copy
import json
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model import CannotObserve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kubernetes.client import ApiClient

    from .settings import Cluster

Object = dict[str, Any]
CONNECT_S = 2.0
ANSWER_S = 4.0
PLUGIN_S = 4.0
_PAGE = 250
_FAILED_FOR_S = 10.0
_LOGIN_MEND = "check kubeconfig, context and login by hand: kubectl auth whoami"
_OK, _REFUSED, _ABSENT, _ENDED, _CONFLICT, _GONE = 200, (401, 403), 404, 300, 409, 410
_PART = 1 << 16
# Runs a credential plugin and ends it, with all that it started, when it takes too long: the library waits forever.
_LIMITED = """
import os, signal, subprocess, sys
plugin = subprocess.Popen(sys.argv[2:], start_new_session=True)
try:
    sys.exit(plugin.wait(float(sys.argv[1])))
except subprocess.TimeoutExpired:
    os.killpg(plugin.pid, signal.SIGKILL)
    sys.exit(124)
"""


class Gone(CannotObserve):
    """The API does not remember that far back: list again."""


class Refused(CannotObserve):
    """The API does not let this account do it, or does not know the account."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API that is no refusal and no failure: a success, 404 or 409."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return _OK <= self.status < _ENDED

    @property
    def absent(self) -> bool:
        """Whether there is no such object."""
        return self.status == _ABSENT

    def json(self) -> Object:
        """Return the object. Raises CannotObserve when it is none."""
        try:
            found = json.loads(self.text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CannotObserve("the API answered something that is no JSON object", hint=_LOGIN_MEND)
        return found


class Api:
    """One account at one cluster.

    Args:
        cluster: which cluster, and who we are there.

    Raises:
        CannotObserve: the kubeconfig cannot be used or leads elsewhere, or its credential plugin gives nothing in time.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._client = _client(cluster)
        self.server = str(self._client.configuration.host)
        if cluster.server not in (None, self.server):
            raise CannotObserve(
                f"the kubeconfig leads to {self.server} now, and this belongs to {cluster.server}",
                hint="use the kubeconfig and the context that the run had",
            )

    def at(self, namespace: str) -> Api:
        """Return the same account and connection in another namespace of the cluster."""
        if namespace == self.cluster.namespace:
            return self
        there = copy.copy(self)
        there.cluster = replace(self.cluster, namespace=namespace)
        return there

    def port_forward(self, pod: str, port: int) -> Any:
        """Open a websocket to a pod's port; ``.socket(port)`` of the answer is the connection.

        The library's own ``stream.portforward`` is not for threads: it replaces the client's methods while it connects.

        Raises:
            kubernetes.client.exceptions.ApiException: it was refused, or the pod is not there.
        """
        from kubernetes.stream import ws_client  # noqa: PLC0415 - loaded with the client, in _client

        query = [("ports", str(port))]
        url, headers = self._websocket(f"{pod}/portforward")
        return ws_client.portforward_call(self._client.configuration, "GET", url, query_params=query, headers=headers)

    def execute(self, pod: str, command: tuple[str, ...]) -> Any:
        """Run a command in a pod to its end, however long; return the closed websocket, with all that it brought.

        Raises:
            kubernetes.client.exceptions.ApiException: it was refused, or the pod is not there.
        """
        from kubernetes.stream import ws_client  # noqa: PLC0415 - as above

        query = [("command", word) for word in command] + [("stdout", "true"), ("stderr", "true")]
        url, headers = self._websocket(f"{pod}/exec")
        opened = ws_client.websocket_call(
            self._client.configuration, "GET", url, query_params=query, headers=headers, _preload_content=False
        )
        opened.run_forever()
        return opened

    def _websocket(self, name: str) -> tuple[str, dict[str, str]]:
        """Return address and headers of a websocket to a part of a pod."""
        prepared = self._client.param_serialize("GET", self.path("pods", name), auth_settings=["BearerToken"])
        _, url, headers = prepared[:3]
        return url.partition("?")[0], {name.lower(): value for name, value in headers.items()}

    def send(
        self,
        method: str,
        path: str,
        body: Object | list[Object] | None = None,
        *,
        content_type: str = "application/json",
        **query: Any,
    ) -> Answer:
        """Send one request, limited to some seconds.

        Raises:
            Refused: for 401 and 403.
            CannotObserve: for no answer, 429, 5xx and every other failure but 404 and 409.
        """
        what = f"{method} {path}"
        try:
            response = self._opened(method, path, query, body, content_type, silence_s=ANSWER_S)
            answer = Answer(int(response.status), response.read().decode("utf-8", errors="replace"))
        except Exception as error:  # noqa: BLE001 - urllib3's, ssl's and the client's own: all say that we cannot see
            raise CannotObserve(f"{what}: {_reason(error)}", hint=_LOGIN_MEND) from None
        if answer.status in _REFUSED:
            raise Refused(f"{what}: {answer.status} {_message(answer)}", hint="give this account the right, or log in")
        if not (answer.ok or answer.status in (_ABSENT, _CONFLICT)):
            raise CannotObserve(f"{what}: {answer.status} {_message(answer)}", hint="look at the API server")
        return answer

    def clock_s(self) -> float:
        """Return the API server's clock by the Date of its answer (RFC 9110, 6.6.1), in seconds since 1970.

        Raises:
            CannotObserve: there was no answer, or no date in it.
        """
        what = "GET /version"
        try:
            response = self._opened("GET", "/version", {}, silence_s=ANSWER_S)
            response.read()
            return parsedate_to_datetime(str(response.getheader("Date"))).timestamp()
        except Exception as error:  # noqa: BLE001 - as in send; a missing date is a ValueError
            raise CannotObserve(f"{what}: {_reason(error)}", hint=_LOGIN_MEND) from None

    def lines(self, path: str, *, silence_s: float, **query: Any) -> Iterator[str]:
        """Yield the lines of an answer as they come: of a watch, or of a log that is followed.

        Args:
            path: what to read.
            silence_s: the longest wait for the next line.
            query: of the request.

        Raises:
            Gone: for 410, what was asked for is too old.
            CannotObserve: for every other failure, silence included.
        """
        what = f"GET {path}"
        try:
            response = self._opened("GET", path, query, silence_s=silence_s)
            status = int(response.status)
            if status == _OK:
                rest = b""
                for part in response.response.stream(_PART, decode_content=True):
                    *whole, rest = (rest + part).split(b"\n")
                    yield from (line.decode("utf-8", errors="replace") for line in whole)
                return
        except Exception as error:  # noqa: BLE001 - as in send
            raise CannotObserve(f"{what}: {_reason(error)}", hint=_LOGIN_MEND) from None
        if status == _GONE:
            raise Gone(f"{what}: 410", hint="list again")
        raise CannotObserve(f"{what}: {status}", hint=_LOGIN_MEND)

    def _opened(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
        *,
        silence_s: float,
    ) -> Any:
        """Send a request and return the client's response, its body unread."""
        prepared = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        return self._client.call_api(*prepared, _request_timeout=(CONNECT_S, silence_s))

    def get(self, path: str, **query: Any) -> Object | None:
        """Return an object, None when there is none. Raises as ``send``."""
        answer = self.send("GET", path, **query)
        return None if answer.absent else answer.json()

    def items(self, path: str, **query: Any) -> list[Object]:
        """Return all items of a list, page by page. Raises as ``send``."""
        found: list[Object] = []
        token = ""
        while True:
            page = self.get(path, limit=_PAGE, **({"continue": token} if token else {}), **query)
            if page is None:
                raise CannotObserve(f"GET {path}: 404, the API serves no such list", hint="look at the API server")
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    def path(self, kind: str, name: str = "", *, group: str = "") -> str:
        """Return the path of a namespaced list or object (``pods``, or ``deployments`` of the group ``apps``)."""
        root = f"/apis/{group}/v1" if group else "/api/v1"
        return f"{root}/namespaces/{self.cluster.namespace}/{kind}" + (f"/{name}" if name else "")


_apis: dict[str, Api] = {}
_failed: dict[str, tuple[float, CannotObserve]] = {}
_lock = threading.Lock()


def api_of(cluster: Cluster) -> Api:
    """Return the one connection to a cluster; a failure to log in is remembered for some seconds, not repeated.

    Raises:
        CannotObserve: as Api.
    """
    key = repr(cluster)
    with _lock:
        if key in _apis:
            return _apis[key]
        at, failure = _failed.get(key, (0.0, None))
        if failure is not None and time.monotonic() - at < _FAILED_FOR_S:
            raise failure
        try:
            _apis[key] = Api(cluster)
        except CannotObserve as error:
            _failed[key] = (time.monotonic(), error)
            raise
        return _apis[key]


def _client(cluster: Cluster) -> ApiClient:
    try:
        from kubernetes import client, config, stream  # noqa: F401, PLC0415 - half a second, paid before any clock runs
    except ImportError:
        raise CannotObserve(
            "the Python client of Kubernetes is not installed", hint="pip install 'drillbook[kubernetes]'"
        ) from None

    paths = _paths(cluster)
    if not any(path.is_file() for path in paths) and "KUBERNETES_SERVICE_HOST" in os.environ:
        settings = client.Configuration()
        config.load_incluster_config(client_configuration=settings)
        settings.retries = False
        return client.ApiClient(configuration=settings)
    if not any(path.is_file() for path in paths):
        raise CannotObserve(f"there is no kubeconfig at {', '.join(map(str, paths))}", hint=_LOGIN_MEND)
    try:
        merged = _plain(config.kube_config.KubeConfigMerger(os.pathsep.join(map(str, paths))).config)
        plugin = _limit_plugins(merged)
        settings = client.Configuration()
        config.load_kube_config_from_dict(merged, context=cluster.context, client_configuration=settings)
    except Exception as error:  # noqa: BLE001 - yaml's, the client's own and AttributeError for a file without a config
        shown = ", ".join(map(str, paths))
        raise CannotObserve(f"kubeconfig {shown}: {_reason(error)}", hint=_LOGIN_MEND) from None
    if plugin and not (settings.api_key or settings.cert_file):
        raise CannotObserve(
            f"the credential plugin {plugin} gave no credential within {PLUGIN_S:g} s", hint=_LOGIN_MEND
        )
    settings.retries = False
    return client.ApiClient(configuration=settings)


def _paths(cluster: Cluster) -> list[Path]:
    """Return the kubeconfigs as kubectl would take them, unless the environment file names one."""
    if cluster.kubeconfig is not None:
        return [cluster.kubeconfig]
    given = os.environ.get("KUBECONFIG", "")
    return [Path(part) for part in given.split(os.pathsep) if part] or [Path.home() / ".kube" / "config"]


def _plain(node: Any) -> Any:
    """Return the client's nodes as the dicts and lists that they wrap."""
    value = getattr(node, "value", node)
    if isinstance(value, dict):
        return {key: _plain(found) for key, found in value.items()}
    return [_plain(found) for found in value] if isinstance(value, list) else value


def _limit_plugins(merged: Object) -> str | None:
    """Put a time limit around every credential plugin; return the name of one, None when there is none."""
    name = None
    for user in merged.get("users") or []:
        plugin = (user.get("user") or {}).get("exec")
        if plugin:
            name = str(plugin["command"])
            plugin["args"] = ["-I", "-c", _LIMITED, str(PLUGIN_S), name, *(plugin.get("args") or [])]
            plugin["command"] = sys.executable
    return name


def _message(answer: Answer) -> str:
    try:
        return str(answer.json().get("message", ""))[:200]
    except CannotObserve:
        return answer.text[:100]


def _reason(error: Exception) -> str:
    """Return the innermost reason in one line, without headers and bodies."""
    reason: BaseException = error
    while isinstance(inner := getattr(reason, "reason", None) or reason.__cause__, BaseException):
        reason = inner
    return (str(reason) or type(reason).__name__).strip().splitlines()[0][:200]
