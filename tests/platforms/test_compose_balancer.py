"""HAProxy before the copies: one that stops gets no more work and ends what it has, and nothing stays drained."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from drillbook.environment import load, located
from drillbook.faults import StopInstance
from drillbook.faults.undo import Undo, perform
from drillbook.model import System
from drillbook.platforms import Balances, Missing, PlatformRefused, Stopped, platform_of
from drillbook.platforms.compose.haproxy import Balancer, Server
from drillbook.platforms.compose.platform import Project
from drillbook.platforms.compose.settings import ComposeProject
from drillbook.polling import wait_until

from .project import COPIES, Planted

GRACE_S = 12.0
BODY = b'{"value": "12", "env": "production", "user": "drillbook"}'


@pytest.fixture
def system(planted: Planted) -> Iterator[System]:
    """The system, healthy, in both eyes: the engine's and HAProxy's."""
    found = located(load(planted.have())).systems["config-manager"]
    whole(found)
    yield found
    whole(found)


def where(system: System) -> ComposeProject:
    found = system.place.held_as(ComposeProject)
    assert found is not None
    return found


def project_of(system: System) -> Project:
    return Project(where(system))


def balancer_of(system: System) -> Balancer:
    return Balancer(where(system).balancers["api"])


def whole(system: System) -> None:
    """Wait until both copies run and get work."""

    def look() -> bool:
        states = {one.name: one.state for one in project_of(system).list_instances()}
        serving = [one for one in balancer_of(system).servers() if one.up and not one.drained and one.address]
        return all(states[name] == "running" for name in COPIES) and len(serving) == len(COPIES)

    wait_until(look, what="both copies behind the balancer", timeout_s=40, every_s=0.2)


def states(system: System) -> dict[str, str]:
    return {one.name: one.state for one in project_of(system).list_instances()}


def drained(system: System) -> list[Server]:
    return [one for one in balancer_of(system).servers() if one.drained]


def server_of(system: System, name: str) -> str:
    """Return what HAProxy calls a copy."""
    container = project_of(system)._container(name)  # noqa: SLF001 - its address is nobody else's to know
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    (address,) = [network["IPAddress"] for network in networks]
    return next(one.name for one in balancer_of(system).servers() if one.address == address)


@contextmanager
def half_a_request(system: System) -> Iterator[socket.socket]:
    """Hold a request in work at one of the copies, through the entry: its body comes later."""
    assert system.entry is not None
    assert system.entry.url is not None
    entry = urlsplit(system.entry.url)
    with socket.create_connection((entry.hostname, entry.port), timeout=20) as connection:
        connection.sendall(
            b"POST /api/v1/configs/drillbook/drained HTTP/1.1\r\nHost: entry\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(BODY)}\r\nConnection: close\r\n\r\n".encode()
        )
        yield connection


def test_a_stop_waits_for_the_last_request_through_the_balancer(system: System) -> None:
    project, balancer = project_of(system), balancer_of(system)
    with half_a_request(system) as connection:
        held = wait_until(
            lambda: [one for one in balancer.servers() if one.sessions], what="the request in work", timeout_s=5
        )
        (name,) = [name for name in COPIES if server_of(system, name) == held[0].name]
        ended: list[Stopped] = []
        stopping = threading.Thread(target=lambda: ended.append(project.stop(name, grace_s=GRACE_S)))
        stopping.start()
        try:
            wait_until(lambda: drained(system), what="the drain", timeout_s=5)
            time.sleep(1)  # what is shown is that nothing happens
            assert not ended
            assert states(system)[name] == "idle"
            assert project._container(name).status == "running"  # noqa: SLF001 - it was not even asked to stop
            log = project.read_log(next(one for one in system.instances if one.name == name), limit_bytes=1 << 20)
            assert "signal" not in log.lines[-1].lower()
            connection.sendall(BODY)
            assert connection.recv(100).startswith(b"HTTP/1.1 20")
        finally:
            stopping.join()
            project.start(name)
    assert (ended[0].exit_code, ended[0].killed) == (0, False)
    assert 1 < ended[0].took_s < GRACE_S
    assert not drained(system)


def test_a_grace_that_is_over_ends_the_wait_too(system: System) -> None:
    project, balancer = project_of(system), balancer_of(system)
    with half_a_request(system):
        held = wait_until(lambda: [one for one in balancer.servers() if one.sessions], what="it", timeout_s=5)
        (name,) = [name for name in COPIES if server_of(system, name) == held[0].name]
        began = time.monotonic()
        stopped = project.stop(name, grace_s=2)
        assert time.monotonic() - began < 12
    project.start(name)
    assert 2 <= stopped.took_s < 5
    assert not drained(system)


def test_a_runner_that_dies_between_drain_and_stop_is_healed_from_data_alone(system: System) -> None:
    written = json.dumps(StopInstance.of(system, COPIES[0]).undo.to_json())
    balancer_of(system).drain(server_of(system, COPIES[0]))
    assert states(system)[COPIES[0]] == "idle"
    undone = perform(Undo.from_json(json.loads(written)), budget_s=30)
    assert undone.acts >= 1
    assert not drained(system)
    assert states(system)[COPIES[0]] == "running"


def test_a_stop_whose_runner_died_is_undone_although_the_engine_does_not_show_it(system: System) -> None:
    written = json.dumps(StopInstance.of(system, COPIES[0], grace_s=10).undo.to_json())
    with half_a_request(system):
        held = wait_until(
            lambda: [one for one in balancer_of(system).servers() if one.sessions], what="it", timeout_s=5
        )
        (name,) = [name for name in COPIES if server_of(system, name) == held[0].name]
        project_of(system)._container(name).kill("SIGTERM")  # noqa: SLF001 - as the engine's own stop begins
        assert states(system)[name] == "running"
        undone = perform(Undo.from_json(json.loads(written.replace(COPIES[0], name))), budget_s=40)
    assert undone.acts >= 1
    assert states(system)[name] == "running"


def test_a_place_that_a_dead_runner_left_drained_is_given_back_by_a_start(system: System) -> None:
    project = project_of(system)
    balancer_of(system).drain(server_of(system, COPIES[1]))
    project.kill(COPIES[1])
    project.start(COPIES[1])
    assert not drained(system)


def test_a_balancer_that_does_not_answer_refuses_the_stop_before_any_harm(system: System) -> None:
    blind = Project(replace(where(system), balancers={"api": "tcp://127.0.0.1:9/copies"}))
    with pytest.raises(PlatformRefused, match="is not taken out of the balancer: HAProxy") as refused:
        blind.stop(COPIES[0], grace_s=5)
    assert "stats socket" in refused.value.hint
    assert {one.state for one in blind.list_instances() if one.name in COPIES} == {"unknown"}
    nowhere = f"{where(system).balancers['api'].rpartition('/')[0]}/nowhere"
    wrong = Project(replace(where(system), balancers={"api": nowhere}))
    with pytest.raises(PlatformRefused, match="find backend"):
        wrong.stop(COPIES[0], grace_s=5)
    assert {states(system)[name] for name in COPIES} == {"running"}


def test_the_balancer_is_a_capability_of_the_component_that_has_one(system: System) -> None:
    platform = platform_of(system)
    assert not isinstance(platform.can(Balances, "api"), Missing)
    without = platform.can(Balances, "redis")  # type: ignore[type-abstract] # asked for by its type
    assert isinstance(without, Missing)
    assert "no balancer before redis" in without.reason


def test_a_paused_balancer_refuses_and_one_that_is_down_keeps_nobody(system: System) -> None:
    project = project_of(system)
    project.pause("haproxy-1")
    try:
        assert (states(system)["haproxy-1"], states(system)[COPIES[0]]) == ("paused", "unknown")
        with pytest.raises(PlatformRefused, match="is paused"):
            project.stop(COPIES[0], grace_s=5)
    finally:
        project.resume("haproxy-1")
    project.stop("haproxy-1", grace_s=5)
    try:
        assert states(system)[COPIES[0]] == "running"
        assert project.stop(COPIES[0], grace_s=10).exit_code == 0
    finally:
        project.start("haproxy-1")
        project.start(COPIES[0])


def test_every_request_through_the_entry_is_answered_while_a_copy_stops(system: System) -> None:
    assert system.entry is not None
    assert system.entry.url is not None
    entry, project = urlsplit(system.entry.url), project_of(system)
    answers: list[bytes] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with socket.create_connection((entry.hostname, entry.port), timeout=10) as connection:
                connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                answers.append(connection.recv(12))
            over.wait(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        project.stop(COPIES[0], grace_s=GRACE_S)
        time.sleep(1)  # its place is given back, to nobody yet
    finally:
        over.set()
        asking.join()
        project.start(COPIES[0])
    assert len(answers) > 30
    assert {answer.split()[1] for answer in answers} == {b"200"}
