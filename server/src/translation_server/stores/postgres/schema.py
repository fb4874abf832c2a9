"""The tables in PostgreSQL: made and brought up to date by the server, or refused and left as they are.

They are in the first schema of the connection's ``search_path``, usually ``public``.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from translation_server.stores.protocol import StoreError

if TYPE_CHECKING:
    from translation_server.stores.postgres.connections import Connection

_LOGGER = logging.getLogger(__name__)
_OURS: Final = "translation-server"
_OLDEST_SERVER: Final = 12
_LONGEST_MIGRATION: Final = 600.0  # seconds, waiting for another server's included
_LOCK: Final = 0x54724A62  # "TrJb": held while tables are made
_MIGRATIONS: Final = (
    """
    CREATE TABLE translation_store (
        application text NOT NULL,
        version     integer NOT NULL,
        identity    text NOT NULL,
        accepted    bigint NOT NULL DEFAULT 0,  -- the last seq given to a job; none is given twice, whatever is deleted
        pings       bigint NOT NULL DEFAULT 0
    );
    CREATE TABLE translation_owners (
        owner     text COLLATE "C" PRIMARY KEY,
        endings   bigint NOT NULL DEFAULT 0,  -- the last place given in the order of ending
        unsettled bigint NOT NULL DEFAULT 0   -- jobs without such a place: pending, or ended unnoticed
    );
    CREATE TABLE translation_jobs (
        seq             bigint NOT NULL,
        job_id          text COLLATE "C" PRIMARY KEY,
        owner           text COLLATE "C" NOT NULL,
        created_at      double precision NOT NULL,
        ends_at         double precision NOT NULL,
        outcome         text COLLATE "C" NOT NULL CHECK (outcome IN ('completed', 'error')),
        error_code      text,
        error_message   text,
        video_length    double precision,
        metadata        text NOT NULL,
        delay_model     text NOT NULL,
        ending          bigint,
        idempotency_key text COLLATE "C",
        fingerprint     bytea
    );
    CREATE UNIQUE INDEX translation_jobs_by_owner ON translation_jobs (owner, seq);
    CREATE INDEX translation_jobs_by_outcome ON translation_jobs (owner, outcome, seq);
    CREATE INDEX translation_jobs_unsettled ON translation_jobs (owner, ends_at) WHERE ending IS NULL;
    CREATE UNIQUE INDEX translation_jobs_by_ending ON translation_jobs (owner, ending) WHERE ending IS NOT NULL;
    CREATE UNIQUE INDEX translation_jobs_by_key ON translation_jobs (owner, idempotency_key)
        WHERE idempotency_key IS NOT NULL;
    """,
    """
    ALTER TABLE translation_owners
        ADD COLUMN completed bigint NOT NULL DEFAULT 0,  -- of the jobs that have a place in the order of ending
        ADD COLUMN errors    bigint NOT NULL DEFAULT 0;  -- as many as are kept
    UPDATE translation_owners owners SET completed = found.completed, errors = found.errors FROM (
        SELECT owner, count(*) FILTER (WHERE outcome = 'completed') completed,
            count(*) FILTER (WHERE outcome = 'error') errors
        FROM translation_jobs WHERE ending IS NOT NULL GROUP BY owner
    ) found WHERE owners.owner = found.owner;
    """,
)
"""Each brings the tables one version further; what has been released is never edited."""

VERSION: Final = len(_MIGRATIONS)

_FOUND = """
    SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = current_schema()
    AND tablename IN ('translation_store', 'translation_owners', 'translation_jobs')
"""
_STATE = "SELECT application, version, identity FROM translation_store"
_FIRST = f"INSERT INTO translation_store (application, version, identity) VALUES ('{_OURS}', 0, $1)"  # noqa: S608 - constants
_SET_VERSION = "UPDATE translation_store SET version = $1"
_BEGIN = f"BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({_LOCK})"


async def prepare(connection: Connection) -> str:
    """Make the tables if they are not there, check that they are this server's, and return the store's identity.

    After an error, the connection must be ended: a transaction may be open.

    Raises:
        StoreError: They cannot be used, and nothing was changed.
    """
    await _check_server(connection)
    version, identity = await _read_state(connection)
    if version == VERSION:
        return identity
    try:
        return await _bring_up_to_date(connection)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError) as error:
        raise StoreError(f"DATABASE_URL: the tables cannot be made: {error}") from error


async def _check_server(connection: Connection) -> None:
    """Refuse a PostgreSQL server that cannot keep what this one promises."""
    settings = [await connection.fetchval(f"SHOW {name}") for name in ("server_version_num", "server_encoding")]
    if int(settings[0]) < _OLDEST_SERVER * 10_000:
        raise StoreError(f"DATABASE_URL: PostgreSQL {_OLDEST_SERVER} or newer is needed")
    if settings[1] != "UTF8":
        raise StoreError(f"DATABASE_URL: the database's encoding is {settings[1]}, and UTF8 is needed")
    if await connection.fetchval("SHOW transaction_read_only") == "on":
        raise StoreError("DATABASE_URL: this database is for reading only")
    if await connection.fetchval("SHOW fsync") == "off":
        _LOGGER.warning("this PostgreSQL server runs with fsync = off: a power cut may lose jobs")


async def _read_state(connection: Connection) -> tuple[int, str]:
    """Return version and identity; version 0 if there are no tables yet."""
    found = await connection.fetchval(_FOUND)
    if not found:
        return 0, ""
    try:
        rows = await connection.fetch(_STATE)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        rows = []
    if len(rows) != 1 or rows[0][0] != _OURS:
        raise StoreError(f"DATABASE_URL: the tables there ({', '.join(sorted(found))}) are not of this server; {_LEFT}")
    if rows[0][1] > VERSION:
        raise StoreError(f"DATABASE_URL: the tables there are of a newer version of this server; {_LEFT}")
    return rows[0][1], rows[0][2]


async def _bring_up_to_date(connection: Connection) -> str:
    await connection.execute(_BEGIN, timeout=_LONGEST_MIGRATION)
    version, _ = await _read_state(connection)  # another server may have done the same meanwhile
    for number, migration in enumerate(_MIGRATIONS[version:], start=version + 1):
        await connection.execute(migration, timeout=_LONGEST_MIGRATION)
        if number == 1:
            await connection.execute(_FIRST, secrets.token_hex(4))
        await connection.execute(_SET_VERSION, number)
    _, identity = await _read_state(connection)
    await connection.execute("COMMIT", timeout=_LONGEST_MIGRATION)
    return identity


_LEFT = "they were left as they are"
