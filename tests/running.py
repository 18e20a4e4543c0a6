"""Running Drillbook as its users do: as a process, against a real lab, judged by exit status and summary."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 240


def let_signals_through() -> None:
    """Have what we start hear Ctrl-C and a hangup, which tests send.

    A shell has what it starts in the background ignore the one, nohup the other, and that is inherited. A handler of
    our own is not, and we stay as deaf as we were.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@dataclass(frozen=True)
class Run:
    """A finished gate."""

    exit_status: int
    output: str
    reports: Path

    @property
    def directory(self) -> Path:
        """The newest run's directory."""
        return (self.reports / "latest").resolve()

    @property
    def summary(self) -> dict[str, Any]:
        """The newest run's summary."""
        found: dict[str, Any] = json.loads((self.directory / "summary.json").read_text("utf-8"))
        return found

    def verdicts(self) -> dict[str, str]:
        """Verdicts by id."""
        return {row["id"]: row["verdict"] for row in self.summary["verdicts"]}

    def broken(self) -> set[str]:
        """The ids that are not MET, once or each time that they were judged."""
        return {row["id"] for row in self.summary["verdicts"] if row["verdict"] != "MET"}


def gate(environment: Path | str, *arguments: str, reports: Path, variables: dict[str, str] | None = None) -> Run:
    """Run ``pytest -m smoke --env ENVIRONMENT`` on the checkout in a process of its own."""
    marks = [] if "-m" in arguments else ["-m", "smoke"]
    return run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *marks, f"--env={environment}", *arguments],
        reports=reports,
        variables=variables,
    )


def disrupt(environment: Path, *arguments: str, reports: Path, variables: dict[str, str] | None = None) -> Run:
    """Run scenarios or load on the checkout, allowed to disrupt the environment."""
    name = tomllib.loads(environment.read_text())["name"]
    allowed = [f"--env={environment}", f"--disrupt={name}"]
    return run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *allowed, *arguments],
        reports=reports,
        variables=variables,
    )


def run(command: list[str], *, reports: Path, cwd: Path = ROOT, variables: dict[str, str] | None = None) -> Run:
    """Run a command that takes ``--reports``."""
    finished = subprocess.run(
        [*command, f"--reports={reports}"],
        cwd=cwd,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Run(finished.returncode, finished.stdout, reports)


def tell(environment: Path, **request: Any) -> dict[str, Any]:
    """Send one request to the keeper of a lab, given its environment file; return the answer."""
    control = tomllib.loads(environment.read_text())["systems"]["config-manager"]["process"]["control"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(control)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as stream:
            answer: dict[str, Any] = json.loads(stream.readline())
    assert answer["ok"], answer
    return answer
