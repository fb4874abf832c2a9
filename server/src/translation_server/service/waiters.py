"""Where held requests and event streams wait, and are woken: one registry for both.

A waiter sleeps until the next moment at which something is known to happen. Only what nobody could know before (a
cancellation, a new job, a client that left, a user that was removed, a server that stops) wakes it earlier.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self

from translation_server.service.errors import TooManyWaitersError
from translation_server.service.timer_heap import TimerHeap
from translation_server.stores.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from types import TracebackType

    from translation_server.jobs.model import Job
    from translation_server.service.clock import Clock

_RECHECK = 2.0  # seconds after which it is noticed that a user was removed


class Client(Protocol):
    """Who a waiter waits for."""

    async def wait_closed(self) -> bool:
        """Return True when the client has disconnected, False when ``wake`` was called."""

    def wake(self) -> None:
        """End the wait that is under way, if there is one."""


class Waiter:
    """One held request or stream, for as long as it is entered as a context.

    Attributes:
        owner: Whose jobs it waits for.
        job_id: Which job; None: any.
        job: The record of that job once it has ended, if it was handed over.
        gone: Whether its client has left.
        revoked: Whether its user was removed, or got another password.
        moment: When it is to be woken; infinite while it is not asleep.
        end: The next end of a job that it knows of.
    """

    __slots__ = (
        "_asleep",
        "_client",
        "_registry",
        "_woken",
        "end",
        "gone",
        "job",
        "job_id",
        "moment",
        "owner",
        "revoked",
    )

    def __init__(self, registry: Waiters, owner: str, job_id: str | None, client: Client) -> None:
        self._registry = registry
        self._client = client
        self._asleep = False
        self._woken = False
        self.owner = owner
        self.job_id = job_id
        self.job: Job | None = None
        self.gone = False
        self.revoked = False
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
        self._registry.discard(self)
        del self._client  # the timer heap may know this waiter for a while, and would keep a connection's memory

    async def wait_until(self, moment: float, seconds: float | None = None) -> None:
        """Return when woken, when the clock reaches ``moment``, or after so many seconds of the machine's time.

        If it was woken since it last waited, it returns at once; and if its client has left, it is ``gone``.
        """
        if self._woken:
            self._woken = False
            return
        self._fall_asleep(moment)
        end = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.wake)
        try:
            self.gone = await self._client.wait_closed()
        finally:
            self._asleep = self._woken = False
            self.moment = math.inf
            if end is not None:
                end.cancel()

    def wake(self) -> None:
        """Let it look again, in its turn."""
        if not self._woken:
            self._woken = True
            if self._asleep:
                self._registry.turns.put(self._interrupt)

    def _fall_asleep(self, moment: float) -> None:
        self.moment = moment
        self._registry.timers.add(self)
        self._registry.timers.compact(len(self._registry))
        self._asleep = True

    def _interrupt(self) -> None:
        if self._asleep and self._woken:
            self._asleep = False
            self._client.wake()


def wake_all(waiters: Sequence[Waiter]) -> None:
    """Let each look again."""
    for waiter in waiters:
        waiter.wake()


class Waiters:
    """All waiters of this process.

    Args:
        clock: What their due times are times of.
        limit: How many one user may have at a time.
        on_due: Called with those whose due time has come, and wakes them.
        version_of: Returns what changes with a user's password; None: there is no such user.

    Attributes:
        timers: Their due times.
        turns: By which they are woken, a few at a time.
        stopping: Whether the server is about to stop.
    """

    def __init__(
        self,
        clock: Clock,
        limit: int,
        on_due: Callable[[Sequence[Waiter]], None] = wake_all,
        version_of: Callable[[str], Hashable] = lambda _: "",
    ) -> None:
        self._limit = limit
        self._version_of = version_of
        self._versions: dict[str, Hashable] = {}  # of each owner, when the first of the waiters came
        self._readings: set[asyncio.Timeout] = set()
        self._waiters: defaultdict[tuple[str, str | None], set[Waiter]] = defaultdict(set)
        self._counts: Counter[str] = Counter()
        self._total = 0
        self.timers = TimerHeap[Waiter](clock, on_due)
        self.turns = FairQueue()
        self.stopping = False

    def enter(self, owner: str, job_id: str | None, client: Client) -> Waiter:
        """Return a waiter for one job, or (None) for all of the owner's."""
        return Waiter(self, owner, job_id, client)

    def add(self, waiter: Waiter) -> None:
        """Count a waiter.

        Raises:
            TooManyWaitersError: Its owner has too many already.
        """
        self.check_limit(waiter.owner)
        if waiter.owner not in self._versions:
            self._versions[waiter.owner] = self._version_of(waiter.owner)
        self._waiters[waiter.owner, waiter.job_id].add(waiter)
        self._counts[waiter.owner] += 1
        self._total += 1

    def check_limit(self, owner: str) -> None:
        """Raise ``TooManyWaitersError`` if the owner has as many waiters as allowed."""
        if self._counts[owner] >= self._limit:
            raise TooManyWaitersError(self._limit)

    def discard(self, waiter: Waiter) -> None:
        """Count it no more."""
        key = waiter.owner, waiter.job_id
        self._waiters[key].discard(waiter)
        if not self._waiters[key]:
            del self._waiters[key]
        self._counts[waiter.owner] -= 1
        if not self._counts[waiter.owner]:
            del self._counts[waiter.owner], self._versions[waiter.owner]
        self._total -= 1
        self.timers.compact(len(self))

    def waited_for(self, owner: str, job_ids: Sequence[str]) -> list[str]:
        """Return for which of these jobs, by themselves, somebody waits."""
        return [job_id for job_id in job_ids if (owner, job_id) in self._waiters]

    def jobs_of(self, owner: str) -> list[str]:
        """Return the owner's jobs for which, by themselves, somebody waits."""
        return [job_id for name, job_id in self._waiters if name == owner and job_id is not None]

    def end_jobs(self, owner: str, jobs: Mapping[str, Job | None]) -> None:
        """Wake who waits for any of these jobs, by id, and the owner's streams; hand over the records there are."""
        for job_id, job in jobs.items():
            for waiter in self._waiters.get((owner, job_id), ()):
                waiter.job = job
                waiter.wake()
        self.wake_streams(owner)

    def wake_streams(self, owner: str, moment: float = -math.inf) -> None:
        """Wake the owner's streams that would sleep beyond the moment, at which a new job ends."""
        for waiter in self._waiters.get((owner, None), ()):
            if moment < waiter.moment:
                waiter.wake()

    async def follow_users(self) -> None:
        """End the waits of users that were removed or got another password; runs until it is cancelled."""
        while True:
            await asyncio.sleep(_RECHECK)
            current = {owner: self._version_of(owner) for owner in self._versions}
            changed = {
                owner for owner, version in current.items() if version is None or version != self._versions[owner]
            }
            self._versions |= current
            for (owner, _), waiters in self._waiters.items():
                if owner in changed:
                    for waiter in waiters:
                        waiter.revoked = True
                        waiter.wake()

    @contextmanager
    def interrupting(self, timeout: asyncio.Timeout) -> Iterator[None]:
        """Let the time-out of what is done meanwhile come at once if the server is about to stop."""
        self._readings.add(timeout)
        try:
            yield
        finally:
            self._readings.discard(timeout)

    def stop(self) -> None:
        """Wake everyone, for good: the server is about to stop."""
        self.stopping = True
        for timeout in self._readings:
            timeout.reschedule(asyncio.get_running_loop().time())
        for waiters in self._waiters.values():
            wake_all([*waiters])

    def __len__(self) -> int:
        return self._total

    @property
    def streams(self) -> int:
        """How many of them wait for all jobs of an owner."""
        return sum(len(waiters) for (_, job_id), waiters in self._waiters.items() if job_id is None)
