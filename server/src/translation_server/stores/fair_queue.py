"""Lets thousands who are told something at once go on a few at a time, so that other requests get their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from translation_server.outbox import outbox_of

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_A_TIME = 32  # each goes on for about a tenth of a millisecond


class Turns:
    """A queue of calls, a few of which are made in each round of the event loop; for one loop at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def take(self, call: Callable[[], None]) -> None:
        """Make the call in its turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._round)
        self._waiting.append(call)

    def give(self, future: asyncio.Future[Any], outcome: object = None) -> None:
        """Resolve the future in its turn: with the outcome, or by raising it if it is an exception."""
        self.take(partial(_resolve, future, outcome))

    def _round(self) -> None:
        loop = asyncio.get_running_loop()
        number = min(_AT_A_TIME, len(self._waiting))
        outbox = outbox_of(loop)
        outbox.expect(number)
        loop.call_soon(outbox.expect, number)  # who goes on by what is called here does so in the next round
        try:
            for _ in range(number):
                self._waiting.popleft()()
        finally:  # one call that fails is not to keep the others from their turn
            outbox.over(number)
            loop.call_soon(outbox.over, number)
            if self._waiting:
                loop.call_soon(self._round)


def _resolve(future: asyncio.Future[Any], outcome: object) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
