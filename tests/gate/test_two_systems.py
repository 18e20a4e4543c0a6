"""Two systems in one environment file, judged by the same row: what is said of one is never said of the other."""

from __future__ import annotations

import json
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ..running import Run, run

ID = "drillbook.deploy.expected-version"
BOOK = f"""
import pytest
from drillbook.accepts import http
from drillbook.model import Criterion
from drillbook.plugin import cases, must_hold
from drillbook.probes.http import Get

def lacks(system):
    return f"{{system.name}} lacks it" if system.max_rps else None

ROWS = [Criterion({ID!r}, Get("/health"), http.field("status", equals="healthy"), needs=lacks)]

@cases("config-manager", [Criterion("config-manager.health.quick", Get("/health"), http.status(200))])
def test_answers(verdict):
    must_hold(verdict)

@cases("config-manager", ROWS)
def test_config_manager(verdict):
    must_hold(verdict)

@cases("data-vault", ROWS)
def test_data_vault(verdict):
    must_hold(verdict)
"""


class _Sick(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "sick"}).encode())

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def sick() -> Iterator[str]:
    """The address of a service that says that it is not healthy."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sick)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def judged(folder: Path, url: str, more: str, *arguments: str, slow: tuple[str, ...] = ()) -> Run:
    """Judge both systems by the one row; those of ``slow`` lack what the row needs."""
    (folder / "conftest.py").write_text('pytest_plugins = ["drillbook.plugin"]\n')
    (folder / "test_book.py").write_text(BOOK)
    head = 'name = "two"\nplatform = "process"\n'
    for name in ("config-manager", "data-vault"):
        limit = "max_rps = 50\n" if name in slow else ""
        head += f'[systems.{name}.components.api]\nurl = "{url}"\n{limit}'
    (folder / "two.toml").write_text(head + more)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", f"--env={folder / 'two.toml'}"]
    return run([*command, *arguments], reports=folder / "reports", cwd=folder)


def waiver(system: str | None, day: str = "2099-01-01") -> str:
    named = f'system = "{system}"\n' if system else ""
    return f'[[waivers]]\n{named}id = "{ID}"\nreason = "known"\nowner = "ops"\nexpires = {day}\n'


def test_a_waiver_for_one_system_excuses_no_other(sick: str, tmp_path: Path) -> None:
    xml = tmp_path / "junit.xml"
    done = judged(tmp_path, sick, waiver("data-vault"), f"--junitxml={xml}")
    assert done.exit_status == 1, done.output
    told = {row["system"]: (row["verdict"], row["excuse"]) for row in done.summary["verdicts"] if row["id"] == ID}
    assert told == {
        "config-manager": ("NOT_MET", None),
        "data-vault": ("NOT_MET", "waived until 2099-01-01 by ops: known"),
    }
    assert f"NOT_MET {ID} of config-manager " in done.output
    assert f"NOT_MET {ID} of data-vault " in done.output
    tests = ET.parse(xml).iter("testcase")  # noqa: S314 - our own file
    cases = [{one.get("name"): one.get("value") for one in case.iter("property")} for case in tests]
    assert {(case["system"], case.get("excuse")) for case in cases if case["criterion"] == ID} == {
        ("config-manager", None),
        ("data-vault", "waived until 2099-01-01 by ops: known"),
    }


def test_a_waiver_for_each_system_excuses_both(sick: str, tmp_path: Path) -> None:
    done = judged(tmp_path, sick, waiver("data-vault") + waiver("config-manager"))
    assert done.exit_status == 0, done.output
    assert "may go on: 1 MET, 2 waived" in done.output


def test_an_expired_waiver_says_of_which_system(sick: str, tmp_path: Path) -> None:
    done = judged(tmp_path, sick, waiver("data-vault", "2020-01-01"))
    assert f"expired waiver: {ID} of data-vault (ops, until 2020-01-01)" in done.output


def test_a_waiver_that_names_no_system_of_several_is_a_mistake(sick: str, tmp_path: Path) -> None:
    done = judged(tmp_path, sick, waiver(None))
    assert done.exit_status == 4, done.output
    assert "waivers.0.system: expected one of this file's systems: config-manager, data-vault; " in done.output


def test_each_system_keeps_its_own_reason_for_not_being_judged(sick: str, tmp_path: Path) -> None:
    done = judged(tmp_path, sick, "", slow=("config-manager", "data-vault"))
    assert done.exit_status == 0, done.output
    assert {(row["system"], row["id"], row["reason"]) for row in done.summary["not_judged"]} == {
        ("config-manager", ID, "config-manager lacks it"),
        ("data-vault", ID, "data-vault lacks it"),
    }
    assert f"not judged: {ID} of data-vault (data-vault lacks it)" in done.output


def test_what_is_not_judged_of_one_system_is_judged_of_the_other(sick: str, tmp_path: Path) -> None:
    done = judged(tmp_path, sick, "", slow=("data-vault",))
    assert done.exit_status == 1, done.output
    assert [row["system"] for row in done.summary["verdicts"] if row["id"] == ID] == ["config-manager"]
    assert [row["system"] for row in done.summary["not_judged"]] == ["data-vault"]
