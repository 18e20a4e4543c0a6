"""Writes the environment file of a lab."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from .directory import Layout, write_private
from .toml_file import write_environment

MARKED_AS = ("lab", "local")


@dataclass(frozen=True)
class Instance:
    """One instance's addresses."""

    name: str
    url: str
    metrics: str
    log: Path


def write(
    layout: Layout,
    *,
    system: str,
    version: str,
    instances: tuple[Instance, ...],
    database_url: Path,
    cache_url: Path,
) -> None:
    """Write the marker, then the environment file; secrets stand in it as references only."""
    write_private(layout.marker, "".join(f"{name}\n" for name in MARKED_AS))
    facts = {
        "name": "lab",
        "platform": "process",
        "systems": {
            system: {
                "version": version,
                "data_dir": layout.data,  # stands for /var/lib/llm-config
                "process": {"control": layout.control, "marker": layout.marker},
                "mutations": {"allowed": True, "namespace": "drillbook"},
                "components": {
                    "api": {"instances": [asdict(instance) for instance in instances]},
                    "postgres": {"kind": "postgres", "url": {"file": database_url}},
                    "redis": {"kind": "redis", "url": {"file": cache_url}},
                },
            }
        },
        "disruption": {"allowed": True, "at_most": {"instances": 4, "share": 1.0}},
    }
    write_environment(layout.environment, facts)
