"""A queue of calls, a few of which are made in each round of the event loop, so that other requests get their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CALLS_PER_ROUND = 32  # each takes about a tenth of a millisecond


class FairQueue:
    """Makes calls in the order given, over as many rounds of the event loop as it takes; for one loop at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def put(self, call: Callable[[], None]) -> None:
        """Make the call when all calls before it have been made; never before this returns."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run_round)
        self._waiting.append(call)

    def resolve(self, future: asyncio.Future[Any], outcome: object = None) -> None:
        """Give the future its outcome in turn: as its exception if the outcome is one, otherwise as its result."""
        self.put(partial(_resolve, future, outcome))

    def _run_round(self) -> None:
        try:
            for _ in range(min(_CALLS_PER_ROUND, len(self._waiting))):
                self._waiting.popleft()()
        finally:  # a call that fails must not keep the others from theirs
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run_round)


def _resolve(future: asyncio.Future[Any], outcome: object) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
