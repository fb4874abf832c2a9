"""Calls and outcomes that come in crowds are spread over rounds of the event loop."""

import asyncio

import pytest

from translation_server.stores.fair_queue import FairQueue


async def test_each_future_gets_its_own_outcome():
    """Results are returned and errors raised, in the order given."""
    queue, loop = FairQueue(), asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(3)]
    for future, outcome in zip(futures, ("a", ValueError("b"), None), strict=True):
        queue.resolve(future, outcome)
    assert await futures[0] == "a"
    with pytest.raises(ValueError, match="b"):
        await futures[1]
    assert await futures[2] is None


async def test_other_requests_run_between_the_rounds():
    """Of a thousand futures, few are resolved before anything else runs."""
    queue, loop = FairQueue(), asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(1000)]
    for future in futures:
        queue.resolve(future)
    resolved = []
    while not futures[-1].done():
        before = sum(future.done() for future in futures)
        await asyncio.sleep(0)
        resolved.append(sum(future.done() for future in futures) - before)
    assert max(resolved) <= 64


async def test_a_cancelled_future_is_left_alone():
    """Its requester has gone; the next one gets its outcome as usual."""
    queue, loop = FairQueue(), asyncio.get_running_loop()
    gone, here = loop.create_future(), loop.create_future()
    gone.cancel()
    queue.resolve(gone, 1)
    queue.resolve(here, 2)
    assert await here == 2


async def test_the_queue_can_be_filled_again():
    """After everything was resolved, it starts over."""
    queue, loop = FairQueue(), asyncio.get_running_loop()
    for _ in range(3):
        futures = [loop.create_future() for _ in range(100)]
        for future in futures:
            queue.resolve(future, "done")
        assert await asyncio.gather(*futures) == ["done"] * 100


async def test_a_call_that_fails_does_not_stop_the_others():
    """The event loop reports it, and the calls behind it are made."""
    queue, loop, reported = FairQueue(), asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: reported.append(type(context["exception"])))
    behind = loop.create_future()
    queue.put(lambda: 1 / 0)
    queue.resolve(behind, "made")
    assert await asyncio.wait_for(behind, 5) == "made"
    assert reported == [ZeroDivisionError]
