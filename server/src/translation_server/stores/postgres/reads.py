"""Reading from PostgreSQL: the same question, asked by many at the same time, is one round trip."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeVar

from translation_server.jobs.model import Status
from translation_server.stores.postgres import sql
from translation_server.stores.postgres.batching import Batcher
from translation_server.stores.records import to_job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from translation_server.jobs.model import Job
    from translation_server.stores.postgres.connections import Connection, Connections

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_CONCURRENCY: Final = 2  # round trips of one kind at the same time; more are smaller, and cost more in all
_MAX_BATCH: Final = 500


class Reads:
    """The questions of a ``JobStore``.

    Attributes:
        by_id: From an owner and ids to the owner's jobs among these, by id.
        by_key: From an owner and an idempotency key to the owner's job under it.
        latest: From an owner to the job accepted last.
        next_end: From an owner to the earliest end that is not written down.
        ended_after: From an owner, a position and a limit to the next jobs in the order of ending.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.by_id = self._batcher(_by_id)
        self.by_key = self._batcher(_by_key)
        self.latest = self._batcher(_latest)
        self.next_end = self._batcher(_next_end)
        self.ended_after = self._batcher(_ended_after)

    async def page(self, owner: str, status: Status | None, now: float, before: int, limit: int) -> list[Job]:
        """See ``JobStore.page``."""
        statement = sql.PAGE
        values: tuple[object, ...] = owner, before, limit
        if status is Status.PENDING:
            statement, values = sql.PENDING_PAGE, (*values, now)
        elif status is not None:
            statement, values = sql.ENDED_PAGE, (*values, now, status.value)
        rows = await self._connections.use(lambda connection: connection.fetch(statement, *values))
        return [to_job(row) for row in rows]

    async def position(self, owner: str, since: float | None) -> int:
        """See ``JobStore.position``."""
        statement, values = (sql.POSITION, (owner,)) if since is None else (sql.POSITION_BEFORE, (owner, since))
        return await self._connections.use(lambda connection: connection.fetchval(statement, *values)) or 0

    async def close(self) -> None:
        """Wait until everything asked for is answered."""
        for batcher in (self.by_id, self.by_key, self.latest, self.next_end, self.ended_after):
            await batcher.close()

    def _batcher(
        self, read: Callable[[Connection, Sequence[_Item]], Awaitable[Sequence[_Result]]]
    ) -> Batcher[_Item, _Result]:
        async def run(items: Sequence[_Item]) -> Sequence[_Result]:
            return await self._connections.use(lambda connection: read(connection, items))

        return Batcher(run, concurrency=_CONCURRENCY, max_batch=_MAX_BATCH)


async def _by_id(connection: Connection, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[dict[str, Job]]:
    asked = {job_id for _, job_ids in items for job_id in job_ids if sql.can_hold(job_id)}
    jobs = {job.job_id: job for job in map(to_job, await connection.fetch(sql.BY_ID, list(asked)))}
    return [
        {job_id: job for job_id in job_ids if (job := jobs.get(job_id)) is not None and job.owner == owner}
        for owner, job_ids in items
    ]


async def _by_key(connection: Connection, items: Sequence[tuple[str, str]]) -> Sequence[Job | None]:
    rows = await connection.fetch(sql.BY_KEY, *map(list, zip(*set(items), strict=True)))
    jobs = {(job.owner, key): job for key, _, *row in rows for job in [to_job(row)]}
    return [jobs.get(item) for item in items]


async def _latest(connection: Connection, owners: Sequence[str]) -> Sequence[Job | None]:
    jobs = {job.owner: job for job in map(to_job, await connection.fetch(sql.LATEST, list(set(owners))))}
    return [jobs.get(owner) for owner in owners]


async def _next_end(connection: Connection, owners: Sequence[str]) -> Sequence[float | None]:
    moments: dict[str, float | None] = dict(await connection.fetch(sql.NEXT_END, list(set(owners))))
    return [moments[owner] for owner in owners]


async def _ended_after(connection: Connection, items: Sequence[tuple[str, int, int]]) -> Sequence[list[Job]]:
    asked = list(dict.fromkeys(items))
    rows: Sequence[Sequence[Any]] = await connection.fetch(sql.ENDED_AFTER, *map(list, zip(*asked, strict=True)))
    jobs: defaultdict[int, list[Job]] = defaultdict(list)
    for number, *row in rows:
        jobs[number].append(to_job(row))
    found = {item: jobs[number] for number, item in enumerate(asked, start=1)}
    return [list(found[item]) for item in items]
