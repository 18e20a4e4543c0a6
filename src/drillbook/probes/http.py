"""HTTP as a user of the service sees it: refused, slow and 5xx are readings, not errors.

A certificate that its users would not accept either (expired, another name, an unknown CA) is a reading too. What is
about us is not: a login or a client certificate that was refused, a proxy that fails, a 429, a way that broke.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from json import loads
from typing import Any, ClassVar

from .. import outbound, pace
from ..kinds import Kind
from ..model import Access, CannotObserve, Json, System, Target
from ..tables import HttpTable
from .base import ReadingProbe
from .exchange import Exchange, Line, Route
from .http_blame import blame_answer, blame_proxy

KIND = Kind("http", HttpTable)
REQUEST_S = 5.0
"""How long one request may take as a whole: the deadlines of probes are longer, so that it is what speaks."""
LARGEST = 8 * 1024 * 1024
MANY = 10
"""How often an address is asked behind which several replicas may stand."""
_FEWEST = 3
_SERVER_ERROR = 500
_EXCERPT = 300
_BETWEEN_READS_S = 0.03
ENTRY = "entry"
"""What the address is called by which users come in, beside the instances: they may serve and nobody get to them."""


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
    again: tuple[Answer, ...] = ()
    """What the same request got on further connections, each a new one, where it was sent several times."""

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
    of: str | None = field(default=None, repr=False)
    """Which component; None for the main one."""
    reading: ClassVar[type[Answer]] = Answer
    timeout_s: ClassVar[float] = REQUEST_S + 5.0

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the component, and its entry where that is another address."""
        component = system.component(self.of)
        entry = None if component is None else component.entry
        if component is None or entry is None or any(one.url == entry.url for one in component.instances):
            return per_instance(system, self.of)
        name = ENTRY if self.of in (None, system.main) else f"{ENTRY} of {self.of}"
        return (*per_instance(system, self.of), Target(system, name, replace(entry, name=name), self.of))

    def source(self, target: Target) -> str:
        """Return ``GET <address>``."""
        return f"GET {base(target)}{self.path}"

    def observe(self, target: Target) -> Answer:
        """Send the request; several times where several replicas may stand behind the address."""
        times = _times(target)
        if times == 1:
            return request(target, "GET", base(target) + self.path)
        return _asked(routed(target, base(target) + self.path), times)


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
    timeout_s: ClassVar[float] = 2 * REQUEST_S + 5.0

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the API."""
        return per_instance(system)

    def source(self, target: Target) -> str:
        """Return ``GET <address>, twice``."""
        return f"GET {base(target)}{self.path}, twice"

    def observe(self, target: Target) -> TwoAnswers:
        """Read, and read again until the field has changed."""
        route = routed(target, base(target) + self.path)
        began = time.monotonic()
        with Line(route) as line:
            first = request(target, "GET", route.url, line=line)
            if first.failure is not None:
                return TwoAnswers(first, Answer(None, failure="not asked again"), apart_ms=0.0)
            while True:
                time.sleep(_BETWEEN_READS_S)
                second = request(target, "GET", route.url, line=line)
                elapsed_s = time.monotonic() - began
                if first.get(self.field) != second.get(self.field) or elapsed_s >= self.limit_s:
                    return TwoAnswers(first, second, apart_ms=round(elapsed_s * 1000, 1))


def _times(target: Target) -> int:
    """Return how often to ask: behind where users come in, or behind the only address, may be several replicas."""
    instance, component = target.instance, target.system.component(target.of)
    assert instance is not None
    assert component is not None
    users = component.entry.url if component.entry else None
    alone = users is None and len(component.instances) == 1 and not component.discovered
    if instance.url != users and not alone:
        return 1
    limit = component.access.max_rps
    return MANY if limit is None else max(_FEWEST, min(MANY, int(limit)))


def _asked(route: Route, times: int) -> Answer:
    """Send a GET so many times at once, each on a new connection; return the worst answer with the others.

    Raises:
        CannotObserve: one of them says nothing about the service, and none says that it is broken.
    """
    answers: list[Answer] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(parsed(*_send(route, None, "GET", None, REQUEST_S, LARGEST)))
        except Exception as error:  # noqa: BLE001 - raised again where they are waited for
            errors.append(error)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(times)]
    for thread in threads:
        pace.await_turn(route.access.key or "", route.access.max_rps)
        thread.start()
    for thread in threads:
        thread.join()
    answers.sort(key=_badness, reverse=True)
    if errors and not (answers and _badness(answers[0])):
        raise errors[0]
    worst, *others = answers
    return replace(worst, again=tuple(others))


def _badness(answer: Answer) -> int:
    """Return 2 where nothing came, 1 for a 5xx, else 0."""
    if answer.status is None:
        return 2
    return int(answer.status >= _SERVER_ERROR)


def per_instance(system: System, of: str | None = None) -> tuple[Target, ...]:
    """Return a target for each instance of a component; None for the main one."""
    component = system.component(of)
    found = () if component is None else component.instances
    return tuple(Target(system, instance.name, instance, of) for instance in found)


def base(target: Target) -> str:
    """Return the instance's address without a trailing slash."""
    assert target.instance is not None
    return target.instance.url or ""


def request(
    target: Target,
    method: str,
    url: str,
    *,
    json: Json = None,
    timeout_s: float = REQUEST_S,
    access: Access | None = None,
    line: Line | None = None,
) -> Answer:
    """Send one request and return what a user would see, a JSON body parsed; arguments as for ``fetch``.

    Raises:
        CannotObserve: for a 429, which our own requests may have caused, and for what is about us and not the service.
    """
    answer, text = fetch(target, method, url, json=json, timeout_s=timeout_s, access=access, line=line)
    return parsed(answer, text)


def parsed(answer: Answer, text: str) -> Answer:
    """Return the answer with its JSON, or with the beginning of its text. Raises CannotObserve."""
    try:
        return replace(answer, body=loads(text))
    except RecursionError:
        raise CannotObserve("a body nested too deep to be read", hint="look at it by hand") from None
    except ValueError:
        return replace(answer, text=text[:_EXCERPT])


def fetch(
    target: Target,
    method: str,
    url: str,
    *,
    json: Json = None,
    timeout_s: float = REQUEST_S,
    access: Access | None = None,
    line: Line | None = None,
    largest: int = LARGEST,
) -> tuple[Answer, str]:
    """Send one request; return the answer and its whole text, empty when nothing came. Raises as ``request``.

    Args:
        target: whose access and way there are taken.
        method: of the request.
        url: of the request.
        json: its body.
        timeout_s: how long all of it may take, from the resolver to the last byte.
        access: says how to ask, where it is not as the target's instance is route.
        line: the connection to keep, where several requests must come to the same replica; a new one otherwise.
        largest: the greatest body in bytes that is read.
    """
    route = routed(target, url, access)
    pace.await_turn(route.access.key or "", route.access.max_rps)
    return _send(route, line, method, json, timeout_s, largest)


def routed(target: Target, url: str, access: Access | None = None) -> Route:
    """Return the route of a request; ``access`` as for ``fetch``. Raises CannotObserve."""
    assert target.instance is not None
    access = access or target.instance.access
    if access.key is None:
        name, component = target.of or target.system.main, target.system.component(target.of)
        limit = None if component is None else component.access.max_rps
        access = replace(access, key=f"systems.{target.system.name}.components.{name}", max_rps=limit)
    way = target.instance.way
    address = url if way is None else way.local(url)
    return Route(url, address, access, way, outbound.proxy_for(address, direct=access.direct))


def _send(
    route: Route, line: Line | None, method: str, json: Json, timeout_s: float, largest: int
) -> tuple[Answer, str]:
    """Send one request; where the server had closed the connection that was kept, by a new one (RFC 9112, 9.3.1)."""
    exchange = Exchange(route, line, largest)
    try:
        status, headers, text = exchange.answer(method, json, timeout_s)
    except exchange.failures as error:
        if line is not None and exchange.found_closed(error):
            return _send(route, None, method, json, timeout_s, largest)
        return Answer(None, failure=_failure(route, exchange, error, timeout_s), took_ms=_ms(exchange)), ""
    blame_answer(route.access, route.proxy, route.address, status, headers)
    return Answer(status, took_ms=_ms(exchange), read_at=exchange.read_at), text


def _ms(exchange: Exchange) -> float:
    return round(exchange.took_s * 1000, 1)


def _failure(route: Route, exchange: Exchange, error: Exception, timeout_s: float) -> str:
    """Return why nothing came, as its users would see it. Raises CannotObserve when that is not about the service."""
    blame_proxy(route.proxy, route.address, exchange.steps, error)
    outbound.blame_us(route.access, error)
    if route.way is not None:
        route.way.check(route.url)
        if outbound.is_cut_off(error):
            return "nothing answers behind the port-forward: the pod refuses this port, or closes connections at once"
    return f"no answer within {timeout_s:g} s" if exchange.is_late(error) else outbound.reason(error, route.access)
