"""Prepares and runs Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import binaries
from .ports import HOST
from .spec import ProcessSpec

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Redis:
    """A Redis server in a folder of the lab: a cache, so it keeps nothing on disk.

    Attributes:
        folder: its folder.
        log: its log file.
        program: the server.
        password: what clients must present.
    """

    folder: Path
    log: Path
    program: Path
    password: str

    @classmethod
    def new(cls, folder: Path, log: Path) -> Redis:
        """Choose the program and a password. Raises LabError without a server."""
        return cls(folder, log, binaries.redis_server(), secrets.token_urlsafe(24))

    def spec(self, port: int) -> ProcessSpec:
        """Write its configuration for a port and say how to run it."""
        settings = self.folder / "redis.conf"
        handle = os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(
                f"bind {HOST}\n"
                f"port {port}\n"
                f"requirepass {self.password}\n"
                "protected-mode yes\n"
                "daemonize no\n"
                'save ""\n'
                "appendonly no\n"
                'logfile ""\n'
            )
        return ProcessSpec(
            name="redis",
            component="redis",
            argv=(str(self.program), str(settings)),
            env={name: value for name in ("PATH", "LD_LIBRARY_PATH") if (value := os.environ.get(name))},
            address=f"redis://{HOST}:{port}/0",
            ports=(port,),
            log=self.log,
            ready=lambda: self._answers(port),
        )

    def url(self, port: int) -> str:
        """Return the address with its password."""
        return f"redis://:{self.password}@{HOST}:{port}/0"

    async def _answers(self, port: int) -> bool:
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"AUTH {self.password}\r\nPING\r\n".encode())
            return [await reader.readline(), await reader.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        finally:
            writer.close()
