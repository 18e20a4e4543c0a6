"""What nobody could see here is not judged, by the file alone: counted, listed with its reason, and never silent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drillbook.rejudge import rejudge
from drillbook.report import summary, text

from ..running import Run, disrupt, gate

POOL = "config-manager.pool.redis-clients"
QUICK = "config-manager.health.quick"
LISTED = "config-manager.startup.compose-all-up"
NO_REDIS = "the environment names no Redis, as systems.config-manager.components.redis"


@dataclass
class Service:
    """A service that answers everything with 200, and what it was asked."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    """One that runs."""
    found = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": "healthy"}).encode())

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()


def outside(folder: Path, url: str, more: str = "", platform: str = "address") -> Path:
    """An environment with one address."""
    path = folder / "outside.toml"
    path.write_text(
        f'name = "outside"\nplatform = "{platform}"\n[systems.config-manager.components.api]\nurl = "{url}"\n{more}'
    )
    return path


def reasons(run: Run) -> dict[str, str]:
    """Why each statement was not judged."""
    return {row["id"]: row["reason"] for row in run.summary["not_judged"]}


def test_what_has_no_address_is_not_judged_and_nothing_is_asked_for_it(service: Service, tmp_path: Path) -> None:
    only = "redis-clients or compose-all-up or log-complete or kubernetes-namespace or log-ready or metrics.quick"
    run = gate(outside(tmp_path, service.url), "-k", only, reports=tmp_path / "reports")
    assert run.exit_status == 11, run.output
    assert service.asked == []
    assert "nothing was judged: 5 selected criteria cannot be judged here: " in run.output
    for reason in (
        NO_REDIS,
        "only a platform lists what runs, and platform address does not",
        "only a platform knows when an instance started, and platform address does not",
        "it is about kubernetes, and this environment is on address",
        "the environment names no metrics page, as systems.config-manager.components.api.metrics",
    ):
        assert reason in run.output


def test_an_eye_that_is_named_and_broken_is_unknown(service: Service, tmp_path: Path) -> None:
    environment = outside(tmp_path, service.url, f'metrics = "{service.url}/metrics"\n')
    run = gate(environment, "-k", "metrics.families or redis-clients or health.quick", reports=tmp_path / "reports")
    assert run.exit_status == 10, run.output
    assert run.verdicts() == {QUICK: "MET", "config-manager.metrics.families": "UNKNOWN"}
    assert reasons(run) == {POOL: NO_REDIS}
    assert "2 of 3 judged" in run.output


def test_rows_of_other_platforms_are_listed_not_dropped(service: Service, tmp_path: Path) -> None:
    environment = outside(tmp_path, service.url, platform="process")
    run = gate(environment, "-k", "health.quick or systemd or kubernetes", reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    where = {reason.partition(",")[0] for reason in reasons(run).values()}
    assert where == {"it is about systemd", "it is about kubernetes"}
    of = 1 + len(reasons(run))
    assert [line for line in run.output.splitlines() if line.startswith("drillbook outside: process")] == [
        f"drillbook outside: process, config-manager, 1 of {of} judged, 1 observations"
    ]
    assert f"may go on: 1 MET, 1 of {of} judged" in run.output
    assert f"which drillbook report {run.directory.name} names (it is about kubernetes, and" in run.output
    told = text.whole(summary.from_journal(run.directory))
    assert sum(line.startswith("not judged: config-manager.") for line in told) == of - 1


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
@pytest.mark.parametrize("wanted", [POOL, "all"])
def test_what_is_required_and_not_judged_is_unknown(
    wanted: str, arguments: tuple[str, ...], service: Service, tmp_path: Path
) -> None:
    only = ("-k", "health.quick or redis-clients")
    environment = outside(tmp_path, service.url)
    run = gate(environment, *only, *arguments, "--require", wanted, reports=tmp_path / "reports")
    assert run.exit_status == 10, run.output
    assert run.verdicts() == {QUICK: "MET", POOL: "UNKNOWN"}
    assert run.summary["not_judged"] == []
    assert f"UNKNOWN {POOL}   critical   --require" in run.output
    assert f"observed  not judged: {NO_REDIS}" in run.output
    assert "1 MET, 1 UNKNOWN, 1 of 2 judged" in run.output
    if arguments:
        assert "drillbook outside: config-manager, 1 of 2 judged" in run.output
    again = {one.verdict.id: (one.verdict.observed, one.as_then) for one in rejudge(run.directory).verdicts}
    assert again[POOL] == (f"not judged: {NO_REDIS}", "no test has judged it")


def test_a_requirement_that_is_met_changes_nothing(service: Service, tmp_path: Path) -> None:
    environment = outside(tmp_path, service.url)
    run = gate(environment, "-k", "health.quick", "--require", QUICK, "--require", "all", reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output


@pytest.mark.parametrize(
    ("only", "wanted", "why"),
    [
        ("redis-clients", POOL, NO_REDIS),
        ("health.quick", POOL, "no test that was selected judges it"),
        ("health.quick", "config-manager.slo.rto", "no test that was selected judges it"),
    ],
)
def test_what_is_required_and_left_out_by_whatever_is_unknown(
    only: str, wanted: str, why: str, service: Service, tmp_path: Path
) -> None:
    run = gate(outside(tmp_path, service.url), "-k", only, "--require", wanted, reports=tmp_path / "reports")
    assert run.exit_status == 10, run.output
    assert f"observed  not judged: {why}" in run.output


def test_a_waiver_excuses_what_is_required(service: Service, tmp_path: Path) -> None:
    waiver = f'[[waivers]]\nid = "{POOL}"\nreason = "no way in"\nowner = "ops"\nexpires = 2099-01-01\n'
    environment = outside(tmp_path, service.url, waiver)
    only = ("-k", "health.quick or redis-clients")
    run = gate(environment, *only, "--require", POOL, reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    assert "1 MET, 1 waived, 1 of 2 judged" in run.output


def test_a_failure_beside_what_is_required_is_still_a_failure(service: Service, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["drillbook.plugin"]\n')
    (tmp_path / "test_other.py").write_text("def test_other():\n    assert False\n")
    environment = outside(tmp_path, service.url)
    only = ("-k", "health.quick or test_other", "-m", "smoke or not smoke")
    run = gate(environment, *only, "checks", str(tmp_path), "--require", POOL, reports=tmp_path / "reports")
    assert run.exit_status == 1, run.output


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("config-manager.pool.redis-client", f'no statement has this id (did you mean "{POOL}"?)'),
        ("data-vault.health.status", "no statement has this id (did you mean"),
        ("data-vault.startup.scale-up", "outside has no system data-vault, but config-manager"),
    ],
)
def test_a_requirement_that_means_nothing_here_is_a_mistake(
    wanted: str, said: str, service: Service, tmp_path: Path
) -> None:
    run = gate(outside(tmp_path, service.url), "--require", wanted, reports=tmp_path / "reports")
    assert run.exit_status == 4, run.output
    assert f"--require {wanted}: {said}" in run.output
    assert service.asked == []


ALLOWED = """
[systems.config-manager.mutations]
allowed = true
namespace = "drillbook"
[disruption]
allowed = true
[load]
max_rps = 5
"""


def test_no_fault_is_done_where_no_platform_runs_anything(service: Service, tmp_path: Path) -> None:
    (tmp_path / "marker").write_text("outside\n")
    marked = ALLOWED.replace("[load]", '[address]\nmarker = "marker"\n[load]')
    run = disrupt(outside(tmp_path, service.url, marked), "chaos", reports=tmp_path / "reports")
    assert run.exit_status == 11, run.output
    assert run.summary["counts"]["judged"] == 0
    assert len(run.summary["refused"]) == 4
    assert "config-manager is seen by its addresses alone, and they have no " in run.output


def test_no_load_is_sent_to_an_address_without_a_marker(service: Service, tmp_path: Path) -> None:
    run = disrupt(outside(tmp_path, service.url, ALLOWED), "load", reports=tmp_path / "reports")
    assert run.exit_status == 11, run.output
    assert "bears no marker" in run.output
    assert service.asked == []
