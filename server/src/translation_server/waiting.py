"""Where held requests and event streams wait, and are woken: one registry for both.

A waiter has one timer, set to the next moment at which something is known to happen. Only what nobody could know
before (a cancellation, a new job, a client that left, a server that stops) wakes it earlier.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from translation_server.errors import TooManyWaitersError
from translation_server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from translation_server.clock import Clock


class Waiter:
    """One held request or stream."""

    __slots__ = ("_clock", "_future", "_turns", "_woken", "gone", "moment")

    def __init__(self, clock: Clock, turns: Turns) -> None:
        self._clock = clock
        self._turns = turns
        self._future: asyncio.Future[None] | None = None
        self._woken = False
        self.gone = False
        self.moment = math.inf

    async def until(self, moment: float, patience: float | None = None) -> None:
        """Return when woken, when the clock reaches ``moment``, or after ``patience`` seconds of the machine's time.

        If it was woken since it last waited, it returns at once.
        """
        if not self._woken:
            await self._sleep(moment, patience)
        self._woken = False

    def wake(self) -> None:
        """Let it look again."""
        self._woken = True
        if self._future is not None:
            self._turns.give(self._future)

    def leave(self) -> None:
        """Its client is gone."""
        self.gone = True
        self.wake()

    async def _sleep(self, moment: float, patience: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._future = loop.create_future()
        self.moment = moment
        timer = self._clock.call_at(moment, self.wake)
        end = None if patience is None else loop.call_later(patience, self.wake)
        try:
            await self._future
        finally:
            timer.cancel()
            self._future = None
            if end is not None:
                end.cancel()


class Waiters:
    """All waiters of this process.

    Args:
        clock: What their moments are moments of.
        limit: How many one user may have at a time.
    """

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._waiters: defaultdict[tuple[str, str | None], set[Waiter]] = defaultdict(set)
        self._counts: Counter[str] = Counter()
        self._turns = Turns()
        self.stopping = False

    @contextmanager
    def enter(self, owner: str, job_id: str | None) -> Iterator[Waiter]:
        """A waiter for one job, or (None) for all of the owner's.

        Raises:
            TooManyWaitersError: The owner has too many already.
        """
        if self._counts[owner] >= self._limit:
            raise TooManyWaitersError
        key, waiter = (owner, job_id), Waiter(self._clock, self._turns)
        self._waiters[key].add(waiter)
        self._counts[owner] += 1
        try:
            yield waiter
        finally:
            self._remove(key, waiter)

    def ended(self, owner: str, job_id: str) -> None:
        """Wake who waits for the job, and the owner's streams."""
        for key in ((owner, job_id), (owner, None)):
            for waiter in self._waiters.get(key, ()):
                waiter.wake()

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
        return self._counts.total()

    @property
    def streams(self) -> int:
        """How many of them wait for all jobs of an owner."""
        return sum(len(waiters) for (_, job_id), waiters in self._waiters.items() if job_id is None)

    def _remove(self, key: tuple[str, str | None], waiter: Waiter) -> None:
        owner, _ = key
        self._waiters[key].discard(waiter)
        if not self._waiters[key]:
            del self._waiters[key]
        self._counts[owner] -= 1
        if not self._counts[owner]:
            del self._counts[owner]
