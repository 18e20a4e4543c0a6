"""``drillbook env``: the schema of environment files, and whether one is in order. Nothing is contacted."""

from __future__ import annotations

import json
import socket
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drillbook.cli import main
from drillbook.environment.schema import schema

from ..running import ROOT

FILES = sorted((ROOT / "environments").glob("*.toml"))
HEAD = 'name = "x"\nplatform = "process"\n'


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return schema()


def wrong(text: str, whole: dict[str, Any]) -> list[str]:
    """Return where a file is not as the schema wants it."""
    validator = jsonschema.Draft202012Validator(whole)
    return sorted(
        error.json_path for error in validator.iter_errors(json.loads(json.dumps(tomllib.loads(text), default=str)))
    )


def test_the_schema_is_printed_and_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "schema"]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_that_is_shipped_fits_the_schema(path: Path, whole: dict[str, Any]) -> None:
    assert wrong(path.read_text("utf-8"), whole) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (HEAD + "clock_skew = 1\n", "$"),
        (HEAD.replace("process", "proces"), "$.platform"),
        (HEAD + "[kubernetes]\nnamespace = 'x'\n", "$"),
        (HEAD + "[systems.a]\ncompose = { project = 'x' }\n", "$.systems.a"),
        (HEAD + "[systems.a.components]\ndb = { kind = 'postgres' }\n", "$.systems.a.components.db"),
        (HEAD + "[systems.a.components]\napi = { urk = 'http://x' }\n", "$.systems.a.components.api"),
        (HEAD + "[systems.a.objectives]\n'*' = { rto = 3 }\n", "$.systems.a.objectives['*']"),
    ],
)
def test_what_a_file_may_not_say_does_not_fit(text: str, where: str, whole: dict[str, Any]) -> None:
    assert where in wrong(text, whole)


@pytest.fixture
def no_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be asked."""

    def refuse(*_: object) -> None:
        raise AssertionError("something was contacted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("subprocess.Popen.__init__", refuse)


STAGING = {
    "RELEASE": "1",
    "CONFIG_TOKEN": "t0ken",
    "CONFIG_DATABASE_URL": "postgresql://h/d",
    "CONFIG_CACHE_URL": "redis://h",
}


@pytest.mark.usefixtures("no_contact")
def test_a_file_in_order_is_told_in_a_few_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in STAGING.items():
        monkeypatch.setenv(name, value)
    assert main(["env", "check", str(ROOT / "environments" / "staging.example.toml")]) == 0
    said = capsys.readouterr().out
    assert "in order; staging on " in said
    assert "api        http: api-1, api-2" in said
    assert "postgres   postgres" in said
    assert "t0ken" not in said


@pytest.mark.usefixtures("no_contact")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[systems.config-manager.components]\ndb = { kind = 'postgress', url = 'x' }\n", 'did you mean "postgres"?'),
        ("[systems.config-manager.components]\napi = { url = 'x' }\n", "components.api.url: expected an address"),
        (
            "[systems.config-manager.objectives]\nfull-restrat = { rto_s = 3 }\n",
            'full-restrat: no scenario is judged by it (did you mean "full-restart"?)',
        ),
    ],
)
def test_a_file_that_is_not_says_what_to_change(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + text)
    assert main(["env", "check", str(path)]) == 4
    assert said in capsys.readouterr().err
