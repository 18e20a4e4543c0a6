"""Writes the environment file of a lab."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .directory import Layout, write_private

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
    head = f"systems.{system}"
    lines = [
        'name = "lab"',
        'platform = "process"',
        "",
        f"[{head}]",
        f"version = {_quoted(version)}",
        f"control = {_quoted(layout.control)}",
        f"data_dir = {_quoted(layout.data)}  # stands for /var/lib/llm-config",
        "",
    ]
    for instance in instances:
        lines += [
            f"[[{head}.api.instances]]",
            f"name = {_quoted(instance.name)}",
            f"url = {_quoted(instance.url)}",
            f"metrics = {_quoted(instance.metrics)}",
            f"log = {_quoted(instance.log)}",
            "",
        ]
    lines += [
        f"[{head}.postgres]",
        f"url = {{ file = {_quoted(database_url)} }}",
        "",
        f"[{head}.redis]",
        f"url = {{ file = {_quoted(cache_url)} }}",
        "",
        "[mutations]",
        "allowed = true",
        'namespace = "drillbook"',
        "",
        "[disruption]",
        "allowed = true",
        "at_most = { instances = 4, share = 1.0 }",
        f"marker = {_quoted(layout.marker)}",
    ]
    write_private(layout.environment, "\n".join(lines) + "\n")


def _quoted(value: str | Path) -> str:
    """Return a TOML basic string; what JSON escapes, TOML reads the same way."""
    return json.dumps(str(value), ensure_ascii=False)
