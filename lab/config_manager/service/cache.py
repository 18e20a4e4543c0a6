"""Copies of encrypted entries in Redis, safe against fills that come too late and servers that come back."""

import asyncio
import base64
import json
import logging
import secrets
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .logs import Outage
from .model import CacheState, CacheUnavailableError, EntryId, Hit, Stored, Vacancy

CLIENT_NAME = "llm-config-manager"
COMMAND_TIMEOUT_S = 0.25
PING_TIMEOUT_S = 0.5
TOKEN_TTL_MS = 5_000
MARK_TTL_MS = 15_000
PREFIX = "llm-config"

FILL = """if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end"""
UNMARK = """local found = redis.call('GET', KEYS[1])
    if found and (found == ARGV[1] or string.sub(found, 1, 2) ~= 'w:') then redis.call('DEL', KEYS[1]) end"""


class RedisCache:
    """A cache in one Redis.

    A key holds a copy ("v:..."), the token of a reader who is about to fill it ("t:...") or the mark of a
    writer who is about to change the entry ("w:..."). A fill succeeds only while its own token still stands.
    Every command is tied to the server process that the caller believes in: one that restarted from an old
    snapshot has another run_id and is not asked.
    """

    def __init__(self, url: str, *, ttl_s: int, instance: str) -> None:
        self._ttl_s = ttl_s
        self._probe_key = f"{PREFIX}:probe:{instance}"
        self._outage = Outage(logging.WARNING, "Cache lost", "Cache is back")
        self._run_ids: WeakKeyDictionary[AbstractConnection, str] = WeakKeyDictionary()
        self._run_id = ""
        self._pool = ConnectionPool.from_url(
            url,
            max_connections=1000,
            client_name=CLIENT_NAME,
            driver_info=None,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=self._greet,
        )

    @property
    def run_id(self) -> str:
        """The Redis process in use, or "" while there is none."""
        return "" if self._outage.active else self._run_id

    async def open(self) -> None:
        """Connect and ping once; raises CacheUnavailableError."""
        await self.ping()

    async def close(self) -> None:
        """Close every connection."""
        self._outage.active = True  # nothing is asked from now on, and that is no news
        await self._pool.disconnect()

    async def ping(self) -> None:
        """Prove that Redis answers; raises CacheUnavailableError."""
        await self._command("PING", timeout_s=PING_TIMEOUT_S)

    async def watch(self) -> None:
        """Write a key that expires at once, and log when an outage begins or ends."""
        try:
            await self._command("SET", self._probe_key, "1", "PX", 1000, timeout_s=PING_TIMEOUT_S)
        except CacheUnavailableError as error:
            self._outage.begin(str(error))
        else:
            self._outage.end()

    async def look(self, state: CacheState, entry_id: EntryId) -> Hit | Vacancy | None:
        """Return the copy, a vacancy with a token to fill it, or None when Redis could not be asked."""
        key = _key(state, entry_id)
        token = f"t:{secrets.token_hex(8)}"
        try:
            found = await self._ask(state, "GET", key)
            if found is None:
                placed = await self._ask(state, "SET", key, token, "NX", "PX", TOKEN_TTL_MS)
                return Vacancy(token if placed else "")
        except CacheUnavailableError:
            return None
        return Hit(_unpack(found)) if found.startswith(b"v:") else Vacancy("")

    async def fill(self, state: CacheState, entry_id: EntryId, token: str, stored: Stored) -> None:
        """Put a copy in, if the token still stands."""
        if token:
            await self._certain(state, "EVAL", FILL, 1, _key(state, entry_id), token, _pack(stored), self._ttl_s)

    async def mark(self, state: CacheState, entry_id: EntryId, writer: str) -> bool:
        """Put the writer's mark over whatever is there; returns whether that is certain."""
        return await self._certain(state, "SET", _key(state, entry_id), f"w:{writer}", "PX", MARK_TTL_MS)

    async def unmark(self, state: CacheState, entry_id: EntryId, writer: str) -> bool:
        """Remove whatever is there but another writer's mark; returns whether that is certain."""
        return await self._certain(state, "EVAL", UNMARK, 1, _key(state, entry_id), f"w:{writer}")

    async def _certain(self, state: CacheState, *command: str | bytes | int) -> bool:
        try:
            await self._ask(state, *command)
        except CacheUnavailableError:
            return False
        return True

    async def _ask(self, state: CacheState, *command: str | bytes | int) -> Any:
        if self._outage.active:
            raise CacheUnavailableError("cache is lost")
        try:
            return await self._command(*command, run_id=state.run_id, timeout_s=COMMAND_TIMEOUT_S)
        except CacheUnavailableError as error:
            self._outage.begin(str(error))
            raise

    async def _command(self, *command: str | bytes | int, timeout_s: float, run_id: str | None = None) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(command, run_id)
        except (RedisError, OSError, TimeoutError) as error:
            raise CacheUnavailableError(f"{type(error).__name__}: {error}") from error

    async def _exchange(self, command: tuple[str | bytes | int, ...], run_id: str | None) -> Any:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        answered = False
        try:
            if run_id is not None and self._run_ids.get(connection) != run_id:
                raise RedisError("expected the Redis process that holds the cache, found another")
            await connection.send_command(*command)
            answer = await connection.read_response()
            answered = True
        finally:
            if not answered:
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)
        return answer

    async def _greet(self, connection: AbstractConnection) -> None:
        """Do what every new connection needs, and learn which server process answers there."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        facts = dict(line.split(":", 1) for line in (await connection.read_response()).decode().split() if ":" in line)
        self._run_ids[connection] = self._run_id = facts["run_id"]


def _key(state: CacheState, entry_id: EntryId) -> str:
    return f"{PREFIX}:{state.epoch}:{entry_id.namespace}/{entry_id.key}/{entry_id.env}"


def _pack(stored: Stored) -> str:
    box = base64.b64encode(stored.box).decode()
    return "v:" + json.dumps([box, stored.user, stored.version, stored.updated_at.isoformat()])


def _unpack(found: bytes) -> Stored:
    box, user, version, updated_at = json.loads(found[2:])
    return Stored(base64.b64decode(box), user, version, datetime.fromisoformat(updated_at))
