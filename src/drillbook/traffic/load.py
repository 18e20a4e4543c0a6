"""Load by Locust in a process of its own: started, bounded, reported and ended here; never imported here.

What it says is the client's truth at a fixed rate of arrivals: each latency counts from the intended start of its
request, and arrivals that were late or never sent are counted, not forgotten.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import selectors
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from ..model import CannotObserve, System
from . import load_orders
from .histogram import Histogram
from .load_orders import Orders
from .load_tally import Measured
from .service import Service

START_LIMIT_S = 20.0
"""The longest that Locust may take to start and to write what the run needs."""
END_LIMIT_S = 12.0
"""The longest that it may take to remove what it wrote and to end."""
_TAIL = 800
_NO_HOME = "/nonexistent"
"""What Debian calls the home of who has none; it is never there."""

Row = dict[str, Any]
"""One line as it was read; parsed at once."""


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """What to send.

    ``users`` is the most requests that may be open at one time. At ``rate_rps * timeout_s`` none has to wait for a
    user even when the service answers nothing, so that whatever is late was made late by the service.
    """

    name: str
    locustfile: Path
    rate_rps: float
    duration_s: float
    warm_up_s: float
    users: int
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if min(self.rate_rps, self.duration_s, self.users, self.timeout_s) <= 0 or self.warm_up_s < 0:
            raise ValueError("rate_rps, duration_s, users and timeout_s are above 0, warm_up_s is not below 0")

    @property
    def limit_s(self) -> float:
        """The longest that ``run_load`` may take, in seconds."""
        sending_s = self.warm_up_s + self.duration_s + self.timeout_s
        return START_LIMIT_S + sending_s + END_LIMIT_S

    def at_most(self, max_rps: float) -> LoadProfile:
        """Return this profile at ``max_rps`` requests a second or fewer."""
        return replace(self, rate_rps=min(self.rate_rps, max_rps))


@dataclass(frozen=True, slots=True)
class CacheCount:
    """The cache's counters of one instance, since its start."""

    instance: str
    hits: float
    misses: float


@dataclass(frozen=True, slots=True)
class CacheReading:
    """The counters of all instances at one time, or why they could not be read."""

    counts: tuple[CacheCount, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CacheChange:
    """Hits and misses between two readings, over all instances and all their clients."""

    hits: float = 0.0
    misses: float = 0.0
    problem: str | None = None
    """Why the difference means nothing; None when it does mean something."""

    @property
    def hit_share(self) -> float | None:
        """The share of hits, 0 to 1; None when nothing was looked up."""
        looked_up = self.hits + self.misses
        return self.hits / looked_up if looked_up else None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of a run, without its warm-up. Milliseconds count from the intended start of each request.

    A failed request's latency counts too (leaving it out would flatter a service that times out).
    """

    offered_rps: float
    duration_s: float
    offered: int
    """Arrivals that were due."""
    sent: int
    completed: int
    """Requests that were answered, whatever the answer."""
    dropped: int
    """Arrivals that were never sent: no user was free for as long as a request may take."""
    late: int
    """Requests sent more than 50 ms after their intended start."""
    throttled: int
    """Answers 429, which we may have caused; they are no failures."""
    slow: int
    """Good answers that took longer than a second."""
    failures: Mapping[str, int]
    achieved_rps: float
    """The rate at which requests were sent."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    locust_p99_ms: float | None
    """Locust's own figure, from the sending of each request: to compare, never to judge by."""
    latencies: str
    """The encoded HdrHistogram, in microseconds."""
    cache: CacheChange
    left_behind: int = 0
    """Entries that could not be removed."""

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return sum(self.failures.values())

    @property
    def error_share(self) -> float | None:
        """The share of requests that failed, 0 to 1; None when none was sent."""
        return self.failed / self.sent if self.sent else None

    @property
    def available_share(self) -> float | None:
        """The share of requests that were answered well and within a second, 0 to 1; None when none was sent."""
        return 1 - (self.failed + self.slow) / self.sent if self.sent else None


def cache_change(before: CacheReading, after: CacheReading) -> CacheChange:
    """Return what was counted between two readings; a counter that went backwards, or vanished, says why not."""
    problem = before.problem or after.problem
    if problem is not None:
        return CacheChange(problem=problem)
    first = {count.instance: count for count in before.counts}
    last = {count.instance: count for count in after.counts}
    if not first or first.keys() != last.keys():
        return CacheChange(problem="no instance, or not the same ones, counted the cache before and after")
    for name, count in last.items():
        if count.hits < first[name].hits or count.misses < first[name].misses:
            return CacheChange(problem=f"the counters of {name} went backwards (a restart)")
    return CacheChange(
        hits=sum(count.hits - first[name].hits for name, count in last.items()),
        misses=sum(count.misses - first[name].misses for name, count in last.items()),
    )


def run_load(
    profile: LoadProfile,
    system: System,
    *,
    read_cache: Callable[[], CacheReading],
    progress: Callable[[str], None] = lambda _line: None,
) -> LoadResult:
    """Send a profile's load to where users of a system come in, and return what came of it.

    The process ends with this call, and by itself when this process dies. It removes the entries that it wrote.

    Args:
        profile: what to send; its rate is the caller's responsibility (``LoadProfile.at_most``).
        system: with an entry or instances, and a scratch namespace.
        read_cache: called as measuring begins and when it has ended.
        progress: called with one line about once a second.

    Raises:
        CannotObserve: Locust is not installed, did not start, died or took longer than ``profile.limit_s``; the
            reason may quote its last words and is not redacted.
    """
    _require_locust()
    with ExitStack() as stack:
        locust = stack.enter_context(_started(profile, system))
        account, cache, left = _follow(locust, profile, read_cache, progress)
    return _result(profile, account, cache, left)


@dataclass(frozen=True, slots=True)
class _Locust:
    """The running process, and what is read of it."""

    process: subprocess.Popen[bytes]
    report_fd: int
    said: IO[bytes]
    deadline_s: float
    keys: str
    """Which entries it writes, in words."""

    def failure(self, reason: str) -> CannotObserve:
        self.said.seek(0)
        words = self.said.read().decode(errors="replace").strip()
        tail = f": {words[-_TAIL:]}" if words else ""
        return CannotObserve(reason + tail, hint=f"run the locustfile by hand; {self.keys} may be left")


def _require_locust() -> None:
    if importlib.util.find_spec("locust") is None:
        raise CannotObserve("Locust is not installed", hint="install it: pip install 'drillbook[load]'")


def _service(system: System) -> Service:
    if not any(instance.url for instance in system.ways_in):
        raise CannotObserve("the environment names no address of the API", hint="set its url or instances")
    return Service.of(system.ways_in)


@contextmanager
def _started(profile: LoadProfile, system: System) -> Iterator[_Locust]:
    """Start Locust, and end it in good order or by force."""
    if system.scratch_namespace is None:
        raise CannotObserve("the environment allows no writes", hint="set allowed under the system's mutations")
    address = _service(system).address()
    report_read, report_write = os.pipe()
    lifeline_read, lifeline_write = os.pipe()
    orders = Orders(
        address=address,
        namespace=system.scratch_namespace,
        key_prefix=f"load-{secrets.token_hex(6)}",
        rate_rps=profile.rate_rps,
        duration_s=profile.duration_s,
        warm_up_s=profile.warm_up_s,
        timeout_s=profile.timeout_s,
        report_fd=report_write,
        lifeline_fd=lifeline_read,
    )
    keys = f"keys {orders.key_prefix}-* in the namespace {orders.namespace}"
    file = load_orders.write(orders)
    try:
        with tempfile.TemporaryFile() as said:
            process = _popen(profile, orders, file, said)
            os.close(report_write)
            os.close(lifeline_read)
            locust = _Locust(process, report_read, said, time.monotonic() + profile.limit_s, keys)
            try:
                yield locust
            finally:
                os.close(lifeline_write)
                _reap(process)
    finally:
        file.unlink(missing_ok=True)
        os.close(report_read)


def _popen(profile: LoadProfile, orders: Orders, file: Path, said: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "locust", "-f", str(profile.locustfile), "--headless", "--only-summary"),
            *("--users", str(profile.users), "--spawn-rate", str(profile.users), "--loglevel", "WARNING"),
        ],
        cwd=Path(__file__).parent,  # Locust reads settings from where it is started; there are none among our own files
        env={**_without_settings(os.environ), load_orders.VARIABLE: str(file)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
        pass_fds=[orders.report_fd, orders.lifeline_fd],
        start_new_session=True,  # an interrupt typed at the terminal is for the runner, which then ends us
    )


def _without_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Locust finds no settings of the user's: ``processes = 2`` would double the load.

    Proxy and CA variables stay. Packages that were installed for the user alone, as Locust may be, are found as before.
    """
    kept = {name: value for name, value in variables.items() if not name.startswith("LOCUST_")}
    packages = {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}
    return {**kept, **packages, "HOME": _NO_HOME}


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has ended; it and its children are killed when that takes too long."""
    try:
        process.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _follow(
    locust: _Locust,
    profile: LoadProfile,
    read_cache: Callable[[], CacheReading],
    progress: Callable[[str], None],
) -> tuple[Measured, CacheChange, int]:
    """Read what the process says until it has removed its entries."""
    before = after = CacheReading(problem="the load process did not say when it began to measure")
    account: Measured | None = None
    for row in _rows(locust):
        match row.get("k"):
            case "progress":
                progress(_progress_line(profile, row))
            case "measuring":
                before = read_cache()
            case "measured":
                after = read_cache()
                account = Measured(**row["account"])
            case "failed":
                raise CannotObserve(
                    f"the load could not be set up: {row['reason']}",
                    hint="look at the service's health first; the load was not sent",
                )
            case "broken":
                raise CannotObserve(row["reason"], hint=row["hint"])
            case "end" if account is not None:
                if row["left"]:
                    progress(f"load {profile.name}: {row['left']} of the {locust.keys} may be left")
                return account, cache_change(before, after), int(row["left"])
    raise locust.failure(f"Locust ended by itself with status {locust.process.wait()}")


def _rows(locust: _Locust) -> Iterator[Row]:
    """Yield the lines of the process until its end. Raises CannotObserve when its time is up."""
    waiting = b""
    with selectors.DefaultSelector() as selector:
        selector.register(locust.report_fd, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, locust.deadline_s - time.monotonic())):
                raise locust.failure("Locust took longer than the load's limit")
            part = os.read(locust.report_fd, 65536)
            if not part:
                return
            *lines, waiting = (waiting + part).split(b"\n")
            yield from (json.loads(line) for line in lines)


def _progress_line(profile: LoadProfile, row: Row) -> str:
    p95 = "none yet" if row["p95_ms"] is None else f"{row['p95_ms']:.0f} ms"
    total_s = profile.warm_up_s + profile.duration_s
    return (
        f"load {profile.name}: {row['elapsed_s']:.0f} of {total_s:g} s at {profile.rate_rps:g} rps,"
        f" {row['sent']} measured, p95 {p95}, {row['failed']} failed"
    )


def _result(profile: LoadProfile, account: Measured, cache: CacheChange, left: int) -> LoadResult:
    latencies = Histogram.decode(account.latencies) if account.latencies else None
    at = latencies.percentile_ms if latencies else lambda _percentile: None
    return LoadResult(
        offered_rps=profile.rate_rps,
        duration_s=profile.duration_s,
        offered=account.offered,
        sent=account.sent,
        completed=account.completed,
        dropped=account.dropped,
        late=account.late,
        throttled=account.throttled,
        slow=account.slow,
        failures=account.failures,
        achieved_rps=account.achieved_rps,
        p50_ms=at(50),
        p95_ms=at(95),
        p99_ms=at(99),
        max_ms=latencies.max_ms if latencies else None,
        locust_p99_ms=account.locust_p99_ms,
        latencies=account.latencies,
        cache=cache,
        left_behind=left,
    )
