"""Secrets with every character that somebody might write, said by everything that can say something."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from ..running import gate

SECRETS = ('hunt"er\\22', "hunt[er]%2B22", "hunt+er @22/", "hunt\u2100er22", "hunt'er$22")
PIECES = ("hunt",)
"""No form of theirs but base64 can hide this."""


def environment(folder: Path) -> Path:
    path = folder / "x.toml"
    path.write_text(
        'name = "other"\nplatform = "process"\n[systems.config-manager.components.api]\nurl = "http://127.0.0.1:1"\n'
        "token = { env = 'TOKEN' }\nheaders = { X-Key = { env = 'KEY' } }\n"
        "[systems.config-manager.components.api.metrics_access]\n"
        "basic = { username = 'u', password = { env = 'BASIC' } }\n"
        "[systems.config-manager.components.postgres]\nkind = 'postgres'\nurl = { env = 'DB' }\n"
        "[systems.config-manager.components.redis]\nkind = 'redis'\nurl = { env = 'CACHE' }\n"
    )
    return path


def variables(way: str) -> dict[str, str]:
    token, database, cache, other, basic = SECRETS
    return {
        "HOSTILE_WAY": way,
        "HOSTILE_SECRETS": json.dumps(SECRETS),
        "TOKEN": token,
        "KEY": basic,
        "BASIC": basic,
        "DB": f"postgresql://u:{quote(database, safe='')}@127.0.0.1:1/d?password={quote(other)}",
        "CACHE": f"redis://:{quote(cache, safe='')}@127.0.0.1:1/0",
    }


def check(text: str) -> None:
    for piece in PIECES:
        assert piece not in text, text[max(0, text.index(piece) - 200) : text.index(piece) + 100]
    for secret in SECRETS:
        assert base64.b64encode(f"user:{secret}".encode()).decode().rstrip("=")[:-2] not in text


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
@pytest.mark.parametrize("way", ["warning", "log", "print", "exception", "internal error"])
def test_a_secret_leaves_by_no_way(way: str, workers: tuple[str, ...], tmp_path: Path) -> None:
    xml, allure, reports = tmp_path / "junit.xml", tmp_path / "allure", tmp_path / "reports"
    written = [f"--junitxml={xml}", f"--alluredir={allure}"]
    more = ["-p", "tests.gate.hostile_plugin", "--showlocals", "-vv", "-rA", "-o", "junit_logging=all"]
    run = gate(environment(tmp_path), *more, *written, *workers, reports=reports, variables=variables(way))
    assert run.exit_status not in (0, 11), run.output
    files = [path for path in (*reports.rglob("*"), xml, *allure.rglob("*")) if path.is_file()]
    for text in (run.output, *(path.read_text("utf-8", errors="replace") for path in files)):
        check(text)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:hunt/er@127.0.0.1:1/d",
        "postgresql://u:hunt@er/x@127.0.0.1:1/d",
        "postgresql://u:hunt?er@127.0.0.1/d",
        "postgresql://u:p@\u2100hunt:1/d",
        "postgresql://u:hunt#er@127.0.0.1:1/d",
        "hunt er",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_and_not_shown(address: str, tmp_path: Path) -> None:
    run = gate(environment(tmp_path), reports=tmp_path / "r", variables=variables("none") | {"DB": address})
    assert run.exit_status == 4, run.output
    assert "postgres.url: expected" in run.output
    assert "Traceback" not in run.output
    check(run.output)
