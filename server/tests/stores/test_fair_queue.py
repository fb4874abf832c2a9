"""Many who are told at once go on one after the other, and let others in between."""

import asyncio

import pytest

from translation_server.stores.fair_queue import Turns


async def test_everyone_gets_their_own_outcome():
    """Results are returned and errors raised, in the order given."""
    turns, loop = Turns(), asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(3)]
    for future, outcome in zip(futures, ("a", ValueError("b"), None), strict=True):
        turns.give(future, outcome)
    assert await futures[0] == "a"
    with pytest.raises(ValueError, match="b"):
        await futures[1]
    assert await futures[2] is None


async def test_others_get_their_turn_in_between():
    """Of a thousand who are told at once, few go on before anyone else is served."""
    turns, loop = Turns(), asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(1000)]
    for future in futures:
        turns.give(future)
    done = []
    while not futures[-1].done():
        before = sum(future.done() for future in futures)
        await asyncio.sleep(0)
        done.append(sum(future.done() for future in futures) - before)
    assert max(done) <= 64


async def test_who_has_given_up_is_passed_over():
    """A future that was cancelled disturbs nobody."""
    turns, loop = Turns(), asyncio.get_running_loop()
    gone, here = loop.create_future(), loop.create_future()
    gone.cancel()
    turns.give(gone, 1)
    turns.give(here, 2)
    assert await here == 2


async def test_a_second_crowd_is_served_as_well():
    """After everyone was told, it begins anew."""
    turns, loop = Turns(), asyncio.get_running_loop()
    for _ in range(3):
        futures = [loop.create_future() for _ in range(100)]
        for future in futures:
            turns.give(future, "told")
        assert await asyncio.gather(*futures) == ["told"] * 100
