"""Entries in PostgreSQL, and the little that instances must agree on to share a cache."""

import logging
from typing import TYPE_CHECKING, LiteralString, cast

from .database import Connection, Database
from .logs import Outage
from .model import BeforeCommit, CacheState, EntryId, StorageUnavailableError, Stored

if TYPE_CHECKING:
    from datetime import datetime

LEASE_S = 0.5
SETTLE_S = LEASE_S + 0.25
HOLD_S = 2.0
LOCK = 7_130_459_226  # an advisory lock: writers share it, a new cached generation takes it alone

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS config_entries (
        namespace text NOT NULL, key text NOT NULL, env text NOT NULL,
        value bytea NOT NULL, updated_by text NOT NULL,
        version bigint NOT NULL, updated_at timestamptz NOT NULL,
        PRIMARY KEY (namespace, key, env))""",
    """CREATE TABLE IF NOT EXISTS config_cache_state (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        epoch text NOT NULL, run_id text NOT NULL,
        retired_at timestamptz NOT NULL, hold_until timestamptz NOT NULL)""",
    """INSERT INTO config_cache_state (epoch, run_id, retired_at, hold_until)
        VALUES (gen_random_uuid()::text, '', to_timestamp(0), to_timestamp(0)) ON CONFLICT DO NOTHING""",
)
# Another server process or another table file (a restore) makes another epoch by itself.
STATE = """SELECT
        md5(concat_ws('|', epoch, pg_postmaster_start_time(), pg_relation_filenode('config_entries'))),
        run_id,
        greatest(0, %s - extract(epoch FROM clock_timestamp() - greatest(
            retired_at,
            CASE WHEN run_id = '' THEN to_timestamp(0) ELSE pg_postmaster_start_time() END)))::float8
    FROM config_cache_state"""
NEW_EPOCH = """epoch = gen_random_uuid()::text,
        retired_at = CASE WHEN run_id = '' THEN retired_at ELSE clock_timestamp() END"""
RETIRE = f"""UPDATE config_cache_state SET {NEW_EPOCH}, run_id = '',
        hold_until = clock_timestamp() + make_interval(secs => %s)
    WHERE run_id <> '' OR hold_until < clock_timestamp() + make_interval(secs => %s)"""  # noqa: S608 - constant
CLAIM = f"""UPDATE config_cache_state SET {NEW_EPOCH}, run_id = %s
    WHERE run_id <> %s AND hold_until < clock_timestamp()"""  # noqa: S608 - constant
UPSERT = """INSERT INTO config_entries AS e (namespace, key, env, value, updated_by, version, updated_at)
    VALUES (%s, %s, %s, %s, %s, 1, clock_timestamp())
    ON CONFLICT (namespace, key, env) DO UPDATE
        SET value = excluded.value, updated_by = excluded.updated_by,
            version = e.version + 1, updated_at = clock_timestamp()
    RETURNING value, updated_by, version, updated_at"""
SELECT = """SELECT value, updated_by, version, updated_at FROM config_entries
    WHERE namespace = %s AND key = %s AND env = %s"""
DELETE = "DELETE FROM config_entries WHERE namespace = %s AND key = %s AND env = %s"


class PostgresStorage:
    """The storage of record."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refusal = Outage(logging.ERROR, "Storage refuses writes", "Storage takes writes again")

    @property
    def lost(self) -> bool:
        """Whether the server could not be reached the last time."""
        return self._database.lost

    @property
    def in_use(self) -> int:
        """How many connections are working at this moment."""
        return self._database.in_use

    async def open(self) -> None:
        """Connect and create the tables where they are missing; raises StorageUnavailableError."""
        await self._database.open(_prepare)

    async def close(self) -> None:
        """Close the pool."""
        await self._database.close()

    async def ping(self) -> None:
        """Prove that the server answers and has our tables; raises StorageUnavailableError."""

        async def work(connection: Connection) -> bool:
            return await _true(connection, "SELECT to_regclass('config_entries') IS NOT NULL")

        if not await self._database.run(work, probe=True):
            raise StorageUnavailableError("expected the table config_entries, found none")

    async def read(self, entry_id: EntryId) -> Stored | None:
        """Return the entry, or None."""

        async def work(connection: Connection) -> Stored | None:
            row = await (await connection.execute(SELECT, _place(entry_id))).fetchone()
            return _stored(row) if row else None

        return await self._database.run(work)

    async def write(self, entry_id: EntryId, box: bytes, user: str, before_commit: BeforeCommit) -> Stored:
        """Create or replace the entry; returns it when the commit is durable."""

        async def work(connection: Connection) -> Stored:
            async with connection.transaction():
                await before_commit(await _state_for_write(connection))
                row = await (await connection.execute(UPSERT, (*_place(entry_id), box, user))).fetchone()
            assert row is not None, "an upsert returns its row"
            return _stored(row)

        with _Refusals(self):
            return await self._database.run(work)

    async def remove(self, entry_id: EntryId, before_commit: BeforeCommit) -> bool:
        """Delete the entry; returns whether there was one, when the commit is durable."""

        async def work(connection: Connection) -> bool:
            async with connection.transaction():
                await before_commit(await _state_for_write(connection))
                return (await connection.execute(DELETE, _place(entry_id))).rowcount > 0

        with _Refusals(self):
            return await self._database.run(work)

    async def cache_state(self) -> CacheState:
        """Return what holds for the shared cache now."""
        return await self._database.run(_state, probe=True)

    async def retire_cache(self) -> None:
        """Take the cached generation out of use for every instance, for HOLD_S at least."""

        async def work(connection: Connection) -> None:
            await connection.execute(RETIRE, (HOLD_S, HOLD_S / 2))

        await self._database.run(work)

    async def claim_cache(self, run_id: str) -> None:
        """Begin a new cached generation in that Redis process, unless retired within HOLD_S."""

        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '500ms'")
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                await connection.execute(CLAIM, (run_id, run_id))

        await self._database.run(work)

    def note_refusal(self, error: StorageUnavailableError | None) -> None:
        """Log, once, that a reachable storage does not take writes, or that it does again."""
        if error is None:
            self._refusal.end()
        elif not self.lost:
            self._refusal.begin(str(error))


class _Refusals:
    """Tells the storage how a write went."""

    def __init__(self, storage: PostgresStorage) -> None:
        self._storage = storage

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, StorageUnavailableError):
            self._storage.note_refusal(error)


async def _prepare(connection: Connection) -> None:
    names = "to_regclass('config_entries'), to_regclass('config_cache_state')"
    if await _true(connection, f"SELECT num_nulls({names}) = 0"):
        return  # a role that may not create tables can still use them
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        for statement in SCHEMA:
            await connection.execute(statement)


async def _true(connection: Connection, question: LiteralString) -> bool:
    answer = await (await connection.execute(question)).fetchone()
    return bool(answer and answer[0])


async def _state_for_write(connection: Connection) -> CacheState:
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (LOCK,))
    return await _state(connection)


async def _state(connection: Connection) -> CacheState:
    row = await (await connection.execute(STATE, (SETTLE_S,))).fetchone()
    return CacheState(*cast("tuple[str, str, float]", row)) if row else CacheState("", "", 0)


def _place(entry_id: EntryId) -> tuple[str, str, str]:
    return entry_id.namespace, entry_id.key, entry_id.env


def _stored(row: tuple[object, ...]) -> Stored:
    box, user, version, updated_at = cast("tuple[bytes, str, int, datetime]", row)
    return Stored(bytes(box), user, version, updated_at)
