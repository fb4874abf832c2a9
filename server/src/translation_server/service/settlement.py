"""Writes down that jobs have ended, and wakes those who wait for it: once for all of them.

Each of ten thousand waiters could do so for itself. But then each would ask the store, twice, and all at the same time.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from translation_server.service.cache import Cache
from translation_server.service.waiters import Waiters, wake_all
from translation_server.stores import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from translation_server.jobs.model import Job
    from translation_server.service.clock import Clock
    from translation_server.service.waiters import Waiter
    from translation_server.stores import JobStore

_CHUNK = 500  # jobs read in one go
_PLACES = 16  # in the order of ending at which most streams are; each may take such a chunk of memory


class Settlement:
    """Writes down the ends of jobs, in the order in which they come.

    Args:
        store: Where the jobs are.
        clock: What time it is.
        max_waiters: Per user.
        version_of: See ``Waiters``.

    Attributes:
        waiters: Those who wait for jobs to end.
    """

    def __init__(
        self,
        store: JobStore,
        clock: Clock,
        max_waiters: int,
        version_of: Callable[[str], Hashable] = lambda _: "",
    ) -> None:
        self._store = store
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._endings: Cache[tuple[Sequence[Job], float | None]] = Cache(_PLACES)
        self._changes = 0
        self.waiters = Waiters(clock, max_waiters, self._settle_due_waiters, version_of)

    async def settle(self, owner: str, now: float) -> None:
        """Write down the end of each job of the owner that has ended by now, and wake who waits for it."""
        await self.wake_waiters(owner, await self._store.settle(owner, now))

    async def settle_due(self, owner: str) -> float | None:
        """Write down what has ended; return when the owner's next job will end, None if none is pending."""
        now = self._clock.now()
        due = await self._store.next_end(owner)
        if due is not None and due <= now:
            await self.settle(owner, now)
            due = await self._store.next_end(owner)
        return due

    async def settle_all(self) -> None:
        """Write down every end that nobody has asked about, of all users."""
        now = self._clock.now()
        await asyncio.gather(*(self.settle(owner, now) for owner in await self._store.owners_due(now)))

    async def endings(self, owner: str, position: int) -> tuple[Sequence[Job], float | None]:
        """Return the next jobs in the order of ending, after a position, and when the next one will have ended.

        Most streams of an owner are at the same position, so what one has found serves the others as well, until
        anything changes.
        """
        found = self._endings.get(owner, position)
        if found is None or (found[1] is not None and found[1] <= self._clock.now()):
            before = self._changes
            due = await self.settle_due(owner)
            found = await self._store.ended_after(owner, position, _CHUNK), due
            if before == self._changes:
                self._endings.put(owner, position, found)
        return found

    def add(self, job: Job) -> None:
        """Wake the owner's streams that would sleep beyond the end of this new job."""
        self.invalidate()
        self.waiters.wake_streams(job.owner, job.ends_at)

    async def wake_waiters(self, owner: str, job_ids: Sequence[str]) -> None:
        """Wake those who wait for these jobs, which have ended; hand each the record it waits for."""
        self.invalidate()
        waited_for = self.waiters.waited_for(owner, job_ids)
        for start in range(0, len(waited_for), _CHUNK):
            chunk = waited_for[start : start + _CHUNK]
            found = await self._store.get_many(owner, chunk)
            # One that was deleted meanwhile is not found, and who waits for it has to learn that.
            self.waiters.end_jobs(owner, {job_id: found.get(job_id) for job_id in chunk})
        if job_ids:
            self.waiters.wake_streams(owner)

    async def follow_changes(self) -> None:
        """Wake those who wait for what another process wrote; runs until it is cancelled."""
        async with aclosing(self._store.changes()) as changes:
            async for change in changes:
                self.invalidate()
                self.waiters.end_jobs(change.owner, {} if change.job_id is None else {change.job_id: None})
                if change.gone:
                    await self._wake_after_deletions(change.owner)

    async def _wake_after_deletions(self, owner: str) -> None:
        """Wake those who wait for any of the owner's jobs that has ended or is deleted: nothing tells which it is."""
        waited_for = self.waiters.jobs_of(owner)
        with suppress(StoreUnavailableError):  # then they learn it when their wait is over
            for start in range(0, len(waited_for), _CHUNK):
                chunk = waited_for[start : start + _CHUNK]
                found = await self._store.get_many(owner, chunk)
                over = {job_id: found.get(job_id) for job_id in chunk if job_id not in found or found[job_id].final}
                self.waiters.end_jobs(owner, over)

    def invalidate(self) -> None:
        """Drop what was found for streams, as it may not be true any more."""
        self._changes += 1
        self._endings.clear()

    def _settle_due_waiters(self, waiters: Sequence[Waiter]) -> None:
        task = asyncio.create_task(self._settle_for(waiters))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle_for(self, waiters: Sequence[Waiter]) -> None:
        """Settle once for all waiters whose due time has come, and wake them."""
        now = self._clock.now()
        owners = {waiter.owner for waiter in waiters if waiter.end <= now}
        with suppress(StoreUnavailableError):  # then each finds that out by itself, and says so to its client
            await asyncio.gather(*(self.settle(owner, now) for owner in owners))
        wake_all(waiters)
