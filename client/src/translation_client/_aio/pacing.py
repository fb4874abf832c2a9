"""Lets requests begin a few at a time: thousands due at one moment would keep each other from being answered."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from weakref import WeakKeyDictionary

_AT_ONCE = 4  # requests begun in one turn of the event loop: about a millisecond of work


async def turn(deadline: float) -> None:
    """Come back when it is a request's turn, or when its deadline (on ``time.monotonic()``) has passed."""
    await _turnstiles.setdefault(asyncio.get_running_loop(), _Turnstile()).enter(deadline)


class _Turnstile:
    """One for each event loop; between two groups of requests the loop reads answers and keeps deadlines."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._begun = 0

    async def enter(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if not self._begun:
            loop.call_soon(self._next_group, loop)
        if self._begun < _AT_ONCE:
            self._begun += 1
            return
        entry: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._waiting, (deadline, next(self._order), entry))
        await entry

    def _next_group(self, loop: asyncio.AbstractEventLoop) -> None:
        now, self._begun = time.monotonic(), 0
        while self._waiting and (self._begun < _AT_ONCE or self._waiting[0][0] <= now):
            deadline, _, entry = heapq.heappop(self._waiting)
            if not entry.done():  # whoever waited may have been cancelled
                entry.set_result(None)
                self._begun += deadline > now
        if self._begun:
            loop.call_soon(self._next_group, loop)


_turnstiles: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turnstile] = WeakKeyDictionary()
