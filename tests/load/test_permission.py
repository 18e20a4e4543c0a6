"""Load is a disruption: it asks what a fault asks, and where it is refused nothing arrives."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from drillbook.faults.claims.records import LocalClaim

from ..running import Run, run
from .conftest import Service

ENVIRONMENT = """\
name = "here"
platform = "process"

[disruption]
allowed = true
at_most = {{ instances = 1, share = 1.0 }}

[process]
marker = "marker"

[load]
max_rps = 20

[systems.config-manager]
mutations = {{ allowed = true }}

[[systems.config-manager.components.api.instances]]
name = "api-1"
url = "{url}"
"""
ALLOWED = "--disrupt=here"


@pytest.fixture
def environment(service: Service, tmp_path: Path) -> Path:
    (tmp_path / "marker").write_text("here\n")
    path = tmp_path / "here.toml"
    path.write_text(ENVIRONMENT.format(url=service.url))
    return path


def load(environment: Path, *arguments: str) -> Run:
    one = "load/config_manager/test_slo.py::test_objectives[config-manager.slo.error-rate-target]"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", one, f"--env={environment}", *arguments]
    return run(command, reports=environment.parent / "reports")


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (("x", "x"), (), "nobody asked for disruption; add --disrupt here"),
        (("x", "x"), ("--disrupt=prod",), "they must be the same"),
        (("allowed = true\nat_most", "allowed = false\nat_most"), (ALLOWED,), "allows no disruption"),
        (('marker = "marker"', ""), (ALLOWED,), "names no marker"),
        (('marker = "marker"', 'marker = "nowhere"'), (ALLOWED,), "nowhere: No such file"),
        (('name = "here"', 'name = "other"'), ("--disrupt=other",), "names here, not other"),
        (("instances = 1", "instances = 0"), (ALLOWED,), "at most 0 may be hit"),
    ],
)
@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_refused_load_exits_11_and_nothing_arrives(
    change: tuple[str, str],
    arguments: tuple[str, ...],
    said: str,
    plan: tuple[str, ...],
    environment: Path,
    service: Service,
) -> None:
    environment.write_text(environment.read_text().replace(*change, 1))
    refused = load(environment, *arguments, *plan)
    assert refused.exit_status == 11, refused.output
    assert said in refused.output
    assert service.facts()["asked"] == []


@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_load_is_refused_while_another_run_holds_the_environment(
    plan: tuple[str, ...], environment: Path, service: Service, tmp_path: Path
) -> None:
    claim = LocalClaim.take("here", run=str(tmp_path))
    try:
        refused = load(environment, ALLOWED, *plan)
    finally:
        claim.release()
    assert refused.exit_status == 11, refused.output
    assert "here is held by" in refused.output
    assert service.facts()["asked"] == []


@pytest.mark.parametrize(("system", "exit_status"), [("config-manager", 11), ("data-vault", 0)])
def test_load_asks_for_the_place_of_its_own_system_alone(
    system: str, exit_status: int, environment: Path, service: Service
) -> None:
    two = environment.read_text() + '\n[systems.data-vault]\nprocess = { control = "/nowhere" }\n'
    environment.write_text(two)
    claim = LocalClaim.take("here", run="", systems=[system])
    try:
        plan = load(environment, ALLOWED, "--plan")
    finally:
        claim.release()
    assert plan.exit_status == exit_status, plan.output
    assert ("config-manager of here is held by" in plan.output) == (system == "config-manager")
    assert service.facts()["asked"] == []


def test_a_plan_says_what_would_be_sent_and_sends_nothing(environment: Path, service: Service) -> None:
    plan = load(environment, ALLOWED, "--plan")
    assert plan.exit_status == 0, plan.output
    assert "load on /api/v1/configs at 20 rps for 30 s" in plan.output
    assert "config-manager.slo.error-rate-target" in plan.output
    assert service.facts()["asked"] == []


def test_allowed_load_arrives_and_lets_go_of_the_environment(environment: Path, service: Service) -> None:
    done = load(environment, ALLOWED)
    assert done.exit_status == 0, done.output
    facts = service.facts()
    assert len(facts["asked"]) > 30
    assert facts["keys"] == []
    LocalClaim.take("here", run="").release()
