"""The keeper holds real processes, answers at its socket, and leaves nothing behind, however it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from drillbook.polling import wait_until

ROOT = Path(__file__).parents[2]
NOBODY = 65534
LIMIT_S = 30.0
STUB = """
    import http.server, os, pathlib, signal, sys, threading, time
    behave = os.environ.get("STUB", "") or os.environ["LLM_CONFIG_DEFECT"]
    print("stub begins", os.environ["LLM_CONFIG_INSTANCE"], os.environ["LLM_CONFIG_VERSION"], behave, flush=True)
    once = pathlib.Path(os.environ["LLM_CONFIG_DATABASE_URL_FILE"]).parent / "port-was-taken"
    if behave == "dies":
        sys.exit("the stub dies of its own will")
    if behave == "port-taken-once" and not once.exists():
        once.touch()
        sys.exit("[Errno 98] Address already in use")
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503 if behave == "never-ready" else 200)
            self.end_headers()
        def log_message(self, *args):
            pass
    def end(*_):
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behave == "ignores-sigterm" else end)
    for name in ("LLM_CONFIG_METRICS_PORT", "LLM_CONFIG_PORT"):
        server = http.server.ThreadingHTTPServer((os.environ["LLM_CONFIG_HOST"], int(os.environ[name])), Handler)
        threading.Thread(target=server.serve_forever).start()
"""


@dataclass(frozen=True)
class Whom:
    """Who runs the lab, and with what."""

    prefix: tuple[str, ...]
    python: str
    env: dict[str, str]


@dataclass
class Lab:
    """A lab that a test has started."""

    process: subprocess.Popen[str]
    owner: int
    answer: dict[str, Any]

    @property
    def dir(self) -> Path:
        """Its directory."""
        return Path(self.answer["dir"])

    @property
    def keeper(self) -> int:
        """The keeper's process id."""
        return int(self.answer["pid"])

    def ended(self) -> int:
        """Wait for the end of its process, close its pipe, and return its exit status."""
        status = self.process.wait(LIMIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def ask(self, **request: object) -> dict[str, Any]:
        """Send one request."""
        return ask(self.answer["control"], json.dumps(request))

    def rows(self) -> dict[str, dict[str, Any]]:
        """List the processes by name."""
        return {row["name"]: row for row in self.ask(do="list")["processes"]}

    def facts(self) -> dict[str, Any]:
        """Read the system's part of the environment file."""
        text = Path(self.answer["environment"]).read_text(encoding="utf-8")
        facts: dict[str, Any] = tomllib.loads(text)["systems"]["config-manager"]
        return facts

    def database(self) -> str:
        """Read the database's address."""
        return Path(self.facts()["components"]["postgres"]["url"]["file"]).read_text(encoding="utf-8")

    def traces(self) -> Traces:
        """Note what it could leave behind."""
        members = psutil.Process(self.process.pid).children(recursive=True)
        rows = self.rows().values()
        return Traces(members, [urlsplit(row["address"]).port or 0 for row in rows], self.dir)


@dataclass(frozen=True)
class Traces:
    """What a lab can leave behind."""

    processes: list[psutil.Process]
    ports: list[int]
    dir: Path

    def left(self) -> list[str]:
        """Name what is left."""
        left = [str(process) for process in self.processes if alive(process)]
        left += [f"port {port}" for port in self.ports if answers(port)]
        return left + [str(self.dir)] * self.dir.exists()

    def vanish(self) -> None:
        """Wait until nothing is left."""
        assert len(self.processes) > 5
        wait_until(lambda: not self.left(), what="nothing to be left", timeout_s=LIMIT_S)


def alive(process: psutil.Process) -> bool:
    """A zombie is dead: it waits for its parent."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(control: str, line: str) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(LIMIT_S)
        connection.connect(control)
        connection.sendall(line.encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile().readline())
        return answer


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder that other users can enter, unlike pytest's own, for the stub and for labs."""
    folder = Path(tempfile.mkdtemp(prefix="dbt-"))
    folder.chmod(0o755)
    (folder / "stub.py").write_text(textwrap.dedent(STUB), encoding="utf-8")
    yield folder
    left = [path for path in folder.glob("*/drillbook-lab-*") if path.is_dir()]
    shutil.rmtree(folder)
    assert left == []


def whom(home: Path, user: str) -> Whom:
    """Prepare a user's home; what they run must be able to read what we read."""
    own = home / user
    own.mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(own), "TMPDIR": str(own), "PYTHONPATH": f"{ROOT}:{home}"}
    if user == "me":
        return Whom((), sys.executable, env)
    if user == "me-without-unshare":
        return Whom((), sys.executable, {**env, "PATH": "/nonexistent"})
    os.chown(own, NOBODY, NOBODY)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    env["PYTHONPATH"] += f":{packages}"
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            reads = f"os.listdir({packages!r}); subprocess.run([sys.executable, '-c', ''])"
            code = f"import os, subprocess, sys, tomllib, lab; {reads}"
            tried = subprocess.run([*prefix, python, "-c", code], env=env, cwd="/", check=False)
        except OSError:
            continue
        if tried.returncode == 0:
            return Whom(prefix, python, env)
    pytest.skip("no other user may run this Python and read its packages")


def is_root() -> bool:
    return os.geteuid() == 0


@pytest.fixture(params=["me", "me-without-unshare", "nobody"])
def anyone(home: Path, request: pytest.FixtureRequest) -> Whom:
    if request.param != "me" and not is_root():
        pytest.skip("only root can be somebody else")
    return whom(home, request.param)


@pytest.fixture
def me(home: Path) -> Whom:
    return whom(home, "me")


def launch(by: Whom, *options: str) -> Lab:
    reading, writing = os.pipe()
    argv = [*by.prefix, by.python, "-m", "lab", "run", "--owner-fd", str(reading), "--service", "stub", *options]
    process = subprocess.Popen(
        argv, env=by.env, cwd="/", pass_fds=[reading], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    os.close(reading)
    assert process.stdout is not None
    line = process.stdout.readline()
    return Lab(process, writing, json.loads(line) if line else {})


@contextlib.contextmanager
def running(by: Whom, *options: str) -> Iterator[Lab]:
    lab = launch(by, *options)
    try:
        assert lab.answer.get("ready") is True, lab.answer
        yield lab
    finally:
        os.close(lab.owner)
        lab.ended()


@pytest.fixture
def lab(me: Whom) -> Iterator[Lab]:
    with running(me) as one:
        yield one


def test_the_line_leads_to_an_environment_file_of_the_agreed_shape(lab: Lab) -> None:
    assert set(lab.answer) == {"ready", "dir", "environment", "control", "pid"}
    whole = tomllib.loads(Path(lab.answer["environment"]).read_text(encoding="utf-8"))
    rows, system = lab.rows(), whole["systems"].pop("config-manager")
    assert whole == {
        "name": "lab",
        "platform": "process",
        "systems": {},
        "disruption": {"allowed": True, "at_most": {"instances": 4, "share": 1.0}},
    }
    assert (lab.dir / "drillbook-marker").read_text(encoding="utf-8").split() == ["lab", "local"]
    assert system["version"] == "1.0.0"
    marker = str(lab.dir / "drillbook-marker")
    assert system["process"] == {"control": lab.answer["control"], "marker": marker}
    assert system["mutations"] == {"allowed": True, "namespace": "drillbook"}
    assert Path(system["data_dir"]).is_dir()
    components = system["components"]
    assert [one["name"] for one in components["api"]["instances"]] == ["api-1", "api-2"]
    for one in components["api"]["instances"]:
        assert set(one) == {"name", "url", "metrics", "log"}
        assert (one["url"], one["log"]) == (rows[one["name"]]["address"], rows[one["name"]]["log"])
        assert "stub begins" in Path(one["log"]).read_text(encoding="utf-8")
    for name in ("postgres", "redis"):
        assert (components[name]["kind"], set(components[name]["url"])) == (name, {"file"})


def test_secrets_are_for_their_owner_and_in_no_command_line(lab: Lab) -> None:
    private = [lab.dir / "environment.toml", lab.dir / "control.sock", *(lab.dir / "secrets").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    # PostgreSQL may run as another user, who must walk through to its folder; nobody else sees what is there
    assert stat.S_IMODE(lab.dir.stat().st_mode) & 0o066 == 0
    assert stat.S_IMODE((lab.dir / "secrets").stat().st_mode) == 0o700
    addresses = [path.read_text(encoding="utf-8") for path in (lab.dir / "secrets").glob("*-url")]
    passwords = [urlsplit(address).password or "" for address in addresses]
    assert len(passwords) == 3
    assert all(len(password) >= 20 for password in passwords)
    everywhere = " ".join(word for one in lab.traces().processes for word in one.cmdline())
    assert [password for password in passwords if password in everywhere] == []
    assert (lab.dir / "secrets" / "encryption-key").read_text(encoding="utf-8") not in everywhere


def test_the_list_tells_all_about_each_process(lab: Lab) -> None:
    rows = lab.rows()
    assert list(rows) == ["postgres", "redis", "api-1", "api-2"]
    row = rows["api-1"]
    assert psutil.pid_exists(row.pop("pid"))
    assert row.pop("started_at").endswith("Z")
    assert row.pop("address").startswith("http://127.0.0.1:")
    assert row == {
        "name": "api-1",
        "component": "api",
        "state": "running",
        "exit_code": None,
        "exited_at": None,
        "starts": 1,
        "log": str(lab.dir / "logs" / "api-1.log"),
    }


def test_a_stopped_process_stays_down_and_comes_back_at_the_same_place(lab: Lab) -> None:
    before = lab.rows()["api-1"]
    stopped = lab.ask(do="stop", name="api-1", grace_s=5)
    assert (stopped["ok"], stopped["exit_code"], stopped["killed"]) == (True, 0, False)
    assert 0 <= stopped["took_s"] < 5
    down = lab.rows()["api-1"]
    assert (down["state"], down["pid"], down["exit_code"], down["starts"]) == ("exited", None, 0, 1)
    assert down["exited_at"] >= down["started_at"]
    assert lab.ask(do="start", name="api-1", wait_ready=True)["ok"]
    after = lab.rows()["api-1"]
    assert (after["state"], after["address"], after["starts"]) == ("running", before["address"], 2)
    assert Path(after["log"]).read_text(encoding="utf-8").count("stub begins") == 2


def test_overrides_hold_for_one_start(lab: Lab) -> None:
    for env in ({"LLM_CONFIG_VERSION": "2.0.0"}, None):
        lab.ask(do="stop", name="api-2")
        assert lab.ask(do="start", name="api-2", env=env, wait_ready=True)["ok"]
    lines = Path(lab.rows()["api-2"]["log"]).read_text(encoding="utf-8").splitlines()
    assert [line.split()[3] for line in lines] == ["1.0.0", "2.0.0", "1.0.0"]


def test_a_stop_that_is_ignored_ends_in_a_kill_when_the_grace_is_over(lab: Lab) -> None:
    lab.ask(do="stop", name="api-1")
    lab.ask(do="start", name="api-1", env={"STUB": "ignores-sigterm"}, wait_ready=True)
    stopped = lab.ask(do="stop", name="api-1", grace_s=0.3)
    assert (stopped["exit_code"], stopped["killed"]) == (-9, True)
    assert stopped["took_s"] >= 0.3


def test_a_killed_process_is_seen_at_once_and_not_restarted(lab: Lab) -> None:
    killed = lab.rows()["redis"]
    assert lab.ask(do="signal", name="redis", signal="KILL")["ok"]
    row = lab.rows()["redis"]
    assert (row["state"], row["exit_code"], row["starts"]) == ("exited", -9, killed["starts"])
    pid = lab.rows()["api-1"]["pid"]
    os.kill(pid, signal.SIGKILL)  # behind the keeper's back
    wait_until(lambda: lab.rows()["api-1"]["state"] == "exited", what="the keeper to see it", timeout_s=1)


def test_a_pause_freezes_the_whole_of_postgresql(lab: Lab) -> None:
    with psycopg.connect(lab.database(), autocommit=True) as connection:
        assert lab.ask(do="signal", name="postgres", signal="STOP")["ok"]
        assert lab.rows()["postgres"]["state"] == "paused"
        server = psutil.Process(lab.rows()["postgres"]["pid"])
        assert {one.status() for one in [server, *server.children()]} == {psutil.STATUS_STOPPED}
        assert lab.ask(do="signal", name="postgres", signal="CONT")["ok"]
        assert lab.rows()["postgres"]["state"] == "running"
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_start_that_fails_tells_the_end_of_the_log(lab: Lab) -> None:
    lab.ask(do="stop", name="api-1")
    answer = lab.ask(do="start", name="api-1", env={"STUB": "dies"}, wait_ready=True)
    assert not answer["ok"]
    assert "api-1 exited with 1" in answer["error"]
    assert "the stub dies of its own will" in answer["error"]
    slow = lab.ask(do="start", name="api-1", env={"STUB": "never-ready"}, wait_ready=True, timeout_s=0.5)
    assert "not ready after 0.5 s" in slow["error"]
    assert lab.rows()["api-1"]["state"] == "starting"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "one JSON object a line"),
        ("[]", "a JSON object"),
        ('{"do": "dance"}', "list, start, stop, signal or down"),
        ('{"do": "stop", "name": "api-9"}', "there are postgres, redis, api-1, api-2"),
        ('{"do": "stop", "name": ["api-1"]}', "there are postgres, redis, api-1, api-2"),
        ('{"do": "start", "name": "api-1"}', "api-1 runs already"),
        ('{"do": "start", "name": "api-1", "env": {"A": 1}}', "an object of strings"),
        ('{"do": "stop", "name": "api-1", "grace_s": "10"}', "number of seconds"),
        ('{"do": "signal", "name": "api-1", "signal": "NOISE"}', "the name of a signal"),
    ],
)
def test_a_wrong_request_is_answered_with_what_was_expected(shared: Lab, line: str, expected: str) -> None:
    answer = ask(shared.answer["control"], line)
    assert answer["ok"] is False
    assert expected in answer["error"]


@pytest.fixture(scope="module")
def shared(home: Path) -> Iterator[Lab]:
    with running(whom(home, "me"), "--instances", "2") as one:
        yield one


def test_a_slow_request_holds_up_nobody_else(lab: Lab) -> None:
    lab.ask(do="stop", name="api-1")
    lab.ask(do="start", name="api-1", env={"STUB": "ignores-sigterm"}, wait_ready=True)
    told: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: told.append(lab.ask(do="stop", name="api-1", grace_s=2)))
    waiting.start()
    wait_until(lambda: lab.rows()["api-1"]["state"] == "stopping", what="the stop to begin", timeout_s=1)
    assert not told
    waiting.join(LIMIT_S)
    assert told[0]["killed"]


def test_a_committed_row_outlives_sigkill_of_postgresql(anyone: Whom) -> None:
    with running(anyone) as lab:
        with psycopg.connect(lab.database()) as connection:
            connection.execute("CREATE TABLE kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('drill')")
        with psycopg.connect(lab.database(), autocommit=True) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
                False,
            )
            server = psutil.Process(lab.rows()["postgres"]["pid"])
            assert server.uids().real != 0 or anyone.env["PATH"] != "/nonexistent"
            os.kill(server.pid, signal.SIGKILL)  # its backends are still there, and its postmaster.pid
            wait_until(lambda: lab.rows()["postgres"]["state"] == "exited", what="the end", timeout_s=2)
        answer = lab.ask(do="start", name="postgres", wait_ready=True)
        assert answer["ok"], answer
        with psycopg.connect(lab.database()) as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("drill",)
        traces = lab.traces()
    traces.vanish()


OWNER = """
    import os, subprocess, sys
    reading, writing = os.pipe()
    subprocess.Popen([sys.executable, "-m", "lab", "run", "--service", "stub", "--owner-fd", str(reading)],
                     pass_fds=[reading], start_new_session=True)
    os.close(reading)
    sys.stdin.read()
"""


def test_nothing_is_left_when_the_owner_is_killed(me: Whom) -> None:
    owner = subprocess.Popen(
        [me.python, "-c", textwrap.dedent(OWNER)],
        env=me.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    lab = Lab(owner, -1, json.loads(owner.stdout.readline()))
    traces = lab.traces()
    assert lab.keeper in [one.pid for one in traces.processes]
    owner.kill()
    owner.communicate(timeout=LIMIT_S)
    traces.vanish()


@pytest.mark.parametrize("freeze", [False, True], ids=["running", "frozen"])
def test_nothing_is_left_when_the_keeper_is_killed(me: Whom, freeze: bool) -> None:
    with running(me) as lab, psycopg.connect(lab.database()):
        if freeze:
            for name in lab.rows():
                lab.ask(do="signal", name=name, signal="STOP")
        traces = Traces(lab.traces().processes, [], lab.dir) if freeze else lab.traces()
        os.kill(lab.keeper, signal.SIGKILL)
        traces.vanish()
        assert lab.ended() == 1


def test_nothing_is_left_when_the_process_that_was_started_is_killed(me: Whom) -> None:
    with running(me) as lab:
        traces = lab.traces()
        lab.process.kill()
        traces.vanish()


def test_no_process_is_left_when_both_are_killed_and_the_next_lab_removes_the_directory(me: Whom) -> None:
    with running(me) as lab:
        traces = lab.traces()
        os.kill(lab.keeper, signal.SIGSTOP)
        lab.process.kill()
        lab.ended()
        os.kill(lab.keeper, signal.SIGKILL)
        wait_until(lambda: traces.left() == [str(lab.dir)], what="no process, no port", timeout_s=LIMIT_S)
        with running(me, "--instances", "1"):
            assert traces.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_lab_in_good_order(me: Whom, number: signal.Signals) -> None:
    with running(me) as lab:
        traces = lab.traces()
        lab.process.send_signal(number)
        assert lab.ended() == 0
        assert traces.left() == []


def test_down_is_answered_when_everything_is_gone(me: Whom) -> None:
    with running(me) as lab:
        traces = lab.traces()
        assert lab.ask(do="down") == {"ok": True}
        holders = {lab.keeper, lab.process.pid}
        left = [one for one in traces.processes if alive(one) and one.pid not in holders]
        assert left == []
        assert not lab.dir.exists()
        assert lab.ended() == 0


def test_two_labs_at_once_do_not_know_each_other(me: Whom) -> None:
    with running(me) as one, running(me, "--instances", "1", "--version", "2.1.0") as other:
        assert one.dir != other.dir
        addresses = [row["address"] for lab in (one, other) for row in lab.rows().values()]
        assert len(set(addresses)) == len(addresses) == 7
        assert list(other.rows()) == ["postgres", "redis", "api-1"]
        other.ask(do="down")
        assert {row["state"] for row in one.rows().values()} == {"running"}


def test_defects_go_to_all_instances_or_to_one(me: Whom) -> None:
    with running(me, "--defect", "grumpy", "--defect", "slow=api-2") as lab:
        said = [Path(lab.rows()[name]["log"]).read_text(encoding="utf-8").split() for name in ("api-1", "api-2")]
        assert [line[4] for line in said] == ["grumpy", "grumpy,slow"]


def test_a_process_that_loses_the_race_to_its_port_gets_another(me: Whom) -> None:
    with running(me, "--instances", "1", "--defect", "port-taken-once") as lab:
        assert lab.rows()["api-1"]["state"] == "running"
        assert Path(lab.rows()["api-1"]["log"]).read_text(encoding="utf-8").count("stub begins") == 2


@pytest.fixture
def alone(me: Whom) -> Iterator[Whom]:
    """Me, with a folder that no other lab is in; it must be empty in the end."""
    with tempfile.TemporaryDirectory(dir=me.env["TMPDIR"]) as folder:
        Path(folder).chmod(0o755)
        yield dataclasses.replace(me, env={**me.env, "TMPDIR": folder})
        assert list(Path(folder).iterdir()) == []


def test_a_lab_that_cannot_start_says_why_and_leaves_nothing(alone: Whom) -> None:
    lab = launch(alone, "--defect", "dies=api-2")
    os.close(lab.owner)
    assert lab.ended() == 1
    assert lab.answer["ready"] is False
    assert "api-2 exited with 1" in lab.answer["error"]
    assert "the stub dies of its own will" in lab.answer["error"]


def test_a_lab_whose_owner_leaves_early_leaves_nothing(alone: Whom) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        [alone.python, "-m", "lab", "run", "--service", "stub", "--defect", "never-ready", "--owner-fd", str(reading)],
        env=alone.env,
        pass_fds=[reading],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(reading)
        folder = Path(alone.env["TMPDIR"])
        wait_until(lambda: list(folder.glob("*/logs/api-*.log")), what="the instances", timeout_s=LIMIT_S)
        os.close(writing)
        out, _ = process.communicate(timeout=LIMIT_S)
    assert json.loads(out) == {"ready": False, "error": "was told to stop before the lab was ready"}


@pytest.mark.parametrize("options", [["--instances", "0"], ["--defect", "slow=api-3"], ["--owner-fd", "77"]])
def test_a_wrong_option_is_answered_on_the_same_line(me: Whom, options: list[str]) -> None:
    argv = [me.python, "-m", "lab", "run", "--service", "stub", *options]
    ended = subprocess.run(argv, env=me.env, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert ended.returncode == 1
    answer = json.loads(ended.stdout)
    assert answer["ready"] is False
    assert "expected" in answer["error"]


def test_without_servers_the_error_says_what_to_install(me: Whom, tmp_path: Path) -> None:
    code = """
        from pathlib import Path
        from lab import binaries
        binaries.SYSTEM_POSTGRES = Path("/nonexistent")
        for find in (binaries.postgres_folder, binaries.redis_server):
            try:
                find()
            except binaries.LabError as error:
                print(error)
    """
    env = {**me.env, "PATH": str(tmp_path)}
    argv = [me.python, "-S", "-c", textwrap.dedent(code)]
    found = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(found) == 2
    assert all('pip install "drillbook[lab]"' in line for line in found)


def test_the_reference_service_gets_ready_in_the_lab(me: Whom) -> None:
    with running(me, "--service", "lab.config_manager.service") as lab:
        assert {row["state"] for row in lab.rows().values()} == {"running"}
        assert lab.ask(do="stop", name="api-1")["exit_code"] == 0
        assert lab.ask(do="start", name="api-1", wait_ready=True)["ok"]
