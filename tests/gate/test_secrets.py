"""A planted secret appears nowhere: not in output, journal, summary, JUnit or Allure, whatever it is echoed by."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ..running import gate

TOKEN = "tok-hunter22-planted"
HEADER = "key-hunter22-planted"


class Echo(BaseHTTPRequestHandler):
    """Answers everything with the headers that it was sent, in the places where a service might."""

    def do_GET(self) -> None:
        """Echo the secrets as status, key, value and version."""
        secret = f"{self.headers['Authorization']} {self.headers['X-Key']}"
        body = json.dumps({"status": secret, "version": secret, secret: 1, "checks": {secret: {"status": secret}}})
        self.send_response(200)
        self.end_headers()
        self.wfile.write((f"# bad {secret} page\n{secret}" if "metrics" in self.path else body).encode())

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet."""


PASSWORD = "pass-hunter22-planted"
BASIC = base64.b64encode(f"drillbook:{PASSWORD}".encode()).decode()


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a service that echoes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_planted_secret_is_seen_nowhere(echo: str, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text(f'{{"timestamp": "2099-01-01T00:00:00Z", "level": "ERROR", "message": "{TOKEN} {HEADER}"}}\n')
    (tmp_path / "header").write_text(HEADER)
    password = "pw-hunter22-planted"
    environment = tmp_path / "x.toml"
    environment.write_text(
        f"""
name = "echo"
platform = "process"
[systems.config-manager]
mutations = {{ allowed = true }}
[systems.config-manager.components.api]
url = "{echo}"
metrics = "{echo}/metrics"
log = "{log}"
token = {{ env = "PLANTED_TOKEN" }}
headers = {{ X-Key = {{ file = "header" }} }}
[systems.config-manager.components.api.metrics_access]
basic = {{ username = "drillbook", password = {{ env = "PLANTED_PASSWORD" }} }}
[systems.config-manager.components.postgres]
kind = "postgres"
url = {{ env = "PLANTED_DB" }}
[systems.config-manager.components.redis]
kind = "redis"
url = {{ env = "PLANTED_CACHE" }}
"""
    )
    reports, xml, allure = tmp_path / "reports", tmp_path / "junit.xml", tmp_path / "allure"
    run = gate(
        environment,
        "--showlocals",
        "-vv",
        f"--junitxml={xml}",
        f"--alluredir={allure}",
        reports=reports,
        variables={
            "PLANTED_TOKEN": TOKEN,
            "PLANTED_PASSWORD": PASSWORD,
            "HTTP_PROXY": "http://drillbook:hunter22-proxy@127.0.0.1:1",
            "PLANTED_DB": f"postgresql://u:{password}@127.0.0.1:1/{password}?application_name={password}",
            "PLANTED_CACHE": f"redis://:{password}@127.0.0.1:1/0",
        },
    )
    assert run.exit_status == 1, run.output
    written = [path for path in (*reports.rglob("*"), xml, *allure.rglob("*")) if path.is_file()]
    assert len(written) > 30
    for text in (run.output, *(path.read_text() for path in written)):
        assert "hunter22" not in text
        assert BASIC not in text
    assert "***" in run.output
