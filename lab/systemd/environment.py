"""Writes the environment file of a systemd host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..ports import HOST
from ..toml_file import write_environment
from .machine import ALIAS, UNITS

if TYPE_CHECKING:
    from .machine import Machine


def write(machine: Machine) -> None:
    """Write the environment file; secrets stand in it as references only."""
    folder = Path(machine.folder)
    facts = {
        "name": "lab",
        "platform": "systemd",
        "systems": {
            machine.system: {
                "version": machine.version,
                "systemd": {"host": ALIAS, "ssh_config": folder / "ssh_config", "units": dict(UNITS)},
                "mutations": {"allowed": True, "namespace": "drillbook"},
                "components": {
                    "api": {"instances": [_instance(machine)]},
                    "postgres": {"kind": "postgres", "url": {"file": folder / "database-url"}},
                    "redis": {"kind": "redis", "url": {"file": folder / "cache-url"}},
                },
            }
        },
        "disruption": {"allowed": True, "at_most": {"instances": 3, "share": 1.0}},
    }
    write_environment(machine.environment, facts)


def _instance(machine: Machine) -> dict[str, str]:
    return {
        "name": "api",
        "url": f"http://{HOST}:{machine.ports['api']}",
        "metrics": f"http://{HOST}:{machine.ports['metrics']}/metrics",
    }
