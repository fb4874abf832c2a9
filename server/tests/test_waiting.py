"""Who waits is woken at the right moment, and leaves nothing behind."""

import asyncio

import pytest

from translation_server.errors import TooManyWaitersError
from translation_server.waiting import Waiters


@pytest.fixture
def waiters(clock):
    return Waiters(clock, limit=3)


async def turns() -> None:
    """Let everything happen that can happen now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_waiter_waits_until_its_moment(waiters, clock):
    """It is told when the clock comes to the moment, and not before."""
    with waiters.enter("admin", "job") as waiter:
        waiting = asyncio.create_task(waiter.until(clock.now() + 5))
        await turns()
        clock.advance(4.999)
        await turns()
        assert not waiting.done()
        clock.advance(0.001)
        await waiting
    assert not clock.alarms


async def test_a_moment_that_has_passed_is_not_waited_for(waiters, clock):
    """Waiting for the past takes no time."""
    with waiters.enter("admin", "job") as waiter:
        await waiter.until(clock.now() - 1)


async def test_patience_runs_on_the_machines_time(waiters, clock):
    """A waiter that shall give a sign of life does so though the service's clock stands still."""
    with waiters.enter("admin", None) as waiter:
        await asyncio.wait_for(waiter.until(clock.now() + 5, patience=0.001), 5)


@pytest.mark.parametrize(
    ("owner", "job_id", "woken"), [("admin", "a", True), ("admin", "b", False), ("eve", "a", False)]
)
async def test_an_end_wakes_who_waits_for_that_job(waiters, clock, owner, job_id, woken):
    """Nobody else is disturbed."""
    with waiters.enter("admin", "a") as waiter:
        waiting = asyncio.create_task(waiter.until(clock.now() + 5))
        await turns()
        waiters.ended(owner, {job_id: None})
        await turns()
        assert waiting.done() is woken
        waiter.wake()
        await waiting


async def test_an_end_wakes_the_owners_streams(waiters, clock):
    """A stream hears of every job of its owner."""
    with waiters.enter("admin", None) as stream:
        waiters.ended("admin", {"any": None})
        await stream.until(clock.now() + 5)


async def test_being_woken_beforehand_counts(waiters, clock):
    """What happens between two waits is not lost, and wakes once."""
    with waiters.enter("admin", "a") as waiter:
        waiters.ended("admin", {"a": None})
        await waiter.until(clock.now() + 5)
        waiting = asyncio.create_task(waiter.until(clock.now() + 5))
        await turns()
        assert not waiting.done()
        waiter.wake()
        await waiting


@pytest.mark.parametrize(("seconds", "woken"), [(4.9, True), (5.1, False)])
async def test_a_new_job_wakes_a_stream_that_would_sleep_over_its_end(waiters, clock, seconds, woken):
    """A stream plans anew only if that brings its next event forward."""
    with waiters.enter("admin", None) as stream:
        waiting = asyncio.create_task(stream.until(clock.now() + 5))
        await turns()
        waiters.planned("admin", clock.now() + seconds)
        await turns()
        assert waiting.done() is woken
        stream.wake()
        await waiting


async def test_one_user_may_not_hold_too_many(waiters):
    """Beyond the limit a user is refused, another one is not, and who has left makes room."""
    with waiters.enter("admin", "a"), waiters.enter("admin", "a"), waiters.enter("admin", None):
        with pytest.raises(TooManyWaitersError), waiters.enter("admin", "b"):
            pass
        with waiters.enter("eve", "a"):
            assert len(waiters) == 4
    with waiters.enter("admin", "b"):
        assert len(waiters) == 1
    assert len(waiters) == 0
    assert not waiters._waiters


async def test_stopping_wakes_everyone(waiters, clock):
    """When the server stops, nobody is kept."""
    with waiters.enter("admin", "a") as one, waiters.enter("eve", None) as other:
        waiting = asyncio.gather(one.until(clock.now() + 5), other.until(float("inf")))
        await turns()
        waiters.stop()
        await waiting
        assert waiters.stopping


async def test_giving_up_leaves_no_timer(waiters, clock):
    """A wait that is cancelled takes its timer with it."""
    with waiters.enter("admin", "a") as waiter:
        waiting = asyncio.create_task(waiter.until(clock.now() + 5))
        await turns()
        waiting.cancel()
        await turns()
    clock.advance(0)
    assert not clock.alarms


@pytest.fixture
def client():
    """A client that says nothing until it leaves."""
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    receive.leave = gone.set
    return receive


async def test_a_client_that_leaves_wakes_its_waiter(waiters, clock, client):
    """It does not sleep on for somebody who has gone."""
    with waiters.enter("admin", "a", client) as waiter:
        waiting = asyncio.create_task(waiter.until(clock.now() + 5))
        await turns()
        client.leave()
        await asyncio.wait_for(waiting, 5)
        assert waiter.gone


async def test_being_woken_is_no_cancellation_to_others(waiters, clock, client):
    """The task goes on after it, may sleep again, and is not left marked as cancelled."""
    with waiters.enter("admin", "a", client) as waiter:

        async def twice():
            await waiter.until(clock.now() + 5)
            async with asyncio.timeout(5):  # which counts the cancellations of its task
                await waiter.until(clock.now() + 5)
            return asyncio.current_task().cancelling()

        waiting = asyncio.create_task(twice())
        for _ in range(2):
            await turns()
            waiter.wake()
        assert await asyncio.wait_for(waiting, 5) == 0


async def test_a_task_that_is_cancelled_while_it_is_woken_ends(waiters, clock, client):
    """Somebody else's cancellation is never taken for being woken."""
    with waiters.enter("admin", "a", client) as waiter:
        waiting = asyncio.create_task(waiter.until(clock.now() + 5))
        await turns()
        waiter.wake()
        await asyncio.sleep(0)  # woken, and not yet run
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
