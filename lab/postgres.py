"""Prepares and runs PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import binaries
from .errors import LabError
from .identity import Identity, identity
from .ports import HOST
from .programs import usable
from .spec import ProcessSpec
from .template import Template

if TYPE_CHECKING:
    from pathlib import Path

    from .children import Children

USER = "llm_config_user"
DATABASE = "llm_config"
SUPERUSER = "postgres"
SETTINGS = f"""
listen_addresses = '{HOST}'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 32MB
dynamic_shared_memory_type = mmap  # in the data directory, where it is removed with everything else
fsync = on  # durability is what drills measure
synchronous_commit = on
full_page_writes = on
password_encryption = scram-sha-256
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = UTC
timezone = UTC
"""
INITDB = ("-U", SUPERUSER, "-A", "trust", "--encoding=UTF8", "--no-locale", "--no-sync")
ACCESS = f"host all all {HOST}/32 scram-sha-256\nhost replication all {HOST}/32 scram-sha-256\n"
_PROTOCOL = 3 << 16
_AUTHENTICATION_REQUEST = b"R"
_SHARED_MEMORY_LINE = 6
_IPC_RMID = 0


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server in a folder of the lab.

    Attributes:
        folder: its folder.
        log: its log file.
        installed: where ``initdb`` and ``postgres`` were found.
        programs: where the user it runs as can start them.
        runs_as: who it runs as.
        password: of the service's role.
        superuser_password: of the role ``postgres``.
    """

    folder: Path
    log: Path
    installed: Path
    programs: Path
    runs_as: Identity
    password: str
    superuser_password: str

    @classmethod
    def new(cls, folder: Path, log: Path) -> Postgres:
        """Choose programs, identity and passwords. Raises LabError without a server."""
        installed, runs_as = binaries.postgres_folder(), identity()
        programs = usable(installed, runs_as, folder / "programs")
        return cls(folder, log, installed, programs, runs_as, secrets.token_urlsafe(24), secrets.token_urlsafe(24))

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    async def prepare(self, children: Children) -> None:
        """Make the data directory, the service's role and its database. Raises LabError."""
        if self.runs_as.user is not None:
            self._hand_over(*self.runs_as.user)
            await self._initdb(children)
        else:
            template = Template.of(self.installed / "postgres", INITDB)
            if not await self._unpack(children, template):
                await self._initdb(children)
                await self._pack(children, template)
        (self.data / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(SETTINGS)
        statements = (
            f"ALTER ROLE {SUPERUSER} PASSWORD '{self.superuser_password}';\n"
            f"CREATE ROLE {USER} LOGIN PASSWORD '{self.password}';\n"
            f"CREATE DATABASE {DATABASE} OWNER {USER};\n"
        )
        await self._run(
            children,
            (str(self.programs / "postgres"), "--single", "-D", str(self.data), "-c", "exit_on_error=on", SUPERUSER),
            what="PostgreSQL's first role and database",
            stdin=statements.encode(),
        )

    def spec(self, port: int) -> ProcessSpec:
        """Say how to run it on a port."""
        program = self.programs / "postgres"
        return ProcessSpec(
            name="postgres",
            component="postgres",
            argv=(*self.runs_as.prefix, str(program), "-D", str(self.data), "-p", str(port)),
            env=_environment(),
            address=f"postgresql://{HOST}:{port}/{DATABASE}",
            ports=(port,),
            log=self.log,
            ready=lambda: accepts_connections(port),
            stop_signal=signal.SIGINT,  # "fast": ends connections, writes a checkpoint
            user=self.runs_as.user,
            program=program.resolve(),
            before_start=lambda: (self.data / "postmaster.pid").unlink(missing_ok=True),
        )

    def url(self, port: int) -> str:
        """Return the service's address with its password."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{port}/{DATABASE}"

    def admin_url(self, port: int) -> str:
        """Return the superuser's address with its password."""
        return f"postgresql://{SUPERUSER}:{self.superuser_password}@{HOST}:{port}/{SUPERUSER}"

    async def _initdb(self, children: Children) -> None:
        await self._run(children, (str(self.programs / "initdb"), "-D", str(self.data), *INITDB), what="initdb")

    async def _unpack(self, children: Children, template: Template) -> bool:
        """Begin from the template; return False, with nothing left of it, where that cannot be."""
        if not template.exists:
            return False
        command = ("tar", "-x", "-p", "-f", str(template.archive), "-C", str(self.folder))
        try:
            await self._run(children, command, what="PostgreSQL's template")
        except LabError:
            shutil.rmtree(self.data, ignore_errors=True)
            template.archive.unlink(missing_ok=True)
            return False
        return True

    async def _pack(self, children: Children, template: Template) -> None:
        """Keep the fresh directory for the next lab; where that cannot be, the next one takes longer."""
        with contextlib.suppress(OSError, LabError), template.draft() as draft:
            command = ("tar", "-c", "-f", str(draft), "-C", str(self.folder), self.data.name)
            await self._run(children, command, what="PostgreSQL's template")

    async def _run(
        self,
        children: Children,
        command: tuple[str, ...],
        *,
        what: str,
        stdin: bytes = b"",
    ) -> None:
        await children.run(
            (*self.runs_as.prefix, *command),
            env=_environment(),
            log=self.log,
            cwd=self.folder,
            user=self.runs_as.user,
            stdin=stdin,
            what=what,
        )

    def _hand_over(self, user: int, group: int) -> None:
        """Give the folder to the user it runs as, and let that user walk through to it."""
        self.folder.parent.chmod(0o711)
        os.chown(self.folder, user, group)


async def accepts_connections(port: int) -> bool:
    """Return whether the server asks a client for its password: it does so when it is ready, not before."""
    body = struct.pack("!i", _PROTOCOL) + f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(struct.pack("!i", len(body) + 4) + body)
        return await reader.read(1) == _AUTHENTICATION_REQUEST
    finally:
        writer.close()


def release_shared_memory(data: Path) -> None:
    """Remove the System V segment of a server that was killed; it would stay until the machine restarts."""
    try:
        line = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[_SHARED_MEMORY_LINE]
        key, segment = (int(field) for field in line.split())
    except (OSError, ValueError, IndexError):
        return
    libc = ctypes.CDLL(None)
    if libc.shmget(key, 0, 0) == segment:
        libc.shmctl(segment, _IPC_RMID, None)


def _environment() -> dict[str, str]:
    kept = {name: value for name in ("PATH", "LD_LIBRARY_PATH") if (value := os.environ.get(name))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
