"""The commands that a user types: up, status, logs, start, stop, kill, down, registered."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from drillbook.polling import wait_until

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0
STUB = """
    import http.server, os, signal, sys, threading, time
    if os.environ["LLM_CONFIG_DEFECT"] == "never-ready":
        time.sleep(60)
    if os.environ["LLM_CONFIG_DEFECT"] == "dies":
        sys.exit("the stub dies of its own will")
    print("stub begins", flush=True)
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
        def log_message(self, *args):
            pass
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for name in ("LLM_CONFIG_METRICS_PORT", "LLM_CONFIG_PORT"):
        server = http.server.ThreadingHTTPServer((os.environ["LLM_CONFIG_HOST"], int(os.environ[name])), Handler)
        threading.Thread(target=server.serve_forever).start()
"""
UP = ("up", "--service", "stub", "--instances", "1")


@pytest.fixture
def env() -> Iterator[dict[str, str]]:
    """A user's environment with a state folder of its own; what it has up is taken down, and all is gone.

    Other users may enter: where root cannot make a user namespace, PostgreSQL runs as one of them.
    """
    folder = Path(tempfile.mkdtemp(prefix="dbt-"))
    folder.chmod(0o755)
    (folder / "stub.py").write_text(textwrap.dedent(STUB), encoding="utf-8")
    (folder / "tmp").mkdir()
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(Path.home()),  # PostgreSQL's template is there, if any
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": f"{ROOT}:{folder}",
        "DRILLBOOK_STATE_DIR": str(folder / "state"),
    }
    yield own
    lab(own, "down")
    left = list((folder / "tmp").iterdir())
    shutil.rmtree(folder)
    assert left == []


def lab(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "lab", *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S)


def record(env: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab(env, "registered").stdout)
    return found


def test_up_tells_where_everything_is_and_what_to_type_next(env: dict[str, str]) -> None:
    up = lab(env, *UP)
    assert up.returncode == 0, up.stderr
    found = record(env)
    assert Path(found["environment"]).is_file()
    assert (found["system"], found["instances"], found["version"]) == ("config-manager", 1, "1.0.0")
    for said in (found["environment"], "http://127.0.0.1:", "pytest -m smoke --env local", "drillbook lab down"):
        assert said in up.stdout
    assert "waiting for PostgreSQL and Redis" in up.stderr
    assert "waiting for api-1" in up.stderr
    assert "\r" not in up.stderr
    assert "password" not in up.stdout.replace("password in /", "")


def test_a_second_up_shows_the_first_and_refuses_other_options(env: dict[str, str]) -> None:
    assert lab(env, *UP).returncode == 0
    first = record(env)
    again = lab(env, "up")
    assert again.returncode == 0
    assert "already up" in again.stdout
    assert first["environment"] in again.stdout
    other = lab(env, *UP, "--defect", "slow")
    assert other.returncode == 1
    assert "`drillbook lab down` first" in other.stderr
    assert record(env) == first


def test_two_at_once_bring_up_one_lab(env: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "lab", *UP]
    both = [subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=LIMIT_S)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sum("already up" in text for text in said) == 1
    assert len(list(Path(env["TMPDIR"]).iterdir())) == 1


def test_processes_are_killed_started_and_stopped_by_name(env: dict[str, str]) -> None:
    lab(env, *UP)
    assert "api-1 is exited, ended with -9" in lab(env, "kill", "api-1").stdout
    rows = {line.split()[0]: line.split() for line in lab(env, "status").stdout.splitlines()}
    assert rows["api-1"][1:4] == ["exited", "-", "1"]
    assert rows["postgres"][1] == "running"
    assert "api-1 is running" in lab(env, "start", "api-1").stdout
    assert "redis ended with 0" in lab(env, "stop", "redis", "--grace-s", "5").stdout
    wrong = lab(env, "kill", "api-9")
    assert wrong.returncode == 1
    assert "there are postgres, redis, api-1" in wrong.stderr


def test_logs_show_the_end_and_follow_to_the_end_of_the_lab(env: dict[str, str]) -> None:
    lab(env, *UP)
    assert lab(env, "logs", "api-1").stdout == "stub begins\n"
    assert "postgres | " in lab(env, "logs", "-n", "1").stdout
    argv = [sys.executable, "-m", "lab", "logs", "api-1", "--follow", "-n", "0"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        lab(env, "kill", "api-1")
        log = next(Path(env["TMPDIR"]).glob("*/logs/api-1.log"))
        assert _written_until_read(log, following.stdout) == "half a line\n"
        lab(env, "down")
        assert following.wait(LIMIT_S) == 0


def _written_until_read(log: Path, stream: IO[str]) -> str:
    """Write a line in two halves again and again, as nobody says when the reader has begun; return what it read."""
    for _ in range(int(LIMIT_S * 5)):
        with log.open("a", encoding="utf-8") as file:
            file.write("half a ")
            file.flush()
            file.write("line\n")
        if select.select([stream], [], [], 0.2)[0]:
            return stream.readline()
    return ""


def test_down_says_what_it_removed_and_is_content_when_there_is_nothing(env: dict[str, str]) -> None:
    lab(env, *UP)
    found = record(env)
    down = lab(env, "down")
    assert down.returncode == 0
    assert f"stopped postgres, redis, api-1 and removed {found['dir']}" in down.stdout
    assert not Path(found["dir"]).exists()
    again = lab(env, "down")
    assert (again.returncode, again.stdout) == (0, "no config-manager lab is up\n")


def test_without_a_lab_status_logs_and_registered_exit_with_3(env: dict[str, str]) -> None:
    for words in (["status"], ["logs"], ["registered"], ["kill", "api-1"]):
        found = lab(env, *words)
        assert (found.returncode, found.stdout) == (3, "")
        assert "drillbook lab up" in found.stderr


def test_an_up_that_fails_says_why_and_leaves_nothing(env: dict[str, str]) -> None:
    up = lab(env, *UP, "--defect", "dies")
    assert up.returncode == 1
    assert "the stub dies of its own will" in up.stderr
    assert list(Path(env["TMPDIR"]).iterdir()) == []
    assert lab(env, "registered").returncode == 3


def test_an_up_that_is_interrupted_leaves_nothing(env: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "lab", *UP, "--defect", "never-ready"]
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as up:
        wait_until(lambda: list(Path(env["TMPDIR"]).glob("*/lock")), what="the keeper", timeout_s=LIMIT_S)
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=LIMIT_S)
    assert up.returncode == 130
    assert list(Path(env["TMPDIR"]).iterdir()) == []


def test_a_lab_outlives_up_and_its_record_does_not_outlive_the_lab(env: dict[str, str]) -> None:
    lab(env, *UP)
    found = record(env)
    assert os.getsid(found["pid"]) != os.getsid(0)
    os.kill(found["pid"], signal.SIGKILL)
    wait_until(lambda: lab(env, "registered").returncode == 3, what="the end", timeout_s=LIMIT_S)
    assert lab(env, *UP).returncode == 0
    assert record(env)["pid"] != found["pid"]


def test_down_ends_a_keeper_that_does_not_answer(env: dict[str, str]) -> None:
    lab(env, *UP)
    found = record(env)
    (Path(found["dir"]) / "control.sock").unlink()
    down = lab(env, "down")
    assert down.returncode == 0, down.stderr
    assert not Path(found["dir"]).exists()


@pytest.mark.parametrize("verb", ["", "up", "run", "status", "logs", "down", "start", "stop", "kill", "registered"])
def test_every_command_explains_itself(env: dict[str, str], verb: str) -> None:
    found = lab(env, *([verb] if verb else []), "--help")
    assert found.returncode == 0
    assert "drillbook lab" in found.stdout
