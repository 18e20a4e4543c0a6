"""HTTP as a user of the service sees it: refused, slow and 5xx are readings, not errors. The only door to httpx.

A certificate that its users would not accept either (expired, another name, an unknown CA) is a reading too. What is
about us is not: a login or a client certificate that was refused, a proxy that fails, a 429, a way that broke.
"""

from __future__ import annotations

import ssl
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from json import loads
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from .. import clock, outbound, pace
from ..model import Access, CannotObserve, Json, System, Target
from .base import ReadingProbe

if TYPE_CHECKING:
    import httpx

_EXCERPT = 300
_BETWEEN_READS_S = 0.03
_LARGEST = 8 * 1024 * 1024
ENTRY = "entry"
"""What the address is called by which users come in, beside the instances: copies may serve and nobody get to them."""
UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status with a body, or the reason why nothing did."""

    status: int | None
    body: Any = None
    """The parsed JSON (``Json``, which pydantic cannot follow into itself); None when the body is not JSON."""
    text: str = ""
    """The first characters of a body that is not JSON."""
    failure: str | None = None
    took_ms: float = 0.0
    read_at: str = ""
    """RFC 3339, by the runner's clock, when the answer was complete."""

    def get(self, path: str) -> Json:
        """Return the value at a dotted path of the body, None when there is none."""
        found: Json = self.body
        for part in path.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(part)
        return found

    def summary(self) -> str:
        """Say it in a few words: ``200 in 4 ms``, ``connection refused``."""
        return self.failure or f"{self.status} in {self.took_ms:.0f} ms"


@dataclass(frozen=True)
class Get(ReadingProbe[Answer]):
    """``GET path`` on every instance of the API, and where its users come in; a JSON body is parsed."""

    path: str
    reading: ClassVar[type[Answer]] = Answer

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the API, and its entry where that is another address."""
        entry = system.entry
        if entry is None or any(instance.url == entry.url for instance in system.instances):
            return per_instance(system)
        return (*per_instance(system), Target(system, ENTRY, replace(entry, name=ENTRY)))

    def source(self, target: Target) -> str:
        """Return ``GET <address>``."""
        return f"GET {base(target)}{self.path}"

    def observe(self, target: Target) -> Answer:
        """Send the request once."""
        return request(target, "GET", base(target) + self.path)


@dataclass(frozen=True, slots=True)
class TwoAnswers:
    """The same request answered twice, some time apart."""

    first: Answer
    second: Answer
    apart_ms: float


@dataclass(frozen=True)
class GetUntilChanged(ReadingProbe[TwoAnswers]):
    """``GET path`` twice: the second answer is the first in which ``field`` differs, or the last within the limit."""

    path: str
    field: str
    limit_s: float = 1.6
    reading: ClassVar[type[TwoAnswers]] = TwoAnswers

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the API."""
        return per_instance(system)

    def source(self, target: Target) -> str:
        """Return ``GET <address>, twice``."""
        return f"GET {base(target)}{self.path}, twice"

    def observe(self, target: Target) -> TwoAnswers:
        """Read, and read again until the field has changed."""
        url = base(target) + self.path
        began = time.monotonic()
        first = request(target, "GET", url)
        while True:
            time.sleep(_BETWEEN_READS_S)
            second = request(target, "GET", url)
            elapsed_s = time.monotonic() - began
            if first.get(self.field) != second.get(self.field) or elapsed_s >= self.limit_s:
                return TwoAnswers(first, second, apart_ms=round(elapsed_s * 1000, 1))


def per_instance(system: System) -> tuple[Target, ...]:
    """Return a target for each instance of the API."""
    return tuple(Target(system, instance.name, instance) for instance in system.instances)


def base(target: Target) -> str:
    """Return the instance's address without a trailing slash."""
    assert target.instance is not None
    return target.instance.url or ""


def request(
    target: Target, method: str, url: str, *, json: Json = None, timeout_s: float = 5.0, access: Access | None = None
) -> Answer:
    """Send one request and return what a user would see, a JSON body parsed; ``access`` as for ``fetch``.

    Raises:
        CannotObserve: for a 429, which our own requests may have caused, and for what is about us and not the service.
    """
    answer, text = fetch(target, method, url, json=json, timeout_s=timeout_s, access=access)
    try:
        return replace(answer, body=loads(text))
    except ValueError:
        return replace(answer, text=text[:_EXCERPT])


def fetch(
    target: Target, method: str, url: str, *, json: Json = None, timeout_s: float = 5.0, access: Access | None = None
) -> tuple[Answer, str]:
    """Send one request; return the answer and its whole text, empty when nothing came. Raises as ``request``.

    ``access`` says how to ask, where it is not as the target's instance is asked.
    """
    httpx = _httpx()
    assert target.instance is not None
    access = access or target.instance.access
    if access.key is None:
        access = replace(access, key=f"systems.{target.system.name}.api", max_rps=target.system.max_rps)
    way = target.instance.way
    address = url if way is None else way.local(url)
    proxy = outbound.proxy_for(address, direct=access.direct)
    client = _client(outbound.context(access.tls) if address.startswith("https://") else None, proxy)
    headers = outbound.revealed(access.headers)
    steps: list[str] = []
    trace = {"trace": lambda step, _details: steps.append(step)}
    pace.await_turn(access.key or "", access.max_rps)
    began = time.perf_counter()
    try:
        with client.stream(
            method, address, json=json, headers=headers, timeout=timeout_s, extensions=trace
        ) as response:
            text = _read(response)
    except httpx.HTTPError as error:
        _blame_proxy(proxy, address, steps, error)
        _blame_us(access, error)
        if way is not None:
            way.check(url)
        late = isinstance(error, httpx.TimeoutException)
        failure = f"no answer within {timeout_s:g} s" if late else _reason(error, access)
        return Answer(None, failure=failure, took_ms=_ms_since(began)), ""
    _blame_answer(access, proxy, response)
    return Answer(response.status_code, took_ms=_ms_since(began), read_at=clock.now()), text


def _blame_proxy(proxy: outbound.Proxy | None, address: str, steps: list[str], error: Exception) -> None:
    """Raise when a request came no further than the proxy: it was not reached, or made no tunnel."""
    if proxy is None:
        return
    reached = "connection.connect_tcp.started" not in steps or "connection.connect_tcp.complete" in steps
    through = "connection.connect_tcp.started" not in steps or "proxy.start_tls.started" in steps
    if not reached:
        raise outbound.ProxyFailed(proxy, f"does not answer: {_reason(error)}")
    if address.startswith("https://") and not through:
        raise outbound.ProxyFailed(proxy, f"made no tunnel to the service: {_reason(error)}")


def _blame_us(access: Access, error: Exception) -> None:
    """Raise when a handshake failed by what we showed or expected, not by what any user would be shown."""
    refused = outbound.refusal(error)
    if refused is None:
        return
    if refused.by_server:
        shown = access.tls.cert_file if access.tls else None
        raise CannotObserve(
            f"the server refused us with {shown or 'no'} client certificate: {refused.reason}",
            mend=f"set tls.cert_file and tls.key_file in {access.key} to a certificate that the service accepts",
        )
    if refused.wrong_name and access.direct and (access.tls is None or access.tls.server_name is None):
        raise CannotObserve(
            f"the certificate is for users and not for an address that Drillbook found: {refused.reason}",
            mend=f"set tls.server_name in {access.key} to the name that users come by",
        )


def _blame_answer(access: Access, proxy: outbound.Proxy | None, response: httpx.Response) -> None:
    """Raise for an answer that is about us or about the proxy."""
    if response.status_code == TOO_MANY_REQUESTS:
        raise CannotObserve(
            "429 Too Many Requests, which our own requests may have caused",
            mend=f"set {access.key}.max_rps below the limit of the service",
        )
    if response.status_code == UNAUTHORIZED and access.logs_in:
        raise CannotObserve(
            "401 Unauthorized: the service does not take the login that the environment file names",
            mend=f"check token, basic and the headers by reference in {access.key}",
        )
    if proxy is not None and response.url.scheme == "http":
        failed = outbound.refused_by(proxy, response.status_code, response.headers)
        if failed is not None:
            raise failed


def _read(response: httpx.Response) -> str:
    """Read a body of bounded size as text."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > _LARGEST:
            raise CannotObserve(
                f"a body of more than {_LARGEST >> 20} MiB", mend="check that the address is the service's"
            )
    return b"".join(parts).decode(response.encoding or "utf-8", errors="replace")


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


def _reason(error: Exception, access: Access | None = None) -> str:
    refused = outbound.refusal(error)
    if refused is not None:
        trust = f" (trusting {access.tls.ca_file} alone)" if access and access.tls and access.tls.ca_file else ""
        return f"certificate not accepted: {refused.reason}{trust}"
    text = str(error)
    return "connection refused" if "refused" in text.lower() else f"{type(error).__name__}: {text}"


@cache
def _httpx() -> ModuleType:
    """Import httpx, a tenth of a second that only HTTP probes pay, without its command line (half of that again)."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None makes an import fail; httpx expects it
    import httpx  # noqa: PLC0415 - see above

    return httpx


@cache
def _client(tls: ssl.SSLContext | None, proxy: outbound.Proxy | None) -> httpx.Client:
    """Return the client that equal requests share; the certificate store is loaded for https alone (it costs 20 ms)."""
    library = _httpx()
    between = proxy and library.Proxy(proxy.shown, auth=(proxy.username, proxy.password) if proxy.headers else None)
    client: httpx.Client = library.Client(
        verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), proxy=between, follow_redirects=False, trust_env=False
    )
    return client
