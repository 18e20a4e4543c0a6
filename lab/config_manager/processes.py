"""Runs instances of the Config Manager as processes."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..ports import HOST
from ..spec import ProcessSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM = "config-manager"
SERVICE = "lab.config_manager.service"
DRAIN_TIMEOUT_S = 8  # below the 10 s that the runbook's stop grants
_ROOT = Path(__file__).resolve().parents[2]
_INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
_READY = b"200"


@dataclass(frozen=True)
class Shared:
    """What all instances have in common.

    Attributes:
        database_url: the file with the database's address.
        cache_url: the file with the cache's address.
        encryption_key: the file with the key.
        version: what they say they are.
        service: the Python module that is run.
    """

    database_url: Path
    cache_url: Path
    encryption_key: Path
    version: str
    service: str = SERVICE


def new_encryption_key() -> str:
    """Return a random key as the service reads it."""
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def addresses(ports: tuple[int, ...]) -> tuple[str, str]:
    """Return the addresses of the API and of its metrics."""
    return f"http://{HOST}:{ports[0]}", f"http://{HOST}:{ports[1]}/metrics"


def instance(name: str, shared: Shared, *, ports: tuple[int, int], log: Path, defects: tuple[str, ...]) -> ProcessSpec:
    """Say how to run one instance on its two ports."""
    return ProcessSpec(
        name=name,
        component="api",
        argv=(sys.executable, "-P", "-m", shared.service),
        env={
            **_environment(os.environ),
            "LLM_CONFIG_HOST": HOST,
            "LLM_CONFIG_PORT": str(ports[0]),
            "LLM_CONFIG_METRICS_PORT": str(ports[1]),
            "LLM_CONFIG_DATABASE_URL_FILE": str(shared.database_url),
            "LLM_CONFIG_CACHE_URL_FILE": str(shared.cache_url),
            "LLM_CONFIG_ENCRYPTION_KEY_FILE": str(shared.encryption_key),
            "LLM_CONFIG_INSTANCE": name,
            "LLM_CONFIG_VERSION": shared.version,
            "LLM_CONFIG_DRAIN_TIMEOUT_S": str(DRAIN_TIMEOUT_S),
            "LLM_CONFIG_DEFECT": ",".join(defects),
        },
        address=addresses(ports)[0],
        ports=ports,
        log=log,
        ready=lambda: is_ready(ports[0]),
    )


async def is_ready(port: int) -> bool:
    """Return whether ``GET /ready`` answers 200."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET /ready HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline()).split(b" ")[1:2] == [_READY]
    finally:
        writer.close()


def _environment(outer: Mapping[str, str]) -> dict[str, str]:
    """Return the few variables that a Python program needs; the rest is none of the service's business."""
    kept = {name: outer[name] for name in _INHERITED if name in outer}
    path = [str(_ROOT), *(part for part in outer.get("PYTHONPATH", "").split(os.pathsep) if part)]
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
