"""Docker Compose for real: the platform's capabilities, the gate with its negative controls, faults, and the lab."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drillbook import carried, platforms
from drillbook.accepts.components import all_running
from drillbook.environment import Environment, load, located
from drillbook.faults import KillInstance, PauseInstance, StopInstance, spot_of
from drillbook.faults.guard import Refusal, enter
from drillbook.faults.undo import Undo, perform
from drillbook.model import CannotObserve, Component, Facts, Outcome, Place, System, Target
from drillbook.platforms.compose import program as compose_program
from drillbook.platforms.compose.platform import ComposePlatform, Project
from drillbook.platforms.compose.settings import ComposeProject
from drillbook.polling import wait_until
from drillbook.probes.components import Components
from lab.compose import engine

from ..controls.packs import CONTROLS, Pack, packs, prove
from ..running import ROOT, Run, gate
from .project import COPIES, Planted, await_balancer, drillbook_lab, need_compose, need_sdk

START_S = 30.0
FACTS = Facts("compose", None, clock_skew_s=2.0)


@pytest.fixture
def lab(planted: Planted) -> Path:
    """The environment file of the lab, healthy; tests leave it so."""
    return planted.have()


@pytest.fixture
def environment(lab: Path) -> Environment:
    return located(load(lab))


@pytest.fixture
def system(environment: Environment) -> System:
    return environment.systems["config-manager"]


@pytest.fixture
def project(system: System) -> Project:
    where = system.place.held_as(ComposeProject)
    assert where is not None
    return Project(where)


API = Component("api", ports={"http": 8080, "metrics": 9090})


def state_of(project: Project, name: str) -> str:
    return next(state.state for state in project.list_instances() if state.name == name)


def await_running(project: Project, *names: str) -> None:
    """Wait until they are healthy again."""
    wait_until(
        lambda: all(state_of(project, name) == "running" for name in names),
        what=", ".join(names),
        timeout_s=START_S,
    )


# -- the gate and its negative controls


def test_a_healthy_system_is_met_in_every_criterion(lab: Path, tmp_path: Path) -> None:
    run = gate(lab, reports=tmp_path)
    assert run.exit_status == 0, run.output
    assert len(run.verdicts()) == 37
    assert run.broken() == set()


def test_the_workers_of_xdist_ask_the_platform_for_the_same_instances(lab: Path, tmp_path: Path) -> None:
    run = gate(lab, "-n", "2", reports=tmp_path)
    assert run.exit_status == 0, run.output


@pytest.mark.parametrize("pack", packs("compose", "smoke"), ids=str)
def test_planted_defects_flip_exactly_what_they_name(pack: Pack, planted: Planted, tmp_path: Path) -> None:
    def look(row: Mapping[str, Any]) -> Run:
        driver = row.get("logging")
        lab = planted.have(*row["plant"], *([f"--logging={driver}"] if driver else []))
        with _broken(lab, row):
            return gate(lab, reports=tmp_path)

    prove(pack, look)


@contextlib.contextmanager
def _broken(lab: Path, row: Mapping[str, Any]) -> Iterator[None]:
    """Have the containers of a row stopped and removed while it is entered."""
    stopped = tuple(f"{service}-1" for service in row["stop"])
    compose = load(lab).systems["config-manager"].place.held_as(ComposeProject)
    assert compose is not None
    project = Project(compose)
    try:
        for container in stopped:
            project.stop(container, grace_s=5)
        for service in row["remove"]:
            _remove(project, service)
        await_balancer(lab, serving=row.get("serving", len(COPIES)))
        yield
    finally:
        for service in row["remove"]:
            compose_program.up(compose, service, replicas=1)
        for container in stopped:
            project.start(container)
        if stopped:
            await_running(project, *stopped, *COPIES)


def _remove(project: Project, service: str) -> None:
    name = f"{project.project.name}-{service}-1"
    project.act(f"remove {name}", lambda client: client.containers.get(name).remove(force=True))


def test_what_should_run_is_unknown_where_the_projects_files_cannot_be_read(system: System, tmp_path: Path) -> None:
    where = system.place.held_as(ComposeProject)
    assert where is not None
    (tmp_path / "docker-compose.yml").write_text("services: [\n")
    broken = replace(system, place=Place("compose", replace(where, directory=tmp_path)))
    (target,) = Components().targets(broken)
    reading = Components().observe(target)
    found = all_running().check(reading, FACTS)
    assert found.outcome is Outcome.UNKNOWN
    assert "docker compose config" in found.observed
    nowhere = replace(system, place=Place("compose", replace(where, directory=None)))
    assert all_running().check(Components().observe(Target(nowhere, "compose")), FACTS).outcome is Outcome.MET


# -- capabilities


def test_the_list_has_every_container_with_its_component(project: Project) -> None:
    found = {state.name: state for state in project.list_instances()}
    assert {name: found[name].component for name in COPIES} == dict.fromkeys(COPIES, "api")
    others = {"alertmanager", "haproxy", "postgres", "prometheus", "redis"}
    assert {state.component for state in found.values()} == {"api", *others}
    assert all(state.running and state.pid and state.started_at for state in found.values())


def test_instances_are_located_one_by_one(system: System) -> None:
    assert tuple(instance.name for instance in system.instances) == COPIES
    assert len({instance.url for instance in system.instances}) == len(COPIES)


def test_what_is_down_is_located_where_nobody_listens(project: Project) -> None:
    project.kill(COPIES[1])
    try:
        assert [one.url for one in project.discover(API)][1] == "http://127.0.0.1:0"
    finally:
        project.start(COPIES[1])
        await_running(project, COPIES[1])


def test_an_unknown_project_has_no_instances() -> None:
    need_compose()
    with pytest.raises(CannotObserve, match="nobody-has-it has no container"):
        Project(ComposeProject("nobody-has-it")).discover(API)


def test_an_empty_list_is_never_met(lab: Path, tmp_path: Path) -> None:
    found = tomllib.loads(lab.read_text("utf-8"))["systems"]["config-manager"]["compose"]["project"]
    other = tmp_path / "other.toml"
    other.write_text(lab.read_text("utf-8").replace(f'"{found}"', '"nobody-has-it"'))
    run = gate(other, reports=tmp_path / "reports")
    verdicts = run.verdicts()
    assert verdicts["config-manager.startup.compose-all-up"] == "UNKNOWN"
    assert verdicts["config-manager.health.endpoint-ok"] == "UNKNOWN"
    assert "nobody-has-it has no container of service llm-config-manager" in run.output


# -- faults


@pytest.mark.parametrize(
    ("fault", "name"),
    [(KillInstance.of, COPIES[0]), (StopInstance.of, COPIES[1]), (PauseInstance.of, "redis")],
    ids=["kill", "stop", "pause"],
)
def test_a_fault_takes_effect_and_its_undo_needs_data_alone(
    fault: Callable[[System, str], Any], name: str, system: System
) -> None:
    harm = fault(system, name)
    written = json.dumps(harm.undo.to_json())
    harm.inject()
    try:
        assert harm.in_effect() is not None
        assert harm.recovered() is None
    finally:
        undone = perform(Undo.from_json(json.loads(written)), budget_s=START_S)
    assert undone.acts >= 1
    assert wait_until(harm.recovered, what="the recovery", timeout_s=START_S)


def test_the_containers_label_says_as_what_they_may_be_disrupted(lab: Path, tmp_path: Path) -> None:
    other = tmp_path / "prod.toml"
    other.write_text(lab.read_text("utf-8").replace('name = "lab"', 'name = "prod"'))
    prod = load(other)
    refused = enter(prod, "prod", spot_of(prod.systems["config-manager"]), run=str(tmp_path), lease_s=60)
    assert isinstance(refused, Refusal)
    assert "the label drillbook.marker of every container of project" in refused.reason
    assert "names compose, lab, not prod" in refused.reason


def test_the_lab_can_be_brought_up_by_hand() -> None:
    need_compose()
    secrets = {"DB_PASSWORD": "only-a-test", "REDIS_PASSWORD": "only-a-test", "ENCRYPTION_KEY": "ab" * 32}
    asked = [*engine.program(), "-f", str(ROOT / "lab" / "compose.yaml"), "config", "--format=json"]
    done = subprocess.run(asked, env={**os.environ, **secrets}, capture_output=True, timeout=60, check=True)
    services = json.loads(done.stdout)["services"]
    expected = {"postgres", "redis", "llm-config-manager", "haproxy", "prometheus", "alertmanager"}
    assert set(services) == expected
    assert services["llm-config-manager"]["deploy"]["replicas"] == 3
    published = [port for one in services.values() for port in one.get("ports", [])]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


# -- a broken eye


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"], ids=["absent", "refusing"])
def test_without_an_engine_everything_is_unknown_at_once(host: str, tmp_path: Path) -> None:
    need_sdk()
    began = time.monotonic()
    run = gate(_blind(tmp_path, host), reports=tmp_path / "reports")
    assert time.monotonic() - began < 10
    assert run.exit_status == 10, run.output
    assert set(run.verdicts().values()) == {"UNKNOWN"}
    assert "no Docker engine answers" in run.output
    assert "docker info must answer" in run.output


def test_an_engine_that_hangs_is_given_up_on(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415 - for this test alone

    need_sdk()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        run = gate(_blind(tmp_path, f"tcp://127.0.0.1:{silent.getsockname()[1]}"), reports=tmp_path / "reports")
    assert time.monotonic() - began < 10
    assert run.exit_status == 10, run.output
    assert "the Docker engine gives no answer within 3 s" in run.output


def test_a_platform_without_a_project_says_what_to_set() -> None:
    missing = ComposePlatform(System("config-manager", Place("compose"))).can(platforms.Lists)  # type: ignore[type-abstract] # asked for by its type
    assert isinstance(missing, platforms.Missing)
    assert "set project under [compose]" in missing.reason


def _blind(folder: Path, host: str) -> Path:
    path = folder / "blind.toml"
    path.write_text(
        f'name = "blind"\nplatform = "compose"\n[compose]\nproject = "llm-config"\nhost = "{host}"\n'
        "[systems.config-manager.components.api]\nports = { http = 8080, metrics = 9090 }\n"
    )
    return path


# -- preflight of the project's files; no engine is asked


def test_the_preflight_of_a_whole_project_is_met(tmp_path: Path) -> None:
    run = _preflight({}, tmp_path)
    assert run.exit_status == 0, run.output
    assert len(run.verdicts()) == 7


PROJECT = [name for name, row in CONTROLS.items() if "compose" in row["platforms"] and row.get("project")]


@pytest.mark.parametrize("name", PROJECT)
def test_a_preflight_defect_flips_exactly_what_it_names(name: str, tmp_path: Path) -> None:
    prove(Pack.of("compose", [name]), lambda row: _preflight(row["project"], tmp_path))


def _preflight(project: Mapping[str, str], folder: Path) -> Run:
    """Judge a project's directory that lacks a file, or whose .env has another line for the key."""
    files = {
        "docker-compose.yml": "services: {}\n",
        ".env": f"{project.get('env', KEY)}\nDB_PASSWORD=secret-one\n",
    }
    (folder / "project").mkdir()
    for file, text in files.items():
        if file != project.get("without"):
            (folder / "project" / file).write_text(text)
    environment = folder / "planted.toml"
    environment.write_text(
        'name = "planted"\nplatform = "compose"\n[compose]\nproject = "p"\ndirectory = "project"\n'
        '[systems.config-manager.preflight]\nports = [9]\nresolve = ["localhost"]\n'
    )
    run = gate(environment, "-m", "preflight", "-k", "not cpu-load", reports=folder / "reports")
    assert "secret-one" not in (run.directory / "journal.jsonl").read_text("utf-8")
    return run


KEY = "ENCRYPTION_KEY='AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"


# -- the lab


def test_the_lab_comes_and_goes_and_leaves_nothing(tmp_path: Path) -> None:
    need_compose()
    import docker  # noqa: PLC0415 - proven to be there

    state = tmp_path / "state"
    try:
        said = drillbook_lab("up", "config-manager", "--on", "compose", state=state)
        record = json.loads(drillbook_lab("registered", "--on", "compose", state=state))
        assert "pytest -m smoke --env compose" in said
        assert "llm-config-manager-3" in drillbook_lab("status", "--on", "compose", state=state)
        assert "Starting LLM" in drillbook_lab("logs", "llm-config-manager", "--on", "compose", state=state)
        directory = Path(record["dir"])
        assert (directory / ".env").stat().st_mode & 0o777 == 0o600
        again = drillbook_lab("up", "config-manager", "--on", "compose", state=state)
        assert "already up" in again
    finally:
        drillbook_lab("down", "--on", "compose", state=state)
    assert not directory.exists()
    engine = docker.from_env()
    mine: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={record['project']}"}
    assert engine.containers.list(all=True, filters=mine) == []
    assert engine.networks.list(filters=mine) == []
    assert engine.volumes.list(filters=mine) == []
    assert "no config-manager lab is up" in drillbook_lab("down", "--on", "compose", state=state)


def test_a_lab_whose_holder_was_killed_is_swept_away(tmp_path: Path) -> None:
    need_compose()
    argv, variables = carried.lab_command("run", "config-manager", "--on", "compose", "--instances", "1")
    with subprocess.Popen(argv, env=variables, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        ready = json.loads(holder.stdout.readline())
        holder.kill()
    assert f"removed {ready['project']}" in drillbook_lab("down", "--on", "compose", state=tmp_path)
    assert not Path(ready["dir"]).exists()
    assert Project(ComposeProject(ready["project"])).list_instances() == ()


def test_the_password_of_nothing_is_in_a_command_line(lab: Path) -> None:
    secrets = [
        line.partition("=")[2]
        for line in (lab.parent / ".env").read_text("utf-8").splitlines()
        if line.startswith(("DB_PASSWORD", "REDIS_PASSWORD", "ENCRYPTION_KEY"))
    ]
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    assert not [line for line in lines for secret in secrets if secret in line]
    assert os.stat(lab).st_mode & 0o077 == 0  # noqa: PTH116 - the bits are the claim
