"""Logs as other people's services write them: an error in any dress is seen, a good log in any dress is green."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..running import Run, gate

ERRORS = {"config-manager.logs.no-errors-compose", "config-manager.verify.success-no-error-logs"}


def ago(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)


def stamp(seconds: float) -> str:
    return ago(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def filled(line: str) -> str:
    """Put times into a line: ``@1@`` is one a second ago, ``@space1@`` the same as Python's logging writes it."""
    text = re.sub(r"@(\d+)@", lambda found: stamp(float(found[1])), line)
    return re.sub(r"@space(\d+)@", lambda found: f"{ago(float(found[1])):%Y-%m-%d %H:%M:%S},000", text)


@dataclass(frozen=True)
class Odd:
    """A lab whose first instance keeps its log elsewhere."""

    environment: Path
    log: Path
    own: list[str]
    """The lines of its own start, as it wrote them."""

    def has(self, lines: Iterable[str]) -> None:
        self.log.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))

    def judged(self, *arguments: str) -> Run:
        return gate(self.environment, *(arguments or ("-k", "log")), reports=self.log.parent / "reports")


def redated(line: str, seconds: float) -> str:
    row: dict[str, Any] = json.loads(line)
    return json.dumps(row | {"timestamp": stamp(seconds)})


@pytest.fixture
def odd(lab_environment: Path, tmp_path: Path) -> Odd:
    text = lab_environment.read_text()
    (old,) = re.findall(r'^log = "(.*/api-1\.log)"$', text, re.MULTILINE)
    log = tmp_path / "api-1.log"
    environment = tmp_path / "environment.toml"
    environment.write_text(text.replace(old, str(log)))
    own = Path(old).read_text("utf-8").split("\n")[:5]
    return Odd(environment, log, own)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(['{"timestamp":"@1@","level":"ERROR","message":"cannot store a\tb"}'], id="a-raw-tab"),
        pytest.param(['{"timestamp":"@1@","level":"ERROR","message":"\x1b[31mred\x1b[0m"}'], id="a-raw-escape"),
        pytest.param(['{"timestamp":"@1@","level":"ERROR","message":"cannot store \u2028 it"}'], id="u2028"),
        pytest.param(['{"timestamp":"@1@","level":"ERROR","message":"cannot store \x85 it"}'], id="u0085"),
        pytest.param(['{"@timestamp":"@1@","log":{"level":"error"},"message":"disk full"}'], id="nested"),
        pytest.param(['{"timestamp":"@1@","severity_text":"ERROR","body":"disk full"}'], id="otel"),
        pytest.param(['{"@t":"@1@","@l":"Error","@mt":"disk full"}'], id="serilog"),
        pytest.param(['{"time":"@1@","level":50,"msg":"disk full","pid":1,"hostname":"h"}'], id="pino"),
        pytest.param(['api-1  | {"timestamp":"@1@","level":"ERROR","message":"disk full"}'], id="compose-prefix"),
        pytest.param(['@1@ stderr F {"timestamp":"@1@","level":"ERROR","message":"disk full"}'], id="cri-prefix"),
        pytest.param(['{"timestamp":"@1@","level":"error","message":"disk full"}'], id="lower-case"),
        pytest.param(['request 7 {"timestamp":"@1@","level":"ERROR","message":"disk full"}'], id="text-before-json"),
        pytest.param(["@space1@ ERROR store: disk full"], id="python"),
        pytest.param(["@1@ ERROR store: cannot apply level=info to logger"], id="another-level-in-the-message"),
        pytest.param(["@1@ ERROR store: disk full", "Traceback (most recent call last):", "  x"], id="traceback"),
    ],
)
def test_one_error_is_never_green(lines: list[str], odd: Odd) -> None:
    good = [redated(odd.own[-1], 2) for _ in range(2_000)]
    odd.has([*odd.own, *good, *map(filled, lines)])
    run = odd.judged()
    assert run.exit_status in (1, 10), run.output
    assert run.broken() & ERRORS


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            ['{"timestamp":"@1@","level":"INFO","message":"set level=error for store"}'], id="a-level-as-text"
        ),
        pytest.param(["@1@ INFO store: 0 errors, nothing failed"], id="error-as-a-word"),
        pytest.param(['api-1  | {"timestamp":"@1@","level":"INFO","message":"fine"}'], id="compose-prefix"),
    ],
)
def test_a_good_log_in_another_dress_is_green(lines: list[str], odd: Odd) -> None:
    odd.has([*odd.own, *map(filled, lines)])
    run = odd.judged()
    assert run.exit_status == 0, run.output


def test_lines_that_nobody_can_read_are_not_silence(odd: Odd) -> None:
    odd.has([*odd.own, *(f"<{number}~~ {stamp(1)}~panic in store~~>" for number in range(3))])
    run = odd.judged()
    assert run.exit_status == 10, run.output
    assert "panic in store" in run.output


def test_a_clock_that_lies_is_unknown(odd: Odd) -> None:
    late = [f'{{"timestamp":"{stamp(5 * 3600)}","level":"INFO","message":"fine"}}']
    odd.has([redated(line, 6 * 3600) for line in odd.own] + late)
    run = odd.judged()
    assert run.verdicts()["config-manager.verify.success-no-error-logs"] == "UNKNOWN", run.output
    assert "clock or zone" in run.output


def test_start_up_messages_in_the_shape_of_rust_are_found(odd: Odd) -> None:
    rows = [json.loads(line) for line in odd.own]
    odd.has(f"{row['timestamp']}  {row['level']} llm_config::server: {row['message']}" for row in rows)
    assert odd.judged().exit_status == 0


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_start_up_messages_in_a_rotated_log_are_found(packed: bool, odd: Odd) -> None:
    old = "".join(f"{line}\n" for line in odd.own).encode()
    if packed:
        odd.log.with_name("api-1.log.1.gz").write_bytes(gzip.compress(old))
    else:
        odd.log.with_name("api-1.log.1").write_bytes(old)
    odd.has(redated(odd.own[-1], 1) for _ in range(20))
    run = odd.judged()
    assert "NOT_MET" not in run.verdicts().values(), run.output


def test_start_up_messages_behind_migrations_are_found(odd: Odd) -> None:
    first = json.loads(odd.own[0])
    odd.has([*(json.dumps(first | {"message": f"migration {number}"}) for number in range(90)), *odd.own])
    run = odd.judged()
    assert "NOT_MET" not in run.verdicts().values(), run.output


def test_start_up_messages_before_more_than_is_read_are_not_called_missing(odd: Odd) -> None:
    filler = [redated(json.dumps({"level": "INFO", "message": "x" * 200}), 1) for _ in range(25_000)]
    odd.has([*odd.own, *filler])
    run = odd.judged()
    assert "NOT_MET" not in run.verdicts().values(), run.output


@pytest.mark.parametrize("arguments", [(), ("-n", "2"), ("--alluredir", "ALLURE")], ids=["plain", "xdist", "allure"])
def test_half_an_emoji_breaks_nothing(arguments: tuple[str, ...], odd: Odd, tmp_path: Path) -> None:
    odd.has(
        [*odd.own, filled('{"timestamp":"@1@","level":"ERROR","message":"half \\ud83d and \ud83d \x07\x00 \u202e"}')]
    )
    given = [str(tmp_path / "allure") if word == "ALLURE" else word for word in arguments]
    run = odd.judged("-k", "log", *given)
    assert run.exit_status == 1, run.output
    assert "\\ud83d" in run.output
    assert not set("\x07\x00\u202e") & set(run.output)
