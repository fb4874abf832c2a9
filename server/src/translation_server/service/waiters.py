"""Where held requests and event streams wait, and are woken: one registry for both.

A waiter sleeps until the next moment at which something is known to happen. Only what nobody could know before (a
cancellation, a new job, a client that left, a server that stops) wakes it earlier.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Self

from translation_server.http.disconnect import client_of
from translation_server.service.errors import TooManyWaitersError
from translation_server.service.timer_heap import Agenda
from translation_server.stores.fair_queue import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from starlette.types import Receive

    from translation_server.http.disconnect import Client
    from translation_server.jobs.model import Job
    from translation_server.service.clock import Clock

    Tell = Callable[[Job], bool]
    """Tells a waiter's client of the end of its job; returns whether that was possible."""


class Waiter:
    """One held request or stream, for as long as it is entered as a context.

    Attributes:
        owner: Whose jobs it waits for.
        job_id: Which job; None: any.
        job: The record of that job once it has ended, if it was handed over.
        told: Whether its client was told of the end while it slept.
        gone: Whether its client has left.
        moment: When it is to be woken; infinite while it is not asleep.
        end: The next end of a job that it knows of.
    """

    __slots__ = (
        "_asleep",
        "_client",
        "_registry",
        "_tell",
        "_woken",
        "end",
        "gone",
        "job",
        "job_id",
        "moment",
        "owner",
        "told",
    )

    def __init__(self, registry: Waiters, owner: str, job_id: str | None, client: Client, tell: Tell | None) -> None:
        self._registry = registry
        self._client = client
        self._tell = tell
        self._asleep = False
        self._woken = False
        self.owner = owner
        self.job_id = job_id
        self.job: Job | None = None
        self.told = False
        self.gone = False
        self.moment = math.inf
        self.end = math.inf

    def __enter__(self) -> Self:
        """Count from here."""
        self._registry.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do not count any more."""
        if not self.told:
            self._registry.discard(self)
        del self._client, self._tell  # the agenda may know this one for a while, and would keep a connection's memory

    async def until(self, moment: float, patience: float | None = None) -> None:
        """Return when woken, when the clock reaches ``moment``, or after ``patience`` seconds of the machine's time.

        If it was woken since it last waited, it returns at once; and if its client has left, it is ``gone``.
        """
        if self._woken:
            self._woken = False
            return
        self._fall_asleep(moment)
        end = None if patience is None else asyncio.get_running_loop().call_later(patience, self.wake)
        try:
            self.gone = await self._client.rest()
        finally:
            self._asleep = self._woken = False
            self.moment = math.inf
            if end is not None:
                end.cancel()

    def wake(self) -> None:
        """Let it look again."""
        if not self._woken:
            self._woken = True
            if self._asleep:
                self._registry.turns.take(self._interrupt)

    def _fall_asleep(self, moment: float) -> None:
        self.moment = moment
        self._registry.agenda.add(self)
        self._registry.agenda.tidy(len(self._registry))
        self._asleep = True

    def _interrupt(self) -> None:
        if not self._asleep or not self._woken:
            return
        self._asleep = False
        try:
            self.told = self.job is not None and self._tell is not None and self._tell(self.job)
        finally:
            if self.told:
                self.moment = math.inf
                self._registry.discard(self)  # now, as its client may come again before its task goes on
                self._registry.turns.take(self._client.rouse)  # after all those who are to be told
            else:
                self._client.rouse()


def wake_all(waiters: Sequence[Waiter]) -> None:
    """Let each look again."""
    for waiter in waiters:
        waiter.wake()


class Waiters:
    """All waiters of this process.

    Args:
        clock: What their moments are moments of.
        limit: How many one user may have at a time.
        come: Called with those whose moment has come; who is not told of anything then must be woken.

    Attributes:
        agenda: Their moments.
        turns: By which they go on.
        stopping: Whether the server is about to stop.
    """

    def __init__(self, clock: Clock, limit: int, come: Callable[[Sequence[Waiter]], None] = wake_all) -> None:
        self._limit = limit
        self._waiters: defaultdict[tuple[str, str | None], set[Waiter]] = defaultdict(set)
        self._counts: Counter[str] = Counter()
        self._total = 0
        self.agenda = Agenda[Waiter](clock, come)
        self.turns = Turns()
        self.stopping = False

    def enter(self, owner: str, job_id: str | None, receive: Receive | None = None, tell: Tell | None = None) -> Waiter:
        """A waiter for one job, or (None) for all of the owner's.

        Args:
            owner: Whose.
            job_id: Which job.
            receive: By this its client is listened to.
            tell: Called with the job's record once it has ended, if it is at hand while the waiter sleeps.
        """
        return Waiter(self, owner, job_id, client_of(receive), tell)

    def add(self, waiter: Waiter) -> None:
        """Count a waiter.

        Raises:
            TooManyWaitersError: Its owner has too many already.
        """
        if self._counts[waiter.owner] >= self._limit:
            raise TooManyWaitersError
        self._waiters[waiter.owner, waiter.job_id].add(waiter)
        self._counts[waiter.owner] += 1
        self._total += 1

    def discard(self, waiter: Waiter) -> None:
        """Count it no more."""
        key = waiter.owner, waiter.job_id
        self._waiters[key].discard(waiter)
        if not self._waiters[key]:
            del self._waiters[key]
        self._counts[waiter.owner] -= 1
        if not self._counts[waiter.owner]:
            del self._counts[waiter.owner]
        self._total -= 1
        self.agenda.tidy(len(self))

    def waited_for(self, owner: str, job_ids: Sequence[str]) -> list[str]:
        """For which of these jobs, by themselves, somebody waits."""
        return [job_id for job_id in job_ids if (owner, job_id) in self._waiters]

    def ended(self, owner: str, jobs: Mapping[str, Job | None]) -> None:
        """Wake who waits for any of these jobs, by id, and the owner's streams; hand over the records at hand."""
        for job_id, job in jobs.items():
            for waiter in self._waiters.get((owner, job_id), ()):
                waiter.job = job
                waiter.wake()
        self.planned(owner)

    def planned(self, owner: str, moment: float = -math.inf) -> None:
        """Wake the owner's streams that would sleep beyond the moment, at which a new job ends."""
        for waiter in self._waiters.get((owner, None), ()):
            if moment < waiter.moment:
                waiter.wake()

    def stop(self) -> None:
        """Wake everyone, for good: the server is about to stop."""
        self.stopping = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake()

    def __len__(self) -> int:
        return self._total

    @property
    def streams(self) -> int:
        """How many of them wait for all jobs of an owner."""
        return sum(len(waiters) for (_, job_id), waiters in self._waiters.items() if job_id is None)
