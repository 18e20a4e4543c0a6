"""What platforms say as text, read into numbers: times of log lines, quantities, CPU times. No platform is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook.environment import BadEnvironment, load
from drillbook.model import CannotObserve
from drillbook.platforms import LogText
from drillbook.platforms.kubernetes.usage import _number
from drillbook.platforms.lines import last, since
from drillbook.platforms.systemd.platform import _cpu_s

AT = 1_763_726_400.0  # 2025-11-21T12:00:00Z
LINES = (
    "before all times",
    '{"timestamp": "2025-11-21T11:59:59.999Z", "message": "json"}',
    "2025-11-21 12:00:00.000 UTC [7] LOG:  postgres",
    "    what follows belongs to it",
    "[2025-11-21T13:00:01+01:00] INFO another zone",
    "2025-11-21T11:00:00Z INFO late, and old",
    "    and so is this",
    '{"ts": "2025-11-21T12:00:02Z"}',
)


def test_lines_since_a_moment_are_told_by_the_times_they_carry() -> None:
    found = since(LogText(LINES, whole=False), AT)
    assert found.lines == (*LINES[2:5], LINES[7])
    assert found.whole, "what was asked for begins after what was read"


def test_a_reading_that_does_not_reach_back_is_not_whole() -> None:
    assert not since(LogText(LINES[2:5], whole=False), AT - 60).whole


def test_lines_without_any_time_cannot_be_told_apart() -> None:
    with pytest.raises(CannotObserve, match="no line of the log says when"):
        since(LogText(("one", "12:00:00 of which day"), whole=True), AT)
    assert since(LogText((), whole=True), AT).lines == ()


def test_the_last_lines_are_whole_lines_within_the_limit() -> None:
    assert last(["one", "two", "three"], 10, whole=True) == LogText(("two", "three"), whole=False)
    assert last(["one", "two"], 8, whole=True) == LogText(("one", "two"), whole=True)
    assert last(["one"], 2, whole=True) == LogText((), whole=False)


@pytest.mark.parametrize(
    ("quantity", "number"), [("0", 0), ("250m", 0.25), ("9717247n", 0.009717247), ("64Mi", 64 << 20), ("2G", 2e9)]
)
def test_quantities_of_kubernetes_are_numbers(quantity: str, number: float) -> None:
    assert _number(quantity) == pytest.approx(number)


@pytest.mark.parametrize(("text", "seconds"), [("00:00:00", 0), ("01:02:03", 3723), ("2-00:00:01", 172801)])
def test_cpu_times_of_ps_are_seconds(text: str, seconds: float) -> None:
    assert _cpu_s(text) == seconds


@pytest.mark.parametrize("address", ["127.0.0.1:9999", "tcp://127.0.0.1/copies", "tcp://127.0.0.1:9999"])
def test_a_balancer_is_named_by_address_and_backend(address: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'name = "x"\nplatform = "compose"\n'
        f'[systems.config-manager.compose]\nproject = "p"\nbalancers.api = "{address}"\n'
    )
    with pytest.raises(BadEnvironment, match=r"compose\.balancers\.api"):
        load(path)
