"""Locust for real, as a process of its own, against real servers; each run a few seconds and nothing left behind."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

from drillbook import environment, labs
from drillbook.model import CannotObserve, Facts, Instance, Outcome, System, Target
from drillbook.polling import wait_until
from drillbook.traffic import load_orders
from drillbook.traffic.load import CacheReading, LoadResult, run_load
from drillbook.traffic.service import Address
from load.config_manager.criteria import SLO
from load.config_manager.profile import LOCUSTFILE, ConfigsLoad

from .conftest import TOKEN, Service, profile

ROOT = Path(__file__).parents[2]
FACTS = Facts(platform="process", expected_version=None, clock_skew_s=2.0)
NO_CACHE = CacheReading(problem="it has none")
RUNNER = """
import sys
from tests.load.conftest import Service, profile
from drillbook.traffic.load import CacheReading, run_load
run_load(
    profile(duration_s=60), Service(sys.argv[1], 0).system,
    read_cache=lambda: CacheReading(), progress=lambda line: print(line, flush=True),
)
"""


def judged(result: LoadResult, name: str) -> Outcome:
    row = next(row for row in SLO if row.id == f"config-manager.slo.{name}")
    return row.accepts.check(result, FACTS).outcome


def no_cache() -> CacheReading:
    return NO_CACHE


def freezing(service: Service, *, after_s: float = 1.0, for_s: float = 1.5) -> Callable[[], CacheReading]:
    """Freeze the service once, some time after measuring began."""
    timers = [
        threading.Timer(after_s, os.kill, (service.pid, signal.SIGSTOP)),
        threading.Timer(after_s + for_s, os.kill, (service.pid, signal.SIGCONT)),
    ]

    def read() -> CacheReading:
        while timers:
            timers.pop(0).start()
        return NO_CACHE

    return read


@pytest.fixture(scope="module")
def lab_system() -> Iterator[System]:
    (lab,) = labs.acquire(["config-manager"], print)
    try:
        yield replace(environment.load(lab.environment).systems["config-manager"], load_max_rps=40.0)
    finally:
        lab.close()


@pytest.mark.alone
def test_a_small_load_on_the_lab_is_sent_counted_and_judged(
    lab_system: System, caplog: pytest.LogCaptureFixture
) -> None:
    probe = ConfigsLoad(rate_rps=1000, duration_s=5, warm_up_s=1)
    with caplog.at_level(logging.INFO, logger="drillbook.load"):
        found = probe.observe(Target(lab_system, "load"))
    assert found.offered_rps == 40, "the environment's limit holds"
    assert (found.offered, found.sent, found.completed, found.dropped) == (200, 200, 200, 0)
    assert found.failures == {}
    assert found.achieved_rps == pytest.approx(40, rel=0.05)
    assert found.p50_ms is not None
    assert found.max_ms is not None
    assert 0 < found.p50_ms <= found.max_ms
    assert found.cache.problem is None
    assert 140 <= found.cache.hits + found.cache.misses <= 200
    assert found.left_behind == 0
    assert judged(found, "error-rate-critical") is Outcome.MET
    assert sum("at 40 rps" in line for line in caplog.messages) >= 4
    assert probe.decode(probe.encode(found)) == found


@pytest.mark.alone
def test_a_freeze_is_seen_from_the_intended_start_and_not_by_locust(service: Service) -> None:
    found = run_load(profile(duration_s=5, users=1), service.system, read_cache=freezing(service))
    assert found.sent == 200
    assert found.p99_ms is not None
    assert found.locust_p99_ms is not None
    assert found.p99_ms > 1000
    assert found.locust_p99_ms < 300
    assert judged(found, "p95-latency-target") is Outcome.UNKNOWN, "one user alone made the requests late"


@pytest.mark.alone
def test_with_enough_users_a_freeze_breaks_the_objective(service: Service) -> None:
    found = run_load(profile(duration_s=5), service.system, read_cache=freezing(service))
    assert found.p95_ms is not None
    assert found.p95_ms > 1000
    assert judged(found, "p95-latency-critical") is Outcome.NOT_MET
    assert found.slow >= 10


@pytest.mark.alone
def test_errors_are_counted_by_class_and_break_the_objective(service_with: Callable[[str], Service]) -> None:
    found = run_load(profile(), service_with("BREAKS").system, read_cache=no_cache)
    assert found.failures.keys() == {"status 503"}
    assert judged(found, "error-rate-critical") is Outcome.NOT_MET


def test_being_throttled_says_nothing(service_with: Callable[[str], Service]) -> None:
    found = run_load(profile(), service_with("THROTTLES").system, read_cache=no_cache)
    assert found.throttled > 0
    assert found.failures == {}
    assert judged(found, "error-rate-target") is Outcome.UNKNOWN


def test_arrivals_go_to_the_instances_in_turn_and_a_dead_one_shows(service: Service) -> None:
    alive = service.system.instances[0]
    system = service.system.with_main(instances=(alive, Instance("api-2", "http://127.0.0.1:9", headers=alive.headers)))
    found = run_load(profile(duration_s=2), system, read_cache=no_cache)
    assert found.failures == {"refused": 40}
    assert found.sent == 80
    assert service.facts()["keys"] == []


def test_secrets_reach_the_service_and_nothing_else(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[str] = []

    def look() -> CacheReading:
        others = [child for child in psutil.Process().children(recursive=True) if child.pid != service.pid]
        seen.extend(" ".join([*child.cmdline(), *child.environ().values()]) for child in others)
        assert list(tmp_path.iterdir()) == [], "the orders are gone once they were read"
        return NO_CACHE

    run_load(profile(duration_s=1), service.system, read_cache=look)
    assert service.facts()["authorization"] == [TOKEN]
    assert any("locust" in text for text in seen)
    assert not any(TOKEN in text for text in seen)


@pytest.mark.alone
def test_the_users_own_settings_of_locust_do_not_change_the_load(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".locust.conf").write_text("processes = 2\n")
    (tmp_path / "locust.conf").write_text("processes = 2\n")
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nprocesses = 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCUST_PROCESSES", "2")
    monkeypatch.setenv("SSL_CERT_FILE", "/its/own/ca.pem")
    variables: list[dict[str, str]] = []

    def look() -> CacheReading:
        children = psutil.Process().children()
        variables.extend(child.environ() for child in children if "locust" in child.cmdline())
        return NO_CACHE

    found = run_load(profile(rate_rps=20, duration_s=3), service.system, read_cache=look)
    counted = service.facts()["arrived"]
    assert found.sent == 60
    assert sorted(counted)[len(counted) // 2] <= 25, f"the service got {counted} requests a second"
    assert {one.get("SSL_CERT_FILE") for one in variables} == {"/its/own/ca.pem"}, "this one is no setting of Locust"


def test_orders_are_private_and_hide_their_headers() -> None:
    orders = load_orders.Orders(
        Address(("http://a",), {"Authorization": TOKEN}, (None,), (None,)), "n", "k", 1, 1, 0, 1, 3, 4
    )
    file = load_orders.write(orders)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_orders.take(file) == orders
    assert not file.exists()
    assert TOKEN not in repr(orders)


def test_the_keys_are_removed_in_the_end(service: Service) -> None:
    during: list[list[str]] = []

    def look() -> CacheReading:
        during.append(service.facts()["keys"])
        return NO_CACHE

    found = run_load(profile(duration_s=1), service.system, read_cache=look)
    assert len(during[0]) == 30
    assert all(key.startswith("load-") for key in during[0])
    assert service.facts()["keys"] == []
    assert found.left_behind == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_runner_that_ends_takes_locust_and_its_keys_with_it(
    service: Service, how: signal.Signals, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, service.url],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as runner:
        assert runner.stdout is not None
        runner.stdout.readline()
        locusts = psutil.Process(runner.pid).children(recursive=True)
        assert any("locust" in " ".join(one.cmdline()) for one in locusts)
        assert service.facts()["keys"]
        runner.send_signal(how)
        runner.wait(20)
    wait_until(lambda: not any(is_alive(one) for one in locusts), what="Locust to end", timeout_s=15)
    assert service.facts()["keys"] == []
    assert list(tmp_path.iterdir()) == []


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_callback_that_breaks_ends_locust(service: Service) -> None:
    def broken() -> CacheReading:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_load(profile(duration_s=60), service.system, read_cache=broken)
    assert not [child for child in psutil.Process().children() if "locust" in child.cmdline()]
    assert service.facts()["keys"] == []


def test_a_service_that_is_down_is_no_load(service: Service) -> None:
    down = service.system.with_main(instances=(Instance("api-1", "http://127.0.0.1:9"),))
    with pytest.raises(CannotObserve, match="could not be set up: POST of a key answered refused"):
        run_load(profile(), down, read_cache=no_cache)


def test_a_locustfile_that_breaks_shows_its_last_words(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text("raise RuntimeError('these are my last words')\n")
    with pytest.raises(CannotObserve, match="these are my last words"):
        run_load(replace(profile(), locustfile=file), service.system, read_cache=no_cache)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda system: replace(system, scratch_namespace=None), "allows no writes"),
        (lambda system: system.with_main(instances=()), "names no address"),
    ],
)
def test_an_environment_that_lacks_something_is_told_what(
    service: Service, change: Callable[[System], System], reason: str
) -> None:
    with pytest.raises(CannotObserve, match=reason):
        run_load(profile(), change(service.system), read_cache=no_cache)


def test_without_a_limit_no_load_is_sent(service: Service) -> None:
    with pytest.raises(CannotObserve, match="allows no load"):
        ConfigsLoad().observe(Target(replace(service.system, load_max_rps=None), "load"))


def test_without_locust_one_is_told_what_to_install(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CannotObserve) as caught:
        run_load(profile(), service.system, read_cache=no_cache)
    assert caught.value.hint == "install it: pip install 'drillbook[load]'"


def test_the_runner_never_imports_locust() -> None:
    code = "import sys, load.config_manager.criteria; sys.exit('locust' in sys.modules or 'gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.alone
def test_by_hand_locust_shows_its_own_page_to_this_machine_alone(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = f"http://127.0.0.1:{port}"
    arguments = ["-f", str(LOCUSTFILE), "--host", service.url, "--web-port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "locust", *arguments],
        cwd="/",
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as locust:
        try:
            wait_until(lambda: listening(locust.pid), what="Locust's page", timeout_s=20)
            assert listening(locust.pid) == [("127.0.0.1", port)]
            form = {
                "user_count": "20",
                "spawn_rate": "20",
                "host": service.url,
                "rate_rps": "60",
                "namespace": "drillbook",
            }
            assert ask(f"{page}/swarm", form)["success"]
            wait_until(
                lambda: ask(f"{page}/stats/requests")["total_rps"] > 50, what="60 requests a second", timeout_s=15
            )
            assert len(service.facts()["keys"]) == 30
            ask(f"{page}/stop", {})
            wait_until(lambda: not service.facts()["keys"], what="the keys to be removed", timeout_s=10)
        finally:
            locust.terminate()
            locust.wait(15)


def listening(pid: int) -> list[tuple[str, int]]:
    found = psutil.Process(pid).net_connections(kind="tcp")
    return [(one.laddr.ip, one.laddr.port) for one in found if one.status == psutil.CONN_LISTEN]


def ask(url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    data = None if form is None else urlencode(form).encode()
    with urllib.request.urlopen(url, data, timeout=5) as answer:  # noqa: S310 - our own page
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.mark.parametrize("field", ["rate_rps", "duration_s", "users", "timeout_s"])
def test_a_profile_without_a_size_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        replace(profile(), **{field: 0})  # type: ignore[arg-type] # a table of names
