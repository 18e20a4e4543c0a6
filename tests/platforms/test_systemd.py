"""A systemd host: judged by the same gate, listed, stopped, killed and frozen over SSH, and blind in good order."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from drillbook.faults import KillInstance, PauseInstance, StopInstance
from drillbook.faults import families as _families
from drillbook.faults.undo import Undo, perform
from drillbook.model import CannotObserve
from drillbook.platforms import KeepsClaim, Kills, Lists, Missing, Pauses, ReadsLogs, Starts, Stops, platform_of
from drillbook.platforms.systemd.platform import Units
from drillbook.platforms.systemd.settings import SystemdHost
from drillbook.polling import wait_until

from ..controls.packs import Pack, packs, prove
from ..running import Run, gate
from .host import Host

del _families  # imported for its registrations


@pytest.fixture
def host(machine: Host) -> Host:
    """The host, healthy."""
    machine.heal(journal=True)
    return machine


@pytest.fixture
def calm(host: Host) -> Host:
    """The host, healthy, to be broken: the next one who wants it healthy mends it."""
    host.dirty = True
    return host


@pytest.mark.usefixtures("host")
def test_every_criterion_is_met_on_a_healthy_host(tmp_path: Path) -> None:
    run = gate("systemd", reports=tmp_path)
    assert run.exit_status == 0, run.output
    assert run.broken() == set()
    assert len(run.verdicts()) == 42


def test_a_round_trip_on_the_shared_connection_is_fast(host: Host) -> None:
    host.units.list_instances()
    began = time.monotonic()
    for _ in range(5):
        host.units.list_instances()
    assert (time.monotonic() - began) / 5 < 0.3


def test_a_stop_that_takes_too_long_ends_in_a_kill(calm: Host) -> None:
    calm.refresh("Environment=LLM_CONFIG_DEFECT=never-drains")
    stopped = calm.units.stop("api", grace_s=1)
    assert (stopped.exit_code, stopped.killed) == (-9, True)


def test_on_the_host_itself_no_ssh_is_needed() -> None:
    here = Units(SystemdHost("local", {"worker": "no-such-unit.service"}))
    if Path("/run/systemd/system").exists():
        assert here.units()[0].load_state == "not-found"
    else:
        with pytest.raises(CannotObserve, match="systemctl on local"):
            here.units()


def test_the_journal_reads_like_a_log(host: Host) -> None:
    text = host.units.read_log(host.system.instances[0], limit_bytes=1 << 20)
    assert any("Server is ready to accept connections" in line for line in text.lines)
    assert any("Started llm-config-manager.service" in line for line in text.lines)


def test_a_user_without_rights_can_look_and_is_told_why_not_act(calm: Host) -> None:
    calm.root("mv /etc/sudoers.d/drillbook /etc/drillbook-sudoers.away")
    try:
        platform = platform_of(calm.system)
        assert not isinstance(platform.can(Lists), Missing)
        assert not isinstance(platform.can(ReadsLogs), Missing)
        for capability in (Starts, Stops, Kills, Pauses):
            refused = platform.can(capability)
            assert isinstance(refused, Missing)
            assert "sudo" in refused.reason
    finally:
        calm.root("mv /etc/drillbook-sudoers.away /etc/sudoers.d/drillbook")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(KillInstance, "instances.start"), (StopInstance, "instances.start"), (PauseInstance, "instances.resume")],
)
@pytest.mark.parametrize("name", ["api", "postgres", "redis"])
def test_a_fault_bites_and_is_undone_from_its_data_alone(calm: Host, fault: Any, kind: str, name: str) -> None:
    made = fault.of(calm.system, name)
    made.inject()
    assert wait_until(made.in_effect, what="the effect", timeout_s=5)
    undo = Undo.from_json(json.loads(json.dumps(made.undo.to_json())))
    assert undo.kind == kind
    perform(undo, budget_s=40)
    assert made.recovered()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("identity", "wrong_key", "Permission denied"),
        ("known_hosts", "no_hosts", "Host key verification failed"),
        ("host", "127.0.0.1:1", "Connection refused"),
        ("host", "127.0.0.1:SILENT", "timed out"),
        ("host", "no-such-host.invalid", "Could not resolve"),
    ],
)
def test_a_broken_eye_is_unknown_with_its_reason_and_quick(
    host: Host, tmp_path: Path, key: str, value: str, expected: str
) -> None:
    facts = tomllib.loads(host.environment.read_text("utf-8"))
    where = dict(facts["systems"]["config-manager"]["systemd"])
    if key == "identity":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / value)], check=True)
        config = Path(where["ssh_config"]).read_text("utf-8")
        kept = [line for line in config.splitlines() if "IdentityFile" not in line]
        (tmp_path / "ssh_config").write_text("\n".join(kept))
        where["ssh_config"] = "ssh_config"
    (tmp_path / "no_hosts").touch()
    silent = socket.create_server(("127.0.0.1", 0))  # takes the connection and never greets
    where[key] = value.replace("SILENT", str(silent.getsockname()[1]))
    environment = _reached_by(host, where, tmp_path)
    began = time.monotonic()
    run = gate(environment, "-k", "systemd or dependencies-running or log-", reports=tmp_path / "reports")
    assert time.monotonic() - began < 10
    silent.close()
    assert run.exit_status == 10, run.output
    assert set(run.verdicts().values()) == {"UNKNOWN"}
    assert expected in run.output
    assert "systemd.unit-loaded" in run.output or "systemd-unit-loaded" in run.output


@pytest.mark.parametrize("greets", [True, False])
def test_a_host_behind_a_jump_host_is_reached_by_the_users_ssh_config(host: Host, tmp_path: Path, greets: bool) -> None:
    facts = tomllib.loads(host.environment.read_text("utf-8"))
    where = dict(facts["systems"]["config-manager"]["systemd"])
    first, *lines = Path(where["ssh_config"]).read_text("utf-8").splitlines()
    common = [line for line in lines if line.split()[0] not in ("HostName", "Port")]
    (port,) = (line.split()[1] for line in lines if line.split()[0] == "Port")
    behind = ["HostName 127.0.0.1", "Port 22", f"HostKeyAlias [127.0.0.1]:{port}", f"ProxyJump {first.split()[1]}"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if not greets:
            lines = [line.replace(port, str(silent.getsockname()[1])) for line in lines]
        (tmp_path / "ssh_config").write_text("\n".join([first, *lines, "Host behind", *common, *behind]) + "\n")
        where |= {"host": "behind", "ssh_config": "ssh_config"}
        began = time.monotonic()
        run = gate(_reached_by(host, where, tmp_path), "-k", "systemd", reports=tmp_path / "reports")
        took_s = time.monotonic() - began
    assert set(run.verdicts().values()) == {"MET" if greets else "UNKNOWN"}, run.output
    assert run.exit_status == (0 if greets else 10)
    assert took_s < 10


def test_a_claim_that_we_may_not_see_is_not_no_claim(calm: Host) -> None:
    keeps = platform_of(calm.system).can(KeepsClaim)  # type: ignore[type-abstract] # a protocol is asked for by its type
    assert not isinstance(keeps, Missing)
    assert keeps.read_claim() is None
    calm.root("chown root:root /var/lib/drillbook")
    try:
        with pytest.raises(CannotObserve, match="permission denied"):
            keeps.read_claim()
    finally:
        calm.root("chown drillbook: /var/lib/drillbook")
    assert keeps.read_claim() is None


def test_a_missing_unit_is_not_met_and_not_a_broken_eye(host: Host) -> None:
    where = host.system.place.held_as(SystemdHost)
    assert where is not None
    from dataclasses import replace  # noqa: PLC0415

    listed = Units(replace(where, units={**where.units, "worker": "no-such-unit.service"})).units()
    assert next(unit for unit in listed if unit.component == "worker").load_state == "not-found"


@pytest.mark.parametrize("pack", packs("systemd", "smoke"), ids=str)
def test_planted_defects_flip_exactly_what_they_name(machine: Host, pack: Pack, tmp_path: Path) -> None:
    def look(row: Mapping[str, Any]) -> Run:
        with machine.planted(row):
            return gate("systemd", reports=tmp_path)

    prove(pack, look)


@pytest.mark.parametrize("pack", packs("systemd", "preflight"), ids=str)
def test_preflight_defects_flip_exactly_what_they_name(machine: Host, pack: Pack, tmp_path: Path) -> None:
    def look(row: Mapping[str, Any]) -> Run:
        with machine.planted(row):
            if not row.get("occupy"):
                machine.units.stop("api", grace_s=12)
            environment = _with_facts(machine.environment, row.get("environment", {}), tmp_path / "planted.toml")
            # The load of the machine that runs the tests is not ours to plant.
            return gate(environment, "-m", "preflight", "-k", "not cpu-load", reports=tmp_path / "reports")

    prove(pack, look)


def test_the_preflight_of_a_host_before_the_deploy_is_met(calm: Host, tmp_path: Path) -> None:
    calm.units.stop("api", grace_s=12)
    run = gate("systemd", "-m", "preflight", "-k", "not cpu-load", reports=tmp_path)
    assert run.exit_status == 0, run.output


def _state(host: Host, name: str) -> str:
    return next(state.state for state in host.units.list_instances() if state.name == name)


def _reached_by(host: Host, where: dict[str, Any], folder: Path) -> Path:
    """Write the lab's environment file with another way to reach the host."""
    facts = tomllib.loads(host.environment.read_text("utf-8"))
    facts["systems"]["config-manager"]["systemd"] = where
    path = folder / "reached.toml"
    path.write_text(tomli_w.dumps(facts), "utf-8")
    return path


def _with_facts(environment: Path, facts: dict[str, Any], path: Path) -> Path:
    """Write an environment file for a preflight: the lab's, with other facts."""
    described = tomllib.loads(environment.read_text("utf-8"))
    before = {"ports": [8080, 9090], "resolve": ["localhost"], **facts.get("preflight", {})}
    described["systems"]["config-manager"] |= {**facts, "preflight": before}
    path.write_text(tomli_w.dumps(described), "utf-8")
    return path
