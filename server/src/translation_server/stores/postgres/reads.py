"""What is read from PostgreSQL: the same kind of question, asked by many at the same time, is one round trip."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from translation_server.jobs.model import Status
from translation_server.stores.postgres import sql
from translation_server.stores.postgres.gathering import Gathering
from translation_server.stores.postgres.sql import to_job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any, TypeVar

    from translation_server.jobs.model import Job
    from translation_server.stores.postgres.connections import Connection, Connections

    _Item = TypeVar("_Item")
    _Result = TypeVar("_Result")

_AT_ONCE = 2  # round trips of one kind; more of them are smaller, and cost more in all
_LARGEST = 500


class Reads:
    """What can be asked.

    Attributes:
        by_id: An owner and ids: those of the owner's jobs, by id.
        latest: An owner: the job accepted last.
        next_end: An owner: the earliest end that is not written down.
        ended_after: An owner, a position, a limit: the next jobs in the order of ending.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.by_id = self._gathering(_by_id)
        self.latest = self._gathering(_latest)
        self.next_end = self._gathering(_next_end)
        self.ended_after = self._gathering(_ended_after)

    async def page(self, owner: str, status: Status | None, now: float, before: int, limit: int) -> list[Job]:
        """See ``JobStore.page``."""
        question = sql.PAGE
        values: tuple[object, ...] = owner, before, limit
        if status is Status.PENDING:
            question, values = sql.PENDING_PAGE, (*values, now)
        elif status is not None:
            question, values = sql.ENDED_PAGE, (*values, now, status.value)
        rows = await self._connections.use(lambda connection: connection.fetch(question, *values))
        return [to_job(row) for row in rows]

    async def position(self, owner: str, since: float | None) -> int:
        """See ``JobStore.position``."""
        question, values = (sql.POSITION, (owner,)) if since is None else (sql.POSITION_BEFORE, (owner, since))
        return await self._connections.use(lambda connection: connection.fetchval(question, *values)) or 0

    async def close(self) -> None:
        """Finish what was asked for."""
        for gathering in (self.by_id, self.latest, self.next_end, self.ended_after):
            await gathering.close()

    def _gathering(
        self, read: Callable[[Connection, Sequence[_Item]], Awaitable[Sequence[_Result]]]
    ) -> Gathering[_Item, _Result]:
        async def run(items: Sequence[_Item]) -> Sequence[_Result]:
            return await self._connections.use(lambda connection: read(connection, items))

        return Gathering(run, at_once=_AT_ONCE, largest=_LARGEST)


async def _by_id(connection: Connection, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[dict[str, Job]]:
    asked = {job_id for _, job_ids in items for job_id in job_ids if sql.can_hold(job_id)}
    jobs = {job.job_id: job for job in map(to_job, await connection.fetch(sql.BY_ID, list(asked)))}
    return [
        {job_id: job for job_id in job_ids if (job := jobs.get(job_id)) is not None and job.owner == owner}
        for owner, job_ids in items
    ]


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
