"""Writes the environment file of a systemd host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..directory import write_private
from ..ports import HOST
from .machine import ALIAS, UNITS

if TYPE_CHECKING:
    from .machine import Machine


def write(machine: Machine) -> None:
    """Write the environment file; secrets stand in it as references only."""
    folder = Path(machine.folder)
    head = f"systems.{machine.system}"
    lines = [
        'name = "lab"',
        'platform = "systemd"',
        "",
        f"[{head}]",
        f"version = {json.dumps(machine.version)}",
        "",
        f"[{head}.systemd]",
        f"host = {json.dumps(ALIAS)}",
        f"ssh_config = {json.dumps(str(folder / 'ssh_config'))}",
        f"units = {{ {', '.join(f'{name} = {json.dumps(unit)}' for name, unit in UNITS.items())} }}",
        "",
        f"[[{head}.api.instances]]",
        'name = "api"',
        f'url = "http://{HOST}:{machine.ports["api"]}"',
        f'metrics = "http://{HOST}:{machine.ports["metrics"]}/metrics"',
        "",
        f"[{head}.postgres]",
        f"url = {{ file = {json.dumps(str(folder / 'database-url'))} }}",
        "",
        f"[{head}.redis]",
        f"url = {{ file = {json.dumps(str(folder / 'cache-url'))} }}",
        "",
        "[mutations]",
        "allowed = true",
        'namespace = "drillbook"',
        "",
        "[disruption]",
        "allowed = true",
        "at_most = { instances = 3, share = 1.0 }",
    ]
    write_private(machine.environment, "\n".join(lines) + "\n")
