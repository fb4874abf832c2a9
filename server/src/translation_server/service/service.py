"""What users can do with jobs. It joins the record, the store, the clock and the waiters, and knows nothing of HTTP.

No terminal status leaves here before the store has written it down, so none is ever taken back: neither by a clock
that is set back nor by a restart.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from translation_server.jobs.model import Status
from translation_server.service.errors import (
    AlreadyEndedError,
    ImpossibleJobError,
    KeyReusedError,
    TooManyPendingError,
    UnknownJobError,
)
from translation_server.service.health import PATIENCE, Probe
from translation_server.service.settlement import Settlement
from translation_server.stores import Accepted, KeyTaken, StoreUnavailableError, TooMany

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence

    from translation_server.jobs.model import Draft, Job
    from translation_server.jobs.simulation import Simulation
    from translation_server.service.clock import Clock
    from translation_server.service.waiters import Waiter
    from translation_server.stores import JobStore

_LONGEST_ID = 64
_CHUNK = 500  # jobs read or told in one go; other requests get their turn in between


class Snapshot(NamedTuple):
    """Jobs as they were at one moment: what may be told."""

    jobs: Sequence[Job]
    now: float

    @property
    def job(self) -> Job:
        """The single job of this snapshot."""
        return self.jobs[0]

    @property
    def status(self) -> Status:
        """The status of the single job of this snapshot."""
        return self.job.status_at(self.now)


class Service:
    """The translation job service.

    Args:
        store: Where the jobs are.
        clock: What time it is.
        simulation: What is drawn for each job.
        max_pending_jobs: Per user.
        max_waiters: Per user.
        on_read: Called after each read of jobs from the store, with the seconds it took.
        version_of: Returns what changes with a user's password; None: there is no such user, and the waits end.
    """

    def __init__(  # noqa: PLR0913 - everything it works with; who gives it is the wiring, and names each
        self,
        store: JobStore,
        clock: Clock,
        simulation: Simulation,
        *,
        max_pending_jobs: int,
        max_waiters: int,
        on_read: Callable[[float], None] = lambda _: None,
        version_of: Callable[[str], Hashable] = lambda _: "",
    ) -> None:
        self.store = store
        self.clock = clock
        self.settlement = Settlement(store, clock, max_waiters, version_of)
        self.waiters = self.settlement.waiters
        self._simulation = simulation
        self._max_pending_jobs = max_pending_jobs
        self._on_read = on_read
        self._probe = Probe(store)

    async def start(self, draft: Draft) -> tuple[Snapshot, bool]:
        """Accept a job, or find the one its idempotency key stands for; also whether it was there already.

        Raises:
            ImpossibleJobError: It would take too long.
            KeyReusedError: The key stands for a job with another fingerprint.
            TooManyPendingError: The owner has too many pending jobs.
        """
        try:
            self._simulation.model_for(draft)
        except ValueError as error:
            raise ImpossibleJobError(str(error)) from error
        match await self.store.insert(draft, self._simulation.accept, self._max_pending_jobs):
            case KeyTaken(job_id):
                raise KeyReusedError(job_id)
            case TooMany():
                retry_after = self._simulation.model.poll_after(0.0) / self.clock.speed
                raise TooManyPendingError(self._max_pending_jobs, retry_after)
            case Accepted(job, replayed):
                self.settlement.add(job)
                snapshot = Snapshot([job], self.clock.now())
                if job.must_be_settled(snapshot.now):
                    snapshot = await self.find(job.owner, job.job_id)
                return snapshot, replayed

    def get_cached(self, owner: str, job_id: str) -> Snapshot | None:
        """Return one job if it can be told of without waiting; None: ask ``find``."""
        now, begun = self.clock.now(), time.perf_counter()
        job = self.store.get_cached(owner, job_id) if _may_be_an_id(job_id) else None
        if job is None or job.must_be_settled(now):
            return None
        self._on_read(time.perf_counter() - begun)
        return Snapshot((job,), now)

    async def find(self, owner: str, job_id: str) -> Snapshot:
        """Return one job.

        Raises:
            UnknownJobError: The user has no such job.
        """
        if not _may_be_an_id(job_id):
            raise UnknownJobError(job_id)
        now, begun = self.clock.now(), time.perf_counter()
        found = await self.store.get_many(owner, (job_id,))
        self._on_read(time.perf_counter() - begun)
        job = found.get(job_id)
        if job is not None and job.must_be_settled(now):
            await self.settlement.settle(owner, now)
            job = (await self.store.get_many(owner, (job_id,))).get(job_id)
        if job is None:
            raise UnknownJobError(job_id)
        return Snapshot((job,), now)

    async def by_key(self, owner: str, key: str) -> Snapshot:
        """Return the job that was accepted under an idempotency key.

        Raises:
            UnknownJobError: The user has no such job; its ``job_id`` is the key.
        """
        return await self._settled_job(owner, lambda: self.store.by_key(owner, key), key)

    async def latest(self, owner: str) -> Snapshot:
        """Return the job accepted last; raises ``UnknownJobError`` while there is none."""
        return await self._settled_job(owner, lambda: self.store.latest(owner), None)

    async def page(self, owner: str, status: Status | None, after: str | None, limit: int) -> Snapshot | None:
        """Return jobs, newest first, after the one with the id ``after``; None if there is no such job.

        An id and not a number: the place in the order of acceptance would reveal how many jobs others have.
        """
        before = None
        if after is not None:
            found = await self.store.get_many(owner, [after])
            if after not in found:
                return None
            before = found[after].seq

        async def read(now: float) -> list[Job]:
            return await self.store.page(owner, status, now, before, limit)

        return await self._settled(owner, read)

    async def query(self, owner: str, job_ids: Sequence[str]) -> Snapshot:
        """Return the owner's jobs among these, in the order asked."""
        known = [job_id for job_id in job_ids if job_id.isascii()]

        async def read(_: float) -> list[Job]:
            found: dict[str, Job] = {}
            for start in range(0, len(known), _CHUNK):
                found |= await self.store.get_many(owner, known[start : start + _CHUNK])
                await asyncio.sleep(0)
            return [found[job_id] for job_id in known if job_id in found]

        return await self._settled(owner, read)

    async def cancel(self, owner: str, job_id: str) -> Snapshot:
        """End a pending job; one that was cancelled stays as it is.

        Raises:
            UnknownJobError: There is no such job.
            AlreadyEndedError: It ended otherwise.
        """
        if not _may_be_an_id(job_id):
            raise UnknownJobError(job_id)
        now = self.clock.now()
        cancelled = await self.store.cancel(owner, job_id, now)
        await self.settlement.wake_waiters(owner, cancelled.ended)
        if cancelled.job is None:
            raise UnknownJobError(job_id)
        if not cancelled.job.was_cancelled:
            raise AlreadyEndedError(cancelled.job)
        return Snapshot([cancelled.job], now)

    async def delete(self, owner: str, job_id: str) -> None:
        """Delete a job, with its idempotency key. A pending job is cancelled first, and its waiters are woken.

        Raises:
            UnknownJobError: There is no such job; perhaps it was deleted a moment ago.
        """
        with suppress(AlreadyEndedError):  # either way its end is written down afterwards
            await self.cancel(owner, job_id)
        deleted = await self.store.delete(owner, job_id)
        self.settlement.invalidate()
        if not deleted:
            raise UnknownJobError(job_id)

    async def hold(self, waiter: Waiter, owner: str, job_id: str, seconds: float) -> Snapshot:
        """Return the job once it has ended, after so many seconds, or when waiting has become pointless."""
        deadline = self.clock.now() + seconds
        while True:
            job = waiter.job
            snapshot = Snapshot([job], self.clock.now()) if job else await self.find(owner, job_id)
            pointless = waiter.gone or waiter.revoked or self.waiters.stopping
            if snapshot.status is not Status.PENDING or snapshot.now >= deadline or pointless:
                return snapshot
            waiter.end = snapshot.job.ends_at
            del snapshot  # which thousands would keep
            await waiter.wait_until(min(waiter.end, deadline))

    async def position(self, owner: str, since: float | None = None) -> int:
        """Return the position where a stream begins: now, or before the first job that ended at ``since`` or later."""
        await self.settlement.settle_due(owner)
        return await self.store.position(owner, since)

    async def endings(self, owner: str, position: int) -> tuple[Sequence[Job], float | None]:
        """Return the next jobs in the order of ending, after a position, and when the next one will have ended."""
        return await self.settlement.endings(owner, position)

    async def next_end(self) -> float | None:
        """Return when the next job of any user ends; None if none is pending."""
        await self.settlement.settle_all()
        ends = [await self.store.next_end(owner) for owner in await self.store.owners_due(math.inf)]
        return min((end for end in ends if end is not None), default=None)

    async def is_usable(self) -> bool:
        """Return whether the store can be read and written, and the server is not about to stop."""
        return await self._probe.is_usable() and not self.waiters.stopping

    async def counts(self) -> Mapping[Status, int] | None:
        """Return how many jobs there are by status, of all users; None while the store does not say."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.settlement.settle_all()
                return await self.store.counts()
        except (StoreUnavailableError, TimeoutError):
            return None

    async def _settled_job(self, owner: str, read: Callable[[], Awaitable[Job | None]], asked: str | None) -> Snapshot:
        """Return the job that ``read`` finds, settled; raise ``UnknownJobError(asked)`` if it finds none."""

        async def read_all(_: float) -> list[Job]:
            job = await read()
            return [job] if job else []

        snapshot = await self._settled(owner, read_all)
        if not snapshot.jobs:
            raise UnknownJobError(asked)
        return snapshot

    async def _settled(self, owner: str, read: Callable[[float], Awaitable[list[Job]]]) -> Snapshot:
        """Return what ``read`` finds, once every end it shows is written down."""
        now = self.clock.now()
        begun = time.perf_counter()
        jobs = await read(now)
        self._on_read(time.perf_counter() - begun)
        if any(job.must_be_settled(now) for job in jobs):
            await self.settlement.settle(owner, now)
            jobs = await read(now)
        return Snapshot(jobs, now)


def _may_be_an_id(text: str) -> bool:
    """Return whether a job may have this id: no id is longer, and not all text can be stored."""
    return len(text) <= _LONGEST_ID and text.isascii()
