"""Open-loop users for locustfiles. Imported in the load process alone: importing Locust patches a whole process.

A locustfile subclasses ``OpenLoopUser`` and calls ``open_loop`` once. One greenlet hands out arrivals at their
intended starts to whichever user is free; a request that finds none waits, and its latency counts from its intended
start all the same (``constant_throughput`` would let it be forgotten).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent  # type: ignore[import-untyped]  # the package carries no types
from gevent import monkey
from gevent.event import AsyncResult, Event  # type: ignore[import-untyped]  # see above
from locust import FastHttpUser, constant, events, task
from locust.contrib.fasthttp import FastHttpSession, ResponseContextManager
from locust.event import EventHook

from .. import outbound
from . import load_orders
from .load_orders import Orders
from .load_tally import Arrival, Outcome, Tally, arrivals
from .service import Service

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

TEAR_DOWN_LIMIT_S = 10.0
"""How long a run whose runner is gone may take to remove what it wrote."""
_LEAD_S = 0.2
_DRAIN_EXTRA_S = 0.5
_DEFAULT_RATE_RPS = 20.0
_DEFAULT_TIMEOUT_S = 5.0
_DEFAULT_NAMESPACE = "drillbook"
_NO_FD = -1


class SetUpFailed(Exception):
    """What the run needs could not be written; the text says what was answered."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a locustfile adds: what to write before, and to remove after, the run."""

    set_up: Callable[[Orders, FastHttpSession], None]
    """Raises SetUpFailed."""
    tear_down: Callable[[Orders, FastHttpSession], int]
    """Called always; returns how many entries could not be removed."""


class _Dispatch:
    """Hands arrivals to free users, the one that was busy last first: few connections, and those are warm."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.tally = Tally(orders.rate_rps)
        self._idle: tuple[list[AsyncResult], ...] = tuple([] for _ in orders.address.urls)
        self._backlog: tuple[deque[Arrival], ...] = tuple(deque() for _ in orders.address.urls)
        self._users = 0
        self.proxy_failed: outbound.ProxyFailed | None = None
        """That a proxy failed: then nothing can be said about the service."""

    def place_for_next_user(self) -> int:
        """Return the places of the addresses in turn."""
        self._users += 1
        return (self._users - 1) % len(self.orders.address.urls)

    def offer(self, arrival: Arrival) -> None:
        """Give an arrival to a free user of its host, or let it wait for one."""
        self.tally.offer(arrival)
        place = arrival.number % len(self.orders.address.urls)
        if self._idle[place]:
            self._idle[place].pop().set(arrival)
        else:
            self._backlog[place].append(arrival)

    def next_for(self, place: int) -> Arrival:
        """Return the oldest arrival that waits, else the next one; what waited too long is dropped."""
        while self._backlog[place]:
            arrival = self._backlog[place].popleft()
            if time.monotonic() - arrival.intended_s <= self.orders.timeout_s:
                return arrival
            self.tally.drop(arrival)
        slot = AsyncResult()
        self._idle[place].append(slot)
        try:
            found: Arrival = slot.get()
        finally:
            if slot in self._idle[place]:
                self._idle[place].remove(slot)
        return found

    def give_up(self) -> None:
        """Drop what still waits and count what has no answer as timed out."""
        for waiting in self._backlog:
            while waiting:
                self.tally.drop(waiting.popleft())
        self.tally.give_up(time.monotonic())


class OpenLoopUser(FastHttpUser):
    """Sends whatever arrival it is given. Subclasses say what a request is."""

    abstract = True
    wait_time = constant(0)

    def __init__(self, environment: Environment) -> None:
        self.dispatch = _run.dispatch_for(environment)
        self.orders = self.dispatch.orders
        self._place = self.dispatch.place_for_next_user()
        self.host = self.orders.address.urls[self._place]
        super().__init__(environment)
        self.client = session(self.orders, self._place, user=self)

    def send(self, number: int) -> Outcome:
        """Send the request of this number and say what became of it."""
        raise NotImplementedError

    @task
    def take_next(self) -> None:
        """Wait for an arrival and send it."""
        arrival = self.dispatch.next_for(self._place)
        self.dispatch.tally.send(arrival, time.monotonic())
        outcome = Outcome(None, "the load process broke")
        try:
            outcome = self.send(arrival.number)
        except outbound.ProxyFailed as failure:
            self.dispatch.proxy_failed = failure
        finally:
            self.dispatch.tally.settle(arrival, time.monotonic(), outcome)


class _Run:
    """The events of one load process, and its line to the runner."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.given: Orders | None = None
        self.dispatch: _Dispatch | None = None
        self._spawned = Event()
        self._conductor: gevent.Greenlet | None = None

    def dispatch_for(self, environment: Environment) -> _Dispatch:
        """Return the hand that users take arrivals from."""
        if self.dispatch is None:
            self.dispatch = _Dispatch(self.given or _from_options(environment))
        return self.dispatch

    def begin(self, environment: Environment, **_: Any) -> None:
        """Write what the run needs, then start handing out once all users are there."""
        assert self.plan is not None
        self.dispatch = None
        self._spawned.clear()
        dispatch = self.dispatch_for(environment)
        try:
            self.plan.set_up(dispatch.orders, session(dispatch.orders, 0))
        except SetUpFailed as failure:
            self.say("failed", reason=str(failure))
            self._give_up(environment)
            return
        except outbound.ProxyFailed as failure:
            self.say("broken", reason=failure.reason, hint=failure.hint)
            self._give_up(environment)
            return
        self._conductor = gevent.spawn(self._conduct, environment, dispatch)

    def spawned(self, **_: Any) -> None:
        """All users are there."""
        self._spawned.set()

    def end(self, environment: Environment, **_: Any) -> None:
        """Remove what the run wrote, by whichever host answers."""
        assert self.plan is not None
        if self._conductor is not None and self._conductor is not gevent.getcurrent():
            self._conductor.kill()
        if self.dispatch is None:
            return
        orders = self.dispatch.orders
        left = 0
        for place in range(len(orders.address.urls)):
            try:
                left = self.plan.tear_down(orders, session(orders, place))
            except outbound.ProxyFailed:
                left = 1  # or more: nobody can tell now
            if not left:
                break
        self.dispatch = None
        self.say("end", left=left)
        if left:
            environment.process_exit_code = 1

    def say(self, kind: str, **fields: Any) -> None:
        """Write one line to the runner, if there is one."""
        if self.given is None:
            if kind in {"failed", "broken"}:
                print(f"load: {fields['reason']}")  # noqa: T201 - a person started this by hand
            return
        try:
            os.write(self.given.report_fd, json.dumps({"k": kind, **fields}).encode() + b"\n")
        except BrokenPipeError:
            return  # the runner is gone; the lifeline ends us

    def _conduct(self, environment: Environment, dispatch: _Dispatch) -> None:
        """Hand out every arrival at its time, let the last ones end, report, and end the process."""
        self._spawned.wait()
        orders = dispatch.orders
        teller = gevent.spawn(self._tell, dispatch.tally, orders)
        measuring = False
        duration_s = orders.duration_s if self.given else None
        for arrival in arrivals(
            time.monotonic() + _LEAD_S, rate_rps=orders.rate_rps, warm_up_s=orders.warm_up_s, duration_s=duration_s
        ):
            gevent.sleep(max(0.0, arrival.intended_s - time.monotonic()))
            if dispatch.proxy_failed is not None:
                break
            if arrival.measured and not measuring:
                measuring = True
                environment.stats.reset_all()
                self.say("measuring")
            dispatch.offer(arrival)
        deadline = time.monotonic() + orders.timeout_s + _DRAIN_EXTRA_S
        while dispatch.tally.open and time.monotonic() < deadline:
            gevent.sleep(0.01)
        dispatch.give_up()
        teller.kill()
        if dispatch.proxy_failed is not None:
            self.say("broken", reason=dispatch.proxy_failed.reason, hint=dispatch.proxy_failed.hint)
            self._give_up(environment)
            return
        total = environment.stats.total
        p99_ms = float(total.get_response_time_percentile(0.99)) if total.num_requests else None
        self.say("measured", account=asdict(dispatch.tally.measured(p99_ms)))
        environment.process_exit_code = 0
        gevent.spawn(_end, environment)

    @staticmethod
    def _give_up(environment: Environment) -> None:
        environment.process_exit_code = 1
        gevent.spawn(_end, environment)

    def _tell(self, tally: Tally, orders: Orders) -> None:
        began = time.monotonic()
        while True:
            gevent.sleep(1)
            elapsed_s = min(time.monotonic() - began, orders.warm_up_s + orders.duration_s)
            self.say("progress", elapsed_s=elapsed_s, sent=tally.sent, failed=tally.failed, p95_ms=tally.p95_ms)


_run = _Run()


def open_loop(plan: Plan) -> None:
    """Drive the users of this locustfile open-loop: by the runner's orders, or by hand with Locust's own page."""
    _run.plan = plan
    if path := os.environ.pop(load_orders.VARIABLE, None):
        _run.given = load_orders.take(Path(path))
        _watch_lifeline(_run.given.lifeline_fd)
    else:
        _listen(events.init_command_line_parser, _add_options)
    _listen(events.test_start, _run.begin)
    _listen(events.spawning_complete, _run.spawned)
    _listen(events.test_stop, _run.end)


def _listen(event: EventHook, listener: Callable[..., None]) -> None:
    event.add_listener(listener)  # type: ignore[no-untyped-call]  # Locust is typed in part


class _Session(FastHttpSession):
    """A client that tells a failing proxy from a failing service."""

    proxy: outbound.Proxy | None = None

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> ResponseContextManager:
        """Send a request. Raises ProxyFailed when it came no further than the proxy."""
        proxy = self.proxy
        if proxy is None:
            return super().request(method, url, *arguments, **options)
        base = self.base_url or ""
        try:
            answer = super().request(method, url, *arguments, **options)
        except RuntimeError as error:  # so geventhttpclient says that there is no tunnel
            tunnelled = base.startswith("https://")  # else it found no way to the proxy itself
            outbound.blame_proxy(proxy, base, reached=tunnelled, through=False, why=error)
            raise
        unreached = getattr(answer, "error", None)  # set by Locust on answers that never came
        if isinstance(unreached, (ConnectionRefusedError, socket.gaierror)):
            outbound.blame_proxy(proxy, base, reached=False, through=False, why=unreached.strerror)
        headers = {name: str(value) for name, value in (answer.headers or {}).items()}
        outbound.blame_proxys_answer(proxy, base, answer.status_code, headers)
        return answer


def session(orders: Orders, place: int, *, user: OpenLoopUser | None = None) -> FastHttpSession:
    """Return a client for one of the addresses, asked as the environment says; without a user no statistics see it."""
    address = orders.address
    proxy, tls = address.proxies[place], address.tls[place]

    def trusted(cafile: str | None = None) -> ssl.SSLContext:  # noqa: ARG001 - theirs, which are not ours to trust
        return outbound.context(tls)

    between: dict[str, Any] = {"proxy_host": proxy.host, "proxy_port": proxy.port} if proxy else {}
    if proxy is not None and proxy.headers:
        between |= {"proxy_user": proxy.username, "proxy_password": proxy.password}
    found = _Session(
        base_url=address.urls[place],
        request_event=user.environment.events.request if user else EventHook(),  # type: ignore[no-untyped-call]  # typed in part
        user=user,
        insecure=False,
        ssl_context_factory=trusted,
        network_timeout=orders.timeout_s,
        connection_timeout=orders.timeout_s,
        headers=dict(address.headers),
        concurrency=1,
        max_retries=0,
        max_redirects=0,  # a login goes where the environment says, as in all our clients
        **between,
    )
    found.proxy = proxy
    return found


def _end(environment: Environment) -> None:
    """End the process when a runner started it; a person's page stays."""
    assert environment.runner is not None
    if _run.given is not None:
        environment.runner.quit()
    else:
        environment.runner.stop()


def _add_options(parser: LocustArgumentParser) -> None:
    parser.set_defaults(web_host="127.0.0.1", num_users=100, spawn_rate=100)
    group = parser.add_argument_group("Drillbook", "an open-loop schedule; users are how many requests may be open")
    group.add_argument("--rate-rps", type=float, default=_DEFAULT_RATE_RPS, help="arrivals a second")
    group.add_argument("--namespace", default=_DEFAULT_NAMESPACE, help="where the keys of the run are written")


def _from_options(environment: Environment) -> Orders:
    options = environment.parsed_options
    assert options is not None
    host = environment.host or options.host
    if not host:
        raise SystemExit("say which service with --host")
    return Orders(
        address=Service((host,)).address(),
        namespace=options.namespace,
        key_prefix=f"load-{os.urandom(6).hex()}",
        rate_rps=float(options.rate_rps),
        duration_s=0.0,
        warm_up_s=0.0,
        timeout_s=_DEFAULT_TIMEOUT_S,
        report_fd=_NO_FD,
        lifeline_fd=_NO_FD,
    )


def _watch_lifeline(fd: int) -> None:
    """End this process when the runner asks for it or is dead: in good order, or by force after a while."""
    start_thread = monkey.get_original("_thread", "start_new_thread")
    sleep = monkey.get_original("time", "sleep")

    def wait_for_end() -> None:
        while os.read(fd, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(TEAR_DOWN_LIMIT_S)
        os._exit(1)

    start_thread(wait_for_end, ())
