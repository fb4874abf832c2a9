"""The store in PostgreSQL, shared by any number of processes on any number of machines.

Reads that arrive together are one round trip, writes that arrive together one transaction, see ``postgres_gathering``.
What a broken connection has prevented is tried again for a few seconds; then, and while the database is away, every
operation raises ``StoreUnavailableError``, and the first one to succeed again finds everything as it was.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from translation_server.jobs.model import Status
from translation_server.stores.postgres import sql
from translation_server.stores.postgres.changes import Changes
from translation_server.stores.postgres.connections import LOST, TROUBLE, Connection, Connections, Target
from translation_server.stores.postgres.gathering import Gathering
from translation_server.stores.postgres.reads import Reads
from translation_server.stores.postgres.requests import Answer, Cancel, Insert, Settle, Write
from translation_server.stores.postgres.schema import prepare
from translation_server.stores.postgres.writes import Transaction
from translation_server.stores.protocol import Accepted, Cancelled, Change, KeyTaken, StoreError, TooMany

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from translation_server.jobs.model import Draft, Job
    from translation_server.stores.protocol import OnCommit

_START_PATIENCE = 10.0  # seconds a database that is starting has to answer
_START_PAUSE = 0.25
_TRANSACTIONS_AT_ONCE = 2
_LARGEST_TRANSACTION = 1000
_LAST = 2**63 - 1


def check_postgres(url: str) -> None:
    """See that the database can be used, and make the tables if they are not there; from any thread.

    Raises:
        StoreError: It cannot be used.
    """
    target = Target.parse(url)
    with ThreadPoolExecutor(1) as elsewhere:  # this thread may be running an event loop already
        elsewhere.submit(lambda: asyncio.run(_prepare(target))).result()


async def open_postgres(url: str, on_commit: OnCommit = lambda *_: None) -> PostgresStore:
    """Open the store; see ``check_postgres``."""
    target = Target.parse(url)
    identity, told = await _prepare(target)
    store = PostgresStore(target, identity, told, on_commit)
    await store.open()
    return store


async def _prepare(target: Target) -> tuple[str, Mapping[str, int]]:
    """Identity, and how many of each owner's jobs have ended."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_PATIENCE
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
        target: The database, which was prepared.
        identity: What is written in it.
        told: How many of each owner's jobs have ended, before anybody asks.
        on_commit: Told of each transaction.
    """

    def __init__(self, target: Target, identity: str, told: Mapping[str, int], on_commit: OnCommit) -> None:
        self.identity = identity
        self._on_commit = on_commit
        self._channel = f"translation_{identity}"
        self._connections = Connections(target)
        self._changes = Changes(target, self._channel, told)
        self._reads = Reads(self._connections)
        self._writes: Gathering[Write, Any] = Gathering(
            self._commit, at_once=_TRANSACTIONS_AT_ONCE, largest=_LARGEST_TRANSACTION
        )

    async def open(self) -> None:
        """To be called once, first."""
        await self._connections.open()

    async def insert(
        self, draft: Draft, make: Callable[[Draft, int], Job], limit: int
    ) -> Accepted | KeyTaken | TooMany:
        """See ``JobStore``."""
        answer: Accepted | KeyTaken | TooMany = await self._writes.ask(Insert(draft, make, limit))
        return answer

    async def get_many(self, owner: str, job_ids: Sequence[str]) -> dict[str, Job]:
        """See ``JobStore``."""
        return await self._reads.by_id.ask((owner, tuple(job_ids)))

    def at_hand(self, owner: str, job_id: str) -> Job | None:  # noqa: ARG002
        """See ``JobStore``."""
        return None

    async def latest(self, owner: str) -> Job | None:
        """See ``JobStore``."""
        return await self._reads.latest.ask(owner)

    async def page(self, owner: str, status: Status | None, now: float, before: int | None, limit: int) -> list[Job]:
        """See ``JobStore``."""
        return await self._reads.page(owner, status, now, _LAST if before is None else before, limit)

    async def settle(self, owner: str, now: float) -> Sequence[str]:
        """See ``JobStore``."""
        ended: Sequence[str] = await self._writes.ask(Settle(owner, now))
        return ended

    async def cancel(self, owner: str, job_id: str, now: float) -> Cancelled:
        """See ``JobStore``."""
        if not sql.can_hold(job_id):
            return Cancelled(None)
        cancelled: Cancelled = await self._writes.ask(Cancel(owner, job_id, now))
        return cancelled

    async def next_end(self, owner: str) -> float | None:
        """See ``JobStore``."""
        return await self._reads.next_end.ask(owner)

    async def ended_after(self, owner: str, position: int, limit: int) -> list[Job]:
        """See ``JobStore``."""
        return await self._reads.ended_after.ask((owner, position, limit))

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
        return dict(zip((Status.PENDING, Status.COMPLETED, Status.ERROR), rows[0], strict=True))

    async def forget(self, before: float, limit: int) -> int:
        """See ``JobStore``."""
        forgotten: int = await self._connections.use(lambda connection: connection.fetchval(sql.FORGET, before, limit))
        return forgotten

    def changes(self) -> AsyncGenerator[Change, None]:
        """See ``JobStore``."""
        return self._changes.follow()

    async def ping(self) -> None:
        """See ``JobStore``."""
        await self._connections.use(lambda connection: connection.execute(sql.PING), again=False)

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
            self._changes.wrote(owner, before, now)
        return answers

    async def _transact(self, writes: Sequence[Write], connection: Connection) -> tuple[Transaction, Sequence[Answer]]:
        transaction = Transaction(connection, self._channel, self._changes.sender)
        return transaction, await transaction.commit(writes)
