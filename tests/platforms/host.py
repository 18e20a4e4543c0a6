"""A lab's systemd host for tests, brought up and removed with the commands that users type."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drillbook import environment as environments
from drillbook.model import System
from drillbook.platforms.systemd.platform import Units
from drillbook.platforms.systemd.settings import SystemdHost
from drillbook.polling import wait_until

from ..requires import require

SERVICE = "llm-config-manager.service"
DROP_IN = f"/etc/systemd/system/{SERVICE}.d/defect.conf"


@dataclass
class Host:
    """The lab's host, and how its root acts on it."""

    environment: Path
    container: str
    dirty: bool = False
    """Whether something was planted or broken since the last refresh."""
    used: bool = False
    """Whether units were stopped and started since: all run, but the journal tells of it."""

    @property
    def system(self) -> System:
        return environments.load(self.environment).systems["config-manager"]

    @property
    def units(self) -> Units:
        where = self.system.place.held_as(SystemdHost)
        assert where is not None
        return Units(where)

    def root(self, script: str) -> str:
        done = subprocess.run(
            ["docker", "exec", "-i", self.container, "sh", "-euc", script],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{script}: {done.stderr or done.stdout}"
        return done.stdout

    def refresh(self, *lines: str) -> None:
        """Start everything anew, with these lines in a drop-in and an empty journal; return when all is ready."""
        text = "".join(f"{line}\n" for line in lines)
        plant = f"mkdir -p $(dirname {DROP_IN})\nprintf %s '[Service]\n{text}' > {DROP_IN}" if lines else ""
        self.root(
            f"for unit in {SERVICE} postgresql@15-main redis-server\ndo systemctl kill --signal=CONT $unit || true\n"
            "done\n"
            f"rm -f {DROP_IN}\n{plant}\nsystemctl daemon-reload\nsystemctl stop {SERVICE}\nsystemctl reset-failed\n"
            "journalctl --quiet --rotate --vacuum-size=1\n"
            f"systemctl start postgresql@15-main redis-server {SERVICE}"
        )
        wait_until(self._answers, what="the service", timeout_s=20)

    @contextlib.contextmanager
    def planted(self, row: Mapping[str, Any]) -> Iterator[None]:
        """Plant a row of lab/defects.toml; the host is healed by whoever wants it healthy next."""
        self.dirty = True
        defects = ",".join(one.partition("=")[0] for one in row.get("plant", []))
        self.refresh(*([f"Environment=LLM_CONFIG_DEFECT={defects}"] if defects else []), *row.get("drop_in", []))
        try:
            for command in row.get("on_host", []):
                self.root(command)
            for name in row.get("stop", []):
                self.units.stop(name, grace_s=10)
            yield
        finally:
            for command in row.get("host_undo", []):
                self.root(command)

    def heal(self, *, journal: bool) -> None:
        """See that nothing is planted or broken, and if need be that the journal knows of nothing."""
        if self.dirty or (journal and self.used):
            self.refresh()
            self.dirty = self.used = False

    def _answers(self) -> bool:
        return self.root("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/ready || true") == "200"


@contextlib.contextmanager
def machine_up() -> Iterator[Host]:
    """Bring up a host, and remove it."""
    present = (
        shutil.which("docker") is not None
        and not subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode
    )
    require("systemd", present, "a systemd host is a container, and no Docker engine answers")
    drillbook = [sys.executable, "-m", "drillbook.cli", "lab"]
    up = subprocess.run(
        [*drillbook, "up", "config-manager", "--on", "systemd"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert up.returncode == 0, up.stderr
    assert "waiting for PostgreSQL" in up.stderr
    try:
        found = subprocess.run(
            [*drillbook, "registered", "--on", "systemd"], capture_output=True, check=True, timeout=60
        )
        record = json.loads(found.stdout)
        yield Host(Path(record["environment"]), record["container"])
    finally:
        subprocess.run([*drillbook, "down", "--on", "systemd"], check=True, timeout=120)
    assert not Path(record["folder"]).exists()
    left = subprocess.run(["docker", "ps", "-aqf", f"name={record['container']}"], capture_output=True, check=True)
    assert not left.stdout.strip()
