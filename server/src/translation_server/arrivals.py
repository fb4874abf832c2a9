"""Requests that arrive in the same round of the event loop: they are begun together, and answered together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from translation_server.outbox import outbox_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from translation_server.outbox import Outbox


class Arrivals:
    """Those of one event loop.

    Args:
        outbox: By which the loop sends answers.
    """

    __slots__ = ("_outbox", "_waiting")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: list[Callable[[], bool]] = []

    def add(self, begin: Callable[[], bool], loop: asyncio.AbstractEventLoop) -> None:
        """Have a request begun in the loop's next round.

        Args:
            begin: Begins it; returns whether it is answered already, and has no task.
            loop: The loop, which is not kept: who is kept for as long as the loop is must not keep it.
        """
        if not self._waiting:
            loop.call_soon(self._begin, loop)
        self._waiting.append(begin)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting, self._waiting = self._waiting, []
        answered = 0
        self._outbox.expect(len(waiting))
        try:
            for begin in waiting:
                answered += begin()
        finally:  # the first steps of the tasks come before what is called now
            if answered < len(waiting):
                loop.call_soon(self._outbox.over, len(waiting) - answered)
            self._outbox.over(answered)


_ARRIVALS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Arrivals]] = WeakKeyDictionary()


def arrivals_of(loop: asyncio.AbstractEventLoop) -> Arrivals:
    """Those of this loop."""
    return _ARRIVALS.get(loop) or _ARRIVALS.setdefault(loop, Arrivals(outbox_of(loop)))
