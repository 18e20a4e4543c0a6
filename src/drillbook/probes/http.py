"""HTTP as a user of the service sees it: refused, slow and 5xx are readings, not errors. The only door to httpx."""

from __future__ import annotations

import ssl
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from json import loads
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from .. import clock
from ..model import CannotObserve, Json, Secret, System, Target
from .base import ReadingProbe

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


_EXCERPT = 300
_BETWEEN_READS_S = 0.03
_LARGEST = 8 * 1024 * 1024
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
    """``GET path`` on every instance of the API; a JSON body is parsed."""

    path: str
    reading: ClassVar[type[Answer]] = Answer

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the API."""
        return per_instance(system)

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


def request(target: Target, method: str, url: str, *, json: Json = None, timeout_s: float = 5.0) -> Answer:
    """Send one request and return what a user would see, a JSON body parsed.

    Raises:
        CannotObserve: for a 429, which our own requests may have caused.
    """
    answer, text = fetch(target, method, url, json=json, timeout_s=timeout_s)
    try:
        return replace(answer, body=loads(text))
    except ValueError:
        return replace(answer, text=text[:_EXCERPT])


def fetch(target: Target, method: str, url: str, *, json: Json = None, timeout_s: float = 5.0) -> tuple[Answer, str]:
    """Send one request; return the answer and its whole text, empty when nothing came. Raises as ``request``."""
    httpx = _httpx()
    assert target.instance is not None
    headers = _revealed(target.instance.headers)
    client = _client(url.startswith("https://"))
    way = target.instance.way
    address = url if way is None else way.local(url)
    began = time.perf_counter()
    try:
        with (
            _paced(target),
            client.stream(method, address, json=json, headers=headers, timeout=timeout_s) as response,
        ):
            text = _read(response)
    except httpx.TimeoutException:
        _blame(target, url)
        return Answer(None, failure=f"no answer within {timeout_s:g} s", took_ms=_ms_since(began)), ""
    except httpx.HTTPError as error:
        _blame(target, url)
        return Answer(None, failure=_reason(error), took_ms=_ms_since(began)), ""
    if response.status_code == TOO_MANY_REQUESTS:
        raise CannotObserve(
            "429 Too Many Requests, which our own requests may have caused",
            mend=f"set systems.{target.system.name}.api.max_rps below the limit of the service",
        )
    return Answer(response.status_code, took_ms=_ms_since(began), read_at=clock.now()), text


def _blame(target: Target, url: str) -> None:
    """Raise CannotObserve when the way to the instance is what failed."""
    if target.instance is not None and target.instance.way is not None:
        target.instance.way.check(url)


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


def _revealed(headers: Mapping[str, str | Secret]) -> dict[str, str]:
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


def _reason(error: Exception) -> str:
    text = str(error)
    return "connection refused" if "refused" in text.lower() else f"{type(error).__name__}: {text}"


@cache
def _httpx() -> ModuleType:
    """Import httpx, a tenth of a second that only HTTP probes pay, without its command line (half of that again)."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None makes an import fail; httpx expects it
    import httpx  # noqa: PLC0415 - see above

    return httpx


@cache
def _client(tls: bool) -> httpx.Client:  # noqa: FBT001 - one of two shared clients, keyed by the only difference
    """Return the shared client; the certificate store is loaded for https alone (it costs 20 ms)."""
    verify = ssl.create_default_context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client: httpx.Client = _httpx().Client(verify=verify, follow_redirects=False)
    return client


_pace = threading.Lock()
_next_send: dict[str, float] = {}


@contextmanager
def _paced(target: Target) -> Iterator[None]:
    """Keep requests to one system at or below its ``max_rps``."""
    if target.system.max_rps is not None:
        with _pace:
            now = time.monotonic()
            at = max(now, _next_send.get(target.system.name, now))
            _next_send[target.system.name] = at + 1 / target.system.max_rps
        time.sleep(at - now)
    yield
