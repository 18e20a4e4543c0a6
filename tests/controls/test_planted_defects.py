"""Negative controls: each planted defect flips exactly the statements that it names, and no others."""

from __future__ import annotations

import contextlib
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from drillbook import labs

from ..running import Run, disrupt, gate, tell
from .packs import CONTROLS, Pack, prove

HERE = {name: row for name, row in CONTROLS.items() if "process" in row["platforms"]}
SMOKE = [name for name, row in HERE.items() if row.get("stage", "smoke") == "smoke"]
DISRUPTIVE = [name for name, row in HERE.items() if row.get("stage") in {"chaos", "load"}]
PREFLIGHT = [
    (name, platform)
    for name, row in CONTROLS.items()
    for platform in row["platforms"]
    if row.get("stage") == "preflight" and "project" not in row and platform in ("process", "compose")
]


@contextlib.contextmanager
def lab(row: Mapping[str, Any]) -> Iterator[Path]:
    """Bring up a lab with the defect planted; give its environment file."""
    planted = labs.bring_up("config-manager", *[word for one in row.get("plant", []) for word in ("--defect", one)])
    try:
        for name in row.get("stop", []):
            tell(planted.environment, do="stop", name=name, grace_s=5)
        if name := row.get("remove_log"):
            facts = tomllib.loads(planted.environment.read_text("utf-8"))
            instances = facts["systems"]["config-manager"]["components"]["api"]["instances"]
            Path(next(one["log"] for one in instances if one["name"] == name)).unlink()
        yield planted.environment
    finally:
        planted.close()


@pytest.mark.parametrize("name", SMOKE)
def test_a_planted_defect_flips_exactly_what_it_names(name: str, tmp_path: Path) -> None:
    def look(row: Mapping[str, Any]) -> Run:
        with lab(row) as environment:
            return gate(environment, reports=tmp_path)

    prove(Pack.of("process", [name]), look)


@pytest.mark.few
@pytest.mark.parametrize("name", DISRUPTIVE)
def test_a_defect_under_disruption_flips_exactly_what_it_names(name: str, tmp_path: Path) -> None:
    def look(row: Mapping[str, Any]) -> Run:
        with lab(row) as environment:
            allowed = allow_all(environment, tmp_path, rto_s=row.get("rto_s", 30))
            return disrupt(allowed, row["tests"], reports=tmp_path / "reports")

    prove(Pack.of("process", [name]), look)


def allow_all(environment: Path, folder: Path, *, rto_s: float = 30) -> Path:
    """Return a copy of a lab's environment file that also allows load and states objectives."""
    copy = folder / "allowed.toml"
    added = f'\n[load]\nmax_rps = 60\n\n[systems.config-manager.objectives."*"]\nrto_s = {rto_s}\nrpo_s = 0\n'
    copy.write_text(environment.read_text() + added)
    return copy


def test_a_healthy_system_is_met_in_every_criterion(tmp_path: Path) -> None:
    with lab({}) as environment:
        run = gate(environment, reports=tmp_path)
    assert run.exit_status == 0, run.output
    assert len(run.verdicts()) == 36
    assert run.broken() == set()


@pytest.mark.parametrize(("name", "platform"), PREFLIGHT)
def test_a_preflight_defect_flips_exactly_what_it_names(name: str, platform: str, tmp_path: Path) -> None:
    def look(row: Mapping[str, Any]) -> Run:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
            free = other.getsockname()[1]
            other.close()
            ports = [server.getsockname()[1] if row.get("occupy") else free]
            facts: dict[str, Any] = {"preflight": {"ports": ports, "resolve": ["localhost"]}}
            overlay = row.get("environment", {})
            facts = {**facts, **overlay, "preflight": {**facts["preflight"], **overlay.get("preflight", {})}}
            environment = tmp_path / "planted.toml"
            where = {"compose": {"project": "planted"}} if platform == "compose" else {}
            described = {"name": "planted", "platform": platform, **where, "systems": {"config-manager": facts}}
            environment.write_text(tomli_w.dumps(described))
            # The load of the machine that runs the tests is not ours to plant.
            return gate(environment, "-m", "preflight", "-k", "not cpu-load", reports=tmp_path / "reports")

    prove(Pack.of(platform, [name]), look)
