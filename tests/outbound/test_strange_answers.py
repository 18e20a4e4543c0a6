"""What the gate makes of services that are odd, slow or sticky; each answer comes over a real connection."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from drillbook.accepts import http
from drillbook.model import CannotObserve, Facts, Finding, Instance, Outcome, Target
from drillbook.probes import exchange
from drillbook.probes.http import MANY, REQUEST_S, Answer, Get, GetUntilChanged, request
from drillbook.probes.metrics import Metrics
from tests.systems import system

from .strange import Reply, Request, Strange, answer, strange

FACTS = Facts("process", None, 2.0)
HEALTHY = b'{"status": "healthy"}'
Start = Callable[[Reply], Strange]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda reply: stack.enter_context(strange(reply))


def copy_of(url: str) -> Target:
    """Return one copy of two, which no balancer hides."""
    one, other = Instance("api-1", url, url + "/metrics"), Instance("api-2", "http://127.0.0.1:9")
    return Target(system("process", one, other), "api-1", one)


def balancer(url: str, max_rps: float | None = None) -> Target:
    """Return the one address by which users come in."""
    entry = Instance("api", url)
    return Target(system("process", entry, url=url, max_rps=max_rps), "api", entry)


def judged(reading: Answer) -> Finding:
    return http.fields({"status": "healthy"}, with_status=200).check(reading, FACTS)


def get(url: str, **options: Any) -> Answer:
    return request(copy_of(url), "GET", url + "/health", **options)


def test_no_cookie_and_no_connection_is_kept_from_one_request_to_the_next(start: Start) -> None:
    service = start(lambda _: answer(200, HEALTHY, "Set-Cookie: SRV=a; Path=/"))
    for _ in range(3):
        get(service.url)
        Get("/health").observe(balancer(service.url))
    assert [one for one in service.seen if "cookie" in one.head.lower() or one.on_connection] == []


def test_half_of_all_new_sessions_being_bad_is_not_met_behind_a_sticky_balancer(start: Start) -> None:
    def reply(asked: Request) -> bytes:
        sticks = "SRV=a" in asked.head
        good = sticks or asked.number % 2 == 0
        return answer(200, HEALTHY, "Set-Cookie: SRV=a; Path=/") if good else answer(500)

    found = judged(Get("/health").observe(balancer(start(reply).url)))
    assert found.outcome is Outcome.NOT_MET
    assert found.observed.startswith("5 of 10 on new connections: ")


def test_so_many_good_answers_say_which_share_of_bad_ones_they_exclude(start: Start) -> None:
    service = start(lambda _: answer(200, HEALTHY))
    probe = Get("/health")
    reading = probe.decode(probe.encode(probe.observe(balancer(service.url))))
    found = judged(reading)
    assert found.outcome is Outcome.MET
    assert (
        "10 of 10 good on new connections, which excludes a share of bad answers above 26% with 95%" in found.observed
    )
    assert len(service.seen) == MANY
    few = judged(probe.observe(balancer(service.url, max_rps=20)))
    assert few.outcome is Outcome.MET
    assert probe.observe(copy_of(service.url)).again == ()


def test_one_refusal_of_our_many_requests_is_unknown_unless_the_service_is_broken(start: Start) -> None:
    throttled = start(lambda asked: answer(429 if asked.number == 4 else 200, HEALTHY))
    with pytest.raises(CannotObserve, match="429"):
        Get("/health").observe(balancer(throttled.url))
    broken = start(lambda asked: answer({4: 429, 6: 503}.get(asked.number, 200), HEALTHY))
    assert judged(Get("/health").observe(balancer(broken.url))).outcome is Outcome.NOT_MET


def test_reading_twice_asks_one_copy_by_one_connection_that_the_server_may_close(start: Start) -> None:
    def reply(asked: Request) -> bytes | None:
        if asked.on_connection == 2:
            return None
        return answer(200, b'{"up": 1}' if asked.number < 4 else b'{"up": 2}')

    service = start(reply)
    two = GetUntilChanged("/health", "up").observe(copy_of(service.url))
    assert (two.first.get("up"), two.second.get("up")) == (1, 2)
    assert service.seen[1].on_connection == 1


def test_silence_and_dribbling_end_at_the_requests_own_limit(start: Start) -> None:
    over = threading.Event()

    def dribble(asked: Request) -> bytes | None:
        for part in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200:
            if over.wait(0.05):
                return None
            asked.send(bytes([part]))
        return None

    def silent(_: Request) -> bytes | None:
        over.wait(20)
        return None

    for reply in (dribble, silent):
        url = start(reply).url
        assert get(url, timeout_s=0.6).failure == "no answer within 0.6 s"
    over.set()


def test_a_probes_deadline_is_longer_than_the_requests_that_it_waits_for() -> None:
    assert Get("/").timeout_s > REQUEST_S
    assert GetUntilChanged("/", "x").timeout_s > 2 * REQUEST_S + GetUntilChanged("/", "x").limit_s
    assert Metrics("/").timeout_s > REQUEST_S + 1.5


@pytest.mark.parametrize(
    "sent",
    [
        answer(200, b"\xef\xbb\xbf" + HEALTHY),
        answer(200, HEALTHY, "Content-Type: application/json; charset=hex"),
        answer(200, HEALTHY, "Content-Type: application/json; charset=undefined"),
        answer(200, gzip.compress(HEALTHY), "Content-Encoding: gzip"),
        answer(200, HEALTHY[:-1] + b', "load": NaN}'),
        b"HTTP/1.0 200 OK\r\n\r\n" + HEALTHY,
    ],
)
def test_a_healthy_body_is_read_whatever_is_odd_around_it(start: Start, sent: bytes) -> None:
    def reply(asked: Request) -> bytes | None:
        asked.send(sent)
        return None

    assert judged(get(start(reply).url)).outcome is Outcome.MET


def test_a_redirect_in_a_circle_is_not_followed(start: Start) -> None:
    service = start(lambda _: answer(302, b"", "Location: /health"))
    assert judged(get(service.url)).outcome is Outcome.NOT_MET
    assert len(service.seen) == 1


def test_a_body_nested_too_deep_is_a_broken_eye(start: Start) -> None:
    body = b'{"status": "healthy", "tree": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(CannotObserve, match="nested too deep"):
        get(start(lambda _: answer(200, body)).url)


def test_numbers_that_overflow_are_no_numbers() -> None:
    reading = Answer(200, {"uptime_seconds": float("inf")})
    assert http.number("uptime_seconds").check(reading, FACTS).outcome is Outcome.NOT_MET


def test_the_wrong_scheme_is_called_by_its_name(start: Start) -> None:
    plain = start(lambda _: answer()).url.replace("http://", "https://")
    assert get(plain).failure == "this port speaks http, not https: change the url"
    alert = bytes.fromhex("15 03 01 00 02 02 46")  # what OpenSSL answers to a request without TLS
    secure = start(lambda _: alert + b"\r\n\r\n").url
    assert get(secure).failure == "this port speaks https, not http: change the url"


def test_a_connection_that_is_closed_at_once_is_said_to_be(start: Start) -> None:
    assert get(start(lambda _: None).url).failure == "the connection was closed without an answer"


def test_behind_a_port_forward_that_says_who_did_not_answer(start: Start) -> None:
    class Forwarded:
        def local(self, url: str) -> str:
            return url

        def check(self, _url: str) -> None:
            """The way itself is in order."""

    instance = Instance("pod", start(lambda _: None).url, way=Forwarded())
    found = request(Target(system("kubernetes", instance), "pod", instance), "GET", f"{instance.url}/health")
    assert "behind the port-forward: the pod refuses this port" in str(found.failure)


def test_our_own_reading_is_not_the_servers_time(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_data: bytes, _encoding: str | None) -> str:
        threading.Event().wait(0.7)
        return "{}"

    monkeypatch.setattr(exchange, "_text", slow)
    assert get(start(lambda _: answer()).url).took_ms < 700
