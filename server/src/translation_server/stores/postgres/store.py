"""The store in PostgreSQL, shared by any number of processes on any number of machines.

Reads that arrive together are one round trip, writes that arrive together one transaction, see ``batching``. What a
broken connection prevented is tried again for a few seconds; then, and while the database is away, every operation
raises ``StoreUnavailableError``, and the first one that succeeds again finds everything as it was.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from translation_server.stores.postgres import sql
from translation_server.stores.postgres.batching import Batcher
from translation_server.stores.postgres.changes import Changes
from translation_server.stores.postgres.connections import LOST, TROUBLE, Connection, Connections, Target
from translation_server.stores.postgres.reads import Reads
from translation_server.stores.postgres.schema import prepare
from translation_server.stores.postgres.writes import Answer, Cancel, Delete, Insert, Settle, Transaction, Write
from translation_server.stores.protocol import Accepted, Cancelled, Change, KeyTaken, StoreError, TooMany
from translation_server.stores.records import LAST_SEQ, is_encodable, to_counts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from translation_server.jobs.model import Draft, Job, Status
    from translation_server.stores.protocol import OnCommit

_START_TIMEOUT: Final = 10.0  # seconds in which a database that is starting has to answer
_START_PAUSE: Final = 0.25
_CONCURRENCY: Final = 2  # transactions at the same time
_MAX_BATCH: Final = 1000  # writes in a transaction


def check_postgres(url: str) -> None:
    """Check that the database can be used, and make the tables if they are not there; from any thread.

    Raises:
        StoreError: It cannot be used.
    """
    target = Target.parse(url)
    with ThreadPoolExecutor(1) as elsewhere:  # this thread may be running an event loop already
        elsewhere.submit(lambda: asyncio.run(_prepare(target))).result()


async def open_postgres(url: str, on_commit: OnCommit = lambda *_: None) -> PostgresStore:
    """Open the store; see ``check_postgres``."""
    target = Target.parse(url)
    identity, positions = await _prepare(target)
    connections = Connections(target)
    await connections.open()
    return PostgresStore(connections, Changes(target, f"translation_{identity}", positions), identity, on_commit)


async def _prepare(target: Target) -> tuple[str, Mapping[str, int]]:
    """Return the identity, and the last place in each owner's order of ending."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_TIMEOUT
    while True:
        try:
            connection = await target.connect()
            try:
                return await prepare(connection), dict(await connection.fetch(sql.POSITIONS))
            finally:
                connection.terminate()
        except TROUBLE as error:
            # A configuration that is wrong stays wrong.
            if not isinstance(error, LOST) or isinstance(error, ValueError) or loop.time() > deadline:
                reason = str(error) or type(error).__name__
                raise StoreError(f"DATABASE_URL: the database cannot be used: {reason}") from error
        await asyncio.sleep(_START_PAUSE)


class PostgresStore:
    """A ``JobStore`` in one PostgreSQL database.

    Args:
        connections: Connections to the database, which was prepared.
        changes: What other processes write to it.
        identity: The identity that is stored in it.
        on_commit: Is called after each transaction.
    """

    def __init__(self, connections: Connections, changes: Changes, identity: str, on_commit: OnCommit) -> None:
        self.identity = identity
        self._connections = connections
        self._changes = changes
        self._on_commit = on_commit
        self._reads = Reads(self._connections)
        self._writes: Batcher[Write, Any] = Batcher(self._commit, concurrency=_CONCURRENCY, max_batch=_MAX_BATCH)

    async def insert(
        self, draft: Draft, make: Callable[[Draft, int], Job], limit: int
    ) -> Accepted | KeyTaken | TooMany:
        """See ``JobStore``."""
        answer: Accepted | KeyTaken | TooMany = await self._writes.submit(Insert(draft, make, limit))
        return answer

    async def get_many(self, owner: str, job_ids: Sequence[str]) -> dict[str, Job]:
        """See ``JobStore``."""
        return await self._reads.by_id.submit((owner, tuple(job_ids)))

    def get_cached(self, owner: str, job_id: str) -> Job | None:  # noqa: ARG002
        """See ``JobStore``."""
        return None

    async def by_key(self, owner: str, key: str) -> Job | None:
        """See ``JobStore``."""
        if "\0" in key or not is_encodable(key):
            return None
        return await self._reads.by_key.submit((owner, key))

    async def latest(self, owner: str) -> Job | None:
        """See ``JobStore``."""
        return await self._reads.latest.submit(owner)

    async def page(self, owner: str, status: Status | None, now: float, before: int | None, limit: int) -> list[Job]:
        """See ``JobStore``."""
        return await self._reads.page(owner, status, now, LAST_SEQ if before is None else before, limit)

    async def settle(self, owner: str, now: float) -> Sequence[str]:
        """See ``JobStore``."""
        ended: Sequence[str] = await self._writes.submit(Settle(owner, now))
        return ended

    async def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """See ``JobStore``."""
        if not sql.can_hold(job_id):
            return Cancelled(None)
        cancelled: Cancelled = await self._writes.submit(Cancel(owner, job_id, now))
        return cancelled

    async def delete(self, owner: str, job_id: str) -> bool:
        """See ``JobStore``."""
        if not sql.can_hold(job_id):
            return False
        deleted: bool = await self._writes.submit(Delete(owner, job_id))
        return deleted

    async def next_end(self, owner: str) -> float | None:
        """See ``JobStore``."""
        return await self._reads.next_end.submit(owner)

    async def ended_after(self, owner: str, position: int, limit: int) -> list[Job]:
        """See ``JobStore``."""
        return await self._reads.ended_after.submit((owner, position, limit))

    async def position(self, owner: str, since: float | None = None) -> int:
        """See ``JobStore``."""
        return await self._reads.position(owner, since)

    async def owners_due(self, now: float) -> Sequence[str]:
        """See ``JobStore``."""
        rows = await self._connections.use(lambda connection: connection.fetch(sql.OWNERS_DUE, now))
        return [owner for (owner,) in rows]

    async def counts(self) -> Mapping[Status, int]:
        """See ``JobStore``."""
        rows = await self._connections.use(lambda connection: connection.fetch(sql.COUNTS))
        return to_counts(rows[0])

    async def forget(self, before: float, limit: int) -> int:
        """See ``JobStore``."""
        forgotten: int = await self._connections.use(lambda connection: connection.fetchval(sql.FORGET, before, limit))
        return forgotten

    def changes(self) -> AsyncGenerator[Change, None]:
        """See ``JobStore``."""
        return self._changes.follow()

    async def ping(self) -> None:
        """See ``JobStore``."""
        await self._connections.use(lambda connection: connection.execute(sql.PING), retry=False)

    async def close(self) -> None:
        """See ``JobStore``."""
        await self._writes.close()
        await self._reads.close()
        await self._connections.close()

    async def _commit(self, writes: Sequence[Write]) -> Sequence[Answer]:
        begun = time.perf_counter()
        transaction, answers = await self._connections.use(partial(self._transact, writes))
        self._on_commit(len(writes), time.perf_counter() - begun)
        for owner, (before, now) in transaction.endings.items():
            self._changes.skip_own(owner, before, now)
        return answers

    async def _transact(self, writes: Sequence[Write], connection: Connection) -> tuple[Transaction, Sequence[Answer]]:
        transaction = Transaction(connection, self._changes)
        return transaction, await transaction.commit(writes)
