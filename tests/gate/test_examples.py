"""The example environments can be green: their own files, with a lab's addresses and secrets instead of theirs."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drillbook import labs
from drillbook.trace import broken_on

from ..controls.packs import CONTROLS
from ..running import ROOT, Run, gate

PLANTED = ("frozen-uptime", "missing-metric-family", "error-logs", "cache-off")
"""Of health, metrics, logs and a database; what each breaks does not overlap."""
EXAMPLES = ("staging", "prod")


@dataclass(frozen=True)
class Shape:
    """An example with other addresses, and the variables that it refers to."""

    file: Path
    variables: dict[str, str]

    def gate(self, *arguments: str, reports: Path) -> Run:
        """Judge by it."""
        return gate(self.file, *arguments, reports=reports, variables=self.variables)


def shape(example: str, lab: Path, folder: Path) -> Shape:
    """Put the addresses and secrets of a running lab into an example, and nothing else."""
    facts = tomllib.loads(lab.read_text("utf-8"))["systems"]["config-manager"]
    parts = facts["components"]
    one, two = parts["api"]["instances"]
    files = {name: parts[name]["url"]["file"] for name in ("postgres", "redis")}
    token = folder / "token"
    token.write_text("a-token-of-nobody\n")
    addresses = {
        "staging": {
            "https://config-1.staging.example.com:8443": one["url"],
            "http://config-1.staging.example.com:9090/metrics": one["metrics"],
            "/var/log/llm-config/api-1.log": one["log"],
            "https://config-2.staging.example.com:8443": two["url"],
            "http://config-2.staging.example.com:9090/metrics": two["metrics"],
            "/var/log/llm-config/api-2.log": two["log"],
        },
        "prod": {
            "https://config.example.com/metrics": one["metrics"],
            "https://config.example.com": one["url"],
            "/run/secrets/config-token": str(token),
            "/run/secrets/config-database-url": files["postgres"],
            "/run/secrets/config-cache-url": files["redis"],
        },
    }
    text = (ROOT / "environments" / f"{example}.example.toml").read_text("utf-8")
    for theirs, ours in addresses[example].items():
        assert f'"{theirs}"' in text
        text = text.replace(f'"{theirs}"', f'"{ours}"')
    file = folder / f"{example}.toml"
    file.write_text(text)
    variables = {
        "RELEASE": facts["version"],
        "CONFIG_TOKEN": "a-token-of-nobody",
        "CONFIG_DATABASE_URL": Path(files["postgres"]).read_text("utf-8").strip(),
        "CONFIG_CACHE_URL": Path(files["redis"]).read_text("utf-8").strip(),
    }
    return Shape(file, variables)


def age(lab: Path) -> None:
    """Give the logs of a lab that has just come up what those of a service have that has run for a while."""
    facts = tomllib.loads(lab.read_text("utf-8"))["systems"]["config-manager"]
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=20)).isoformat()
    for instance in facts["components"]["api"]["instances"]:
        Path(f"{instance['log']}.1").write_text(f"[{at}] INFO Server is ready to accept connections\n")


@pytest.fixture(scope="module")
def healthy() -> Iterator[Path]:
    """A healthy lab whose logs reach back."""
    lab = labs.bring_up("config-manager")
    age(lab.environment)
    yield lab.environment
    lab.close()


@pytest.fixture(scope="module")
def sick() -> Iterator[Path]:
    """A lab with all that is planted here."""
    lab = labs.bring_up("config-manager", *[word for one in PLANTED for word in ("--defect", one)])
    age(lab.environment)
    yield lab.environment
    lab.close()


@pytest.mark.parametrize(("example", "judged"), [("staging", 29), ("prod", 22)])
def test_a_healthy_system_is_green_in_the_examples_shape(
    example: str, judged: int, healthy: Path, tmp_path: Path
) -> None:
    run = shape(example, healthy, tmp_path).gate(reports=tmp_path / "reports")
    assert run.exit_status == 0, run.output
    assert set(run.verdicts().values()) == {"MET"}
    assert (run.summary["counts"]["judged"], run.summary["counts"]["of"]) == (judged, 62)
    header, *_, last = [line for line in run.output.splitlines() if f" {judged} of 62 judged" in line]
    assert header.startswith(f"drillbook {example}: address, config-manager ")
    assert last.startswith("may go on: ")
    rows = {(row["system"], row["id"]) for row in run.summary["not_judged"]}
    assert len(rows) == 62 - judged
    assert all(row["reason"] for row in run.summary["not_judged"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_planted_defects_flip_what_they_must_in_the_examples_shape(example: str, sick: Path, tmp_path: Path) -> None:
    run = shape(example, sick, tmp_path).gate(reports=tmp_path / "reports")
    expected = set[str]().union(*(broken_on(CONTROLS[name], "address") for name in PLANTED))
    if example == "prod":  # it names no logs
        expected -= {"config-manager.logs.no-errors-compose", "config-manager.verify.success-no-error-logs"}
    assert run.exit_status == 1, run.output
    assert run.broken() == expected


def test_a_log_that_was_rotated_just_now_is_no_proof_of_five_quiet_minutes(tmp_path: Path) -> None:
    lab = labs.bring_up("config-manager")
    try:
        run = shape("staging", lab.environment, tmp_path).gate("-k", "no-error-logs", reports=tmp_path / "reports")
    finally:
        lab.close()
    assert run.exit_status == 10, run.output
    assert run.verdicts() == {"config-manager.verify.success-no-error-logs": "UNKNOWN"}
