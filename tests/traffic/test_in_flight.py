"""Requests that are in flight while a real process is told to end."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from drillbook.model import CannotObserve
from drillbook.traffic.in_flight import slow_requests
from drillbook.traffic.service import Service

from .conftest import Range

pytestmark = pytest.mark.alone

BODY = '{"index": {index}, "filler": "0123456789"}'


def test_a_service_that_drains_completes_what_it_took(target: Range) -> None:
    with slow_requests(target.service, "/echo", body=BODY, seconds=1.5, count=5) as in_flight:
        assert in_flight.started == 5
        time.sleep(0.3)
        target.signal(signal.SIGTERM)
    assert in_flight.dropped == []
    assert [found.status for found in in_flight.completed] == [201] * 5
    assert all(1.3 < found.took_s < 4 for found in in_flight.completed)
    target.wait()


@pytest.mark.parametrize("expect_continue", [False, True])
def test_a_service_that_hangs_up_drops_them_all(target: Range, *, expect_continue: bool) -> None:
    target.set(drain=False)
    with slow_requests(
        target.service, "/echo", body=BODY, seconds=1.5, count=5, expect_continue=expect_continue
    ) as in_flight:
        time.sleep(0.3)
        target.signal(signal.SIGTERM)
    assert len(in_flight.dropped) == 5
    assert in_flight.completed == []
    assert all(found.after_s < 1.4 for found in in_flight.dropped)
    assert all("Error" in found.reason or "Disconnected" in found.reason for found in in_flight.dropped)


def test_100_continue_proves_that_a_handler_reads(target: Range) -> None:
    with slow_requests(target.service, "/echo", body=BODY, seconds=0.5, count=2, expect_continue=True) as in_flight:
        pass
    assert [found.status for found in in_flight.completed] == [201, 201]


def test_an_answer_of_5xx_is_dropped(target: Range) -> None:
    target.set(status=503)
    with slow_requests(target.service, "/echo", body=BODY, seconds=0.3, count=2) as in_flight:
        pass
    assert {found.reason for found in in_flight.dropped} == {"status 503"}


def test_an_answer_that_never_comes_is_dropped_in_bounded_time(target: Range) -> None:
    target.set(delay_s=30)
    began = time.monotonic()
    with slow_requests(target.service, "/echo", body=BODY, seconds=0.3, count=2, answer_timeout_s=0.5) as in_flight:
        pass
    assert time.monotonic() - began < 4
    assert len(in_flight.dropped) == 2


def test_an_error_beside_them_ends_them_at_once(target: Range) -> None:
    target.set(delay_s=30)
    began = time.monotonic()
    in_flight = slow_requests(target.service, "/echo", body=BODY, seconds=0.3, count=2)

    def fail() -> None:
        time.sleep(0.5)
        raise ValueError("beside")

    with pytest.raises(ValueError, match="beside"), in_flight:
        fail()
    assert time.monotonic() - began < 2
    assert [found.reason for found in in_flight.dropped] == ["abandoned by us"] * 2


def test_nothing_in_flight_is_an_error_before_anything_is_stopped(target: Range) -> None:
    target.kill()
    with (
        pytest.raises(CannotObserve, match="ConnectionRefusedError"),
        slow_requests(target.service, "/echo", body=BODY, seconds=1),
    ):
        pass


def test_they_go_to_the_first_instance_that_takes_a_connection(target: Range) -> None:
    service = Service(("http://127.0.0.1:1", target.url))
    with slow_requests(service, "/echo", body=BODY, seconds=0.3, count=2) as in_flight:
        pass
    assert {found.url for found in in_flight.completed} == {1}


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
Talk = Callable[..., Service]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Serve one connection with what is said before the whole body has come, and after it."""
    with contextlib.ExitStack() as stack:

        def start(before: bytes, after: bytes, *, waits: bool = True) -> Service:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                with server.accept()[0] as client, contextlib.suppress(OSError):
                    got = client.recv(65536)
                    client.sendall(before)
                    while waits and not got.endswith(b"0123456789") and (piece := client.recv(65536)):
                        got += piece
                    client.sendall(after)
                    client.recv(1)

            threading.Thread(target=serve, daemon=True).start()
            return Service((f"http://127.0.0.1:{server.getsockname()[1]}",))

        yield start


@pytest.mark.parametrize("before", [HINTS, HINTS + HINTS, CONTINUE + HINTS], ids=["one", "two", "after 100"])
@pytest.mark.parametrize("expect_continue", [False, True])
def test_an_interim_answer_is_no_answer(talk: Talk, before: bytes, *, expect_continue: bool) -> None:
    before = before + CONTINUE if expect_continue and CONTINUE not in before else before
    service = talk(before, HINTS + CREATED)
    with slow_requests(
        service, "/", body="x0123456789", seconds=0.5, count=1, expect_continue=expect_continue
    ) as in_flight:
        pass
    assert [(found.status, found.took_s > 0.4) for found in in_flight.completed] == [(201, True)], in_flight.dropped


def test_an_interim_answer_is_not_the_100_that_confirms(talk: Talk) -> None:
    with (
        pytest.raises(CannotObserve, match="could be put in flight"),
        slow_requests(talk(HINTS, b""), "/", body="0123456789", seconds=0.3, count=1, expect_continue=True),
    ):
        pass


def test_an_answer_that_comes_early_ends_the_request(talk: Talk) -> None:
    service = talk(HINTS + CREATED, b"", waits=False)
    began = time.monotonic()
    with slow_requests(service, "/", body="0123456789", seconds=2, count=1) as in_flight:
        pass
    assert time.monotonic() - began < 1.5
    assert [found.status for found in in_flight.completed] == [201]


def test_an_answer_instead_of_100_is_not_in_flight(talk: Talk) -> None:
    with (
        pytest.raises(CannotObserve, match="answered before the body was sent"),
        slow_requests(talk(CREATED, b""), "/", body="0123456789", seconds=1, count=1, expect_continue=True),
    ):
        pass
