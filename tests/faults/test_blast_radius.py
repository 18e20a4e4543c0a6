"""What may be hit at once: counted by system and component, and over all that the session has in. Pure logic."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook.environment import Environment, load
from drillbook.faults import Blast, KillInstance, Refusal, permit, permit_each
from drillbook.faults.families import victims
from drillbook.model import System
from drillbook.platforms import InstanceState

FILE = """
name = "two"
platform = "process"

[disruption]
allowed = true
at_most = {{ {at_most} }}

[process]
marker = "marker"

[systems.config-manager]
process = {{ control = "/nowhere/config-manager.sock" }}

[systems.data-vault]
process = {{ control = "/nowhere/data-vault.sock" }}
"""
COPIES = {"config-manager": 4, "data-vault": 2}
"""How many copies of its API each system has; both call them api-1 and so on."""


@pytest.fixture(autouse=True)
def platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each system's platform list its copies without a process behind them."""

    def listed(system: System) -> tuple[InstanceState, ...]:
        copies = range(1, COPIES[system.name] + 1)
        return (*(InstanceState(f"api-{at}", "api", "running", pid=at) for at in copies), REDIS)

    monkeypatch.setattr(victims, "listed", listed)


REDIS = InstanceState("redis", "redis", "running", pid=9)


def two(folder: Path, at_most: str) -> Environment:
    (folder / "marker").write_text("two\n")
    path = folder / "two.toml"
    path.write_text(FILE.format(at_most=at_most))
    return load(path)


def hits(environment: Environment, system: str, *names: str) -> list[Blast]:
    return [KillInstance.of(environment.systems[system], name).blast for name in names]


def refusals(environment: Environment, *blasts: Blast) -> list[Refusal | None]:
    return list(permit_each(environment, "two", blasts))


def test_one_name_in_two_systems_is_two_instances(tmp_path: Path) -> None:
    environment = two(tmp_path, "instances = 1")
    vault, config = hits(environment, "data-vault", "api-1"), hits(environment, "config-manager", "api-1")
    first, second = refusals(environment, *vault, *config)
    assert first is None
    assert second is not None
    words = "2 instances would be hit (api-1 of data-vault; api-1 of config-manager), at most 1 may be"
    assert words in second.reason


def test_a_share_is_of_the_systems_own_component(tmp_path: Path) -> None:
    environment = two(tmp_path, "instances = 8, share = 0.5")
    vault = hits(environment, "data-vault", "api-1", "api-2")
    config = hits(environment, "config-manager", "api-1", "api-2")
    assert refusals(environment, *config, vault[0]) == [None, None, None]
    refused = refusals(environment, config[0], *vault)[-1]
    assert refused is not None
    assert "2 of 2 instances of api of data-vault would be hit, a share of 1.00, at most 0.50 may be" in refused.reason


def test_the_share_of_one_system_counts_nothing_of_another(tmp_path: Path) -> None:
    environment = two(tmp_path, "instances = 8, share = 0.5")
    config = hits(environment, "config-manager", "api-1", "api-2")
    (other,) = hits(environment, "data-vault", "redis")
    assert refusals(environment, *config, other)[:2] == [None, None]
    assert permit(environment, "two", config[1], active=hits(environment, "data-vault", "api-1")) is None


def test_all_that_is_in_counts_whichever_fault_brought_it(tmp_path: Path) -> None:
    environment = two(tmp_path, "instances = 2")
    config, vault = hits(environment, "config-manager", "api-1", "redis"), hits(environment, "data-vault", "api-1")
    assert refusals(environment, *config) == [None, None]
    (refused,) = permit_each(environment, "two", vault, active=config)
    assert refused is not None
    assert "3 instances would be hit (api-1, redis of config-manager; api-1 of data-vault)" in refused.reason
    assert list(permit_each(environment, "two", config, active=config)) == [None, None]
