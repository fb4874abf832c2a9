"""Batches of items that are submitted at the same time."""

import asyncio

import pytest
from server.tests.conftest import eventually

from translation_server.stores import StoreUnavailableError
from translation_server.stores.postgres.batching import Batcher


class Desk:
    """Doubles numbers, a batch at a time, when it is allowed to, and records the batches."""

    def __init__(self, *, concurrency=1, max_batch=100):
        self.batches = []
        self.open = asyncio.Event()
        self.open.set()
        self.batcher = Batcher(self.double, concurrency=concurrency, max_batch=max_batch)

    async def double(self, numbers):
        self.batches.append(list(numbers))
        await self.open.wait()
        if -1 in numbers:
            raise StoreUnavailableError("away")
        if 0 in numbers:
            raise ValueError("zero")
        return [2 * number for number in numbers]

    async def ask(self, *numbers):
        return await asyncio.gather(*(self.batcher.submit(number) for number in numbers), return_exceptions=True)

    async def begun(self, count):
        await eventually(lambda: len(self.batches) >= count)


async def test_items_of_one_tick_are_one_batch():
    """Each item gets its own result."""
    desk = Desk()
    assert await desk.ask(1, 2, 3) == [2, 4, 6]
    assert desk.batches == [[1, 2, 3]]


async def test_the_next_batch_gathers_while_one_is_under_way():
    """An item that is submitted later is not added to a batch that has begun."""
    desk = Desk()
    desk.open.clear()
    first = asyncio.gather(desk.batcher.submit(1))
    await desk.begun(1)
    rest = asyncio.gather(*map(desk.batcher.submit, (2, 3)))
    desk.open.set()
    assert [await first, await rest] == [[2], [4, 6]]
    assert desk.batches == [[1], [2, 3]]


@pytest.mark.parametrize(("concurrency", "begun"), [(1, [[1, 2]]), (2, [[1, 2], [3, 4]]), (3, [[1, 2], [3, 4], [5]])])
async def test_batches_have_their_limits(concurrency, begun):
    """Neither the items in a batch nor the batches at the same time are more than allowed."""
    desk = Desk(concurrency=concurrency, max_batch=2)
    desk.open.clear()
    asked = [desk.batcher.submit(number) for number in range(1, 6)]
    await desk.begun(concurrency)
    await asyncio.sleep(0)
    assert desk.batches == begun
    desk.open.set()
    assert await asyncio.gather(*asked) == [2, 4, 6, 8, 10]
    assert desk.batches == [[1, 2], [3, 4], [5]]


async def test_a_cancelled_item_is_left_out():
    """An item whose future was cancelled in time is not carried out."""
    desk = Desk()
    desk.open.clear()
    first = desk.batcher.submit(1)
    await desk.begun(1)
    given_up, kept = desk.batcher.submit(2), desk.batcher.submit(3)
    given_up.cancel()
    desk.open.set()
    assert [await first, await kept] == [2, 6]
    assert desk.batches == [[1], [3]]


async def test_a_bad_item_fails_alone():
    """A batch that cannot be carried out is carried out item by item."""
    answers = await Desk().ask(1, 0, 3)
    assert (answers[0], answers[2]) == (2, 6)
    assert isinstance(answers[1], ValueError)


async def test_an_outage_fails_everything_that_waits():
    """Items that came meanwhile do not wait as long once more."""
    desk = Desk()
    desk.open.clear()
    first = desk.batcher.submit(-1)
    await desk.begun(1)
    later = desk.batcher.submit(2)
    desk.open.set()
    answers = await asyncio.gather(first, later, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailableError, StoreUnavailableError]
    assert answers[0] is not answers[1]
    assert desk.batches == [[-1]]
    assert await desk.ask(3) == [6]


async def test_close_finishes_what_was_submitted():
    """No item is left without a result."""
    desk = Desk()
    asked = desk.batcher.submit(1)
    await desk.batcher.close()
    assert asked.result() == 2
