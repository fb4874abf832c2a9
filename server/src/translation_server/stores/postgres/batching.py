"""Batching: what is asked for at the same time is one round trip, or one transaction, for all of it."""

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


class _Request(NamedTuple, Generic[_Item, _Result]):
    item: _Item
    future: asyncio.Future[_Result]


class Batcher(Generic[_Item, _Result]):
    """Carries out batches; while some are under way, the next one gathers. Nothing is added to a batch that has begun.

    Args:
        run: Carries out a batch, and returns a result for each item, in the same order.
        concurrency: Batches under way at the same time.
        max_batch: Items in a batch.
    """

    def __init__(
        self, run: Callable[[Sequence[_Item]], Awaitable[Sequence[_Result]]], *, concurrency: int, max_batch: int
    ) -> None:
        self._run = run
        self._concurrency = concurrency
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Request[_Item, _Result]] = deque()
        self._outcomes = FairQueue()
        self._workers = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, item: _Item) -> asyncio.Future[_Result]:
        """Return a future of the result; an item whose future is cancelled in time is not carried out."""
        future: asyncio.Future[_Result] = self._loop.create_future()
        self._waiting.append(_Request(item, future))
        if self._workers < self._concurrency:
            self._workers += 1
            task = self._loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def close(self) -> None:
        """Wait until everything submitted is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self) -> None:
        try:
            while batch := self._next_batch():
                await self._carry_out(batch)
        finally:
            self._workers -= 1

    def _next_batch(self) -> Sequence[_Request[_Item, _Result]]:
        batch: list[_Request[_Item, _Result]] = []
        while self._waiting and len(batch) < self._max_batch:
            request = self._waiting.popleft()
            if not request.future.done():
                batch.append(request)
        return batch

    async def _carry_out(self, batch: Sequence[_Request[_Item, _Result]]) -> None:
        try:
            results = await self._run([request.item for request in batch])
        except StoreUnavailableError as error:
            # Requests that came meanwhile have waited as long, and would fare no better.
            for request in [*batch, *self._next_batch()]:
                self._outcomes.resolve(request.future, StoreUnavailableError(str(error)))
        except Exception as error:  # noqa: BLE001 - it is raised by the future of the item that caused it
            if len(batch) == 1:
                self._outcomes.resolve(batch[0].future, error)
            else:  # one that cannot be carried out must not take others with it
                for request in batch:
                    await self._carry_out([request])
        else:
            for request, result in zip(batch, results, strict=True):
                self._outcomes.resolve(request.future, result)
