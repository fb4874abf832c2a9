"""What is asked for at the same time is asked in one go: one round trip, or one transaction, for all of it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from translation_server.stores.fair_queue import FairQueue
from translation_server.stores.protocol import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Asked(NamedTuple, Generic[_Item, _Result]):
    item: _Item
    future: asyncio.Future[_Result]


class Gathering(Generic[_Item, _Result]):
    """While some batches are under way, the next one gathers. What is asked is never part of a batch that has begun.

    Args:
        run: Carries out a batch; returns a result for each item, in the same order.
        at_once: Batches under way at the same time.
        largest: Items in a batch.
    """

    def __init__(
        self, run: Callable[[Sequence[_Item]], Awaitable[Sequence[_Result]]], *, at_once: int, largest: int
    ) -> None:
        self._run = run
        self._at_once = at_once
        self._largest = largest
        self._loop = asyncio.get_running_loop()
        self._asked: deque[_Asked[_Item, _Result]] = deque()
        self._queue = FairQueue()
        self._workers = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, item: _Item) -> asyncio.Future[_Result]:
        """The result, in the future; a future that is cancelled in time is not carried out."""
        future: asyncio.Future[_Result] = self._loop.create_future()
        self._asked.append(_Asked(item, future))
        if self._workers < self._at_once:
            self._workers += 1
            task = self._loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def close(self) -> None:
        """Finish what was asked for."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self) -> None:
        try:
            while batch := self._take():
                await self._carry_out(batch)
        finally:
            self._workers -= 1

    def _take(self) -> Sequence[_Asked[_Item, _Result]]:
        batch: list[_Asked[_Item, _Result]] = []
        while self._asked and len(batch) < self._largest:
            asked = self._asked.popleft()
            if not asked.future.done():
                batch.append(asked)
        return batch

    async def _carry_out(self, batch: Sequence[_Asked[_Item, _Result]]) -> None:
        try:
            results = await self._run([asked.item for asked in batch])
        except StoreUnavailableError as error:
            # Who came meanwhile has waited as long, and would fare no better.
            for asked in [*batch, *self._take()]:
                self._queue.resolve(asked.future, StoreUnavailableError(str(error)))
        except Exception as error:  # noqa: BLE001 - it is told to the one whose item it was
            if len(batch) == 1:
                self._queue.resolve(batch[0].future, error)
            else:  # one that cannot be carried out must not take others with it
                for asked in batch:
                    await self._carry_out([asked])
        else:
            for asked, result in zip(batch, results, strict=True):
                self._queue.resolve(asked.future, result)
