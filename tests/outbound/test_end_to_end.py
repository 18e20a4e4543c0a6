"""The whole gate and a scenario on the lab, behind TLS that takes known clients alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook import labs
from drillbook.traffic.ledger import read_history
from drillbook.traffic.losses import Fate
from drillbook.traffic.sampler import read_samples

from ..running import disrupt, gate
from .conftest import NAME, Authority
from .servers import Terminator

Environment = tuple[Path, str]


@pytest.fixture(scope="module")
def lab() -> Iterator[Path]:
    """A lab of its own: what else the tests break shows in the logs that the gate reads."""
    brought_up = labs.bring_up("config-manager")
    yield brought_up.environment
    brought_up.close()


@pytest.fixture
def environment(lab: Path, authority: Authority, tmp_path: Path) -> Iterator[Environment]:
    """The lab's file with every address behind TLS, and the text of the settings that such a service wants."""
    fronts: list[Terminator] = []

    def behind_tls(found: re.Match[str]) -> str:
        context = authority.server(authority.ca.issue_cert(NAME), wants=authority)
        fronts.append(Terminator(context, int(found[1])))
        return f"https://127.0.0.1:{fronts[-1].port}"

    text = re.sub(r"http://127\.0\.0\.1:(\d+)", behind_tls, lab.read_text())
    cert_file, key_file = authority.client()
    settings = (
        f'[systems.config-manager.components.api]\ntls = {{ ca_file = "{authority.ca_file}", server_name = "{NAME}",'
        f' cert_file = "{cert_file}", key_file = "{key_file}" }}\n'
    )
    path = tmp_path / "environment.toml"
    path.write_text(
        f'{text}\n{settings}[systems.config-manager.objectives."*"]\nrto_s = 30\nrpo_s = 0\n[load]\nmax_rps = 50\n'
    )
    assert len(fronts) == 4
    yield path, settings
    for front in fronts:
        front.close()


def test_the_gate_is_green_behind_tls(environment: Environment, tmp_path: Path) -> None:
    run = gate(environment[0], reports=tmp_path / "reports")
    assert run.broken() == set(), run.output
    assert run.exit_status == 0


def test_an_unknown_authority_is_not_met_and_a_refused_client_unknown(
    environment: Environment, stranger: Authority, authority: Authority, tmp_path: Path
) -> None:
    path, settings = environment
    whole = path.read_text()
    path.write_text(whole.replace(str(authority.ca_file), str(stranger.ca_file)))
    run = gate(path, "-k", "quick", reports=tmp_path / "strange")
    assert run.exit_status == 1, run.output
    assert "certificate not accepted: self-signed certificate in certificate chain" in run.output
    # Not from the terminal: its rows end at 200 characters, and the path may be a long one.
    assert f"(trusting {stranger.ca_file} alone)" in run.summary["verdicts"][0]["observed"]
    path.write_text(whole.replace(settings, re.sub(r", cert_file.*", " }", settings)))
    run = gate(path, "-k", "quick", reports=tmp_path / "refused")
    assert run.exit_status == 10, run.output
    assert "the server refused us with no client certificate: certificate required" in run.output


def test_a_scenario_runs_its_clients_over_tls(environment: Environment, tmp_path: Path) -> None:
    run = disrupt(environment[0], "chaos/test_shutdown.py", reports=tmp_path / "reports")
    # What it judges is for tests/scenarios; here it is that sampler and ledger got in, however busy this machine is.
    (samples,), (ledger,) = run.directory.rglob("samples.jsonl"), run.directory.rglob("ledger.jsonl")
    assert any(sample.status == 200 for sample in read_samples(samples)), run.output
    assert any(write.fate is Fate.OK for write in read_history(ledger).writes), run.output
