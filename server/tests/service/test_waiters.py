"""Who waits is woken at the right moment, and leaves nothing behind."""

import asyncio
import contextlib
from itertools import pairwise

import pytest
from server.tests.conftest import silent_client

from translation_server.http.responses import Disconnect
from translation_server.service import waiters as waiters_module
from translation_server.service.errors import TooManyWaitersError
from translation_server.service.waiters import Waiters


@pytest.fixture
def waiters(clock):
    return Waiters(clock, limit=3)


async def turns() -> None:
    """Let everything happen that can happen now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_waiter_waits_until_its_moment(waiters, clock):
    """It is told when the clock comes to the moment, and not before."""
    with waiters.enter("admin", "job", silent_client()) as waiter:
        waiting = asyncio.create_task(waiter.wait_until(clock.now() + 5))
        await turns()
        clock.advance(4.999)
        await turns()
        assert not waiting.done()
        clock.advance(0.001)
        await waiting
    assert not clock.alarms


async def test_a_moment_that_has_passed_is_not_waited_for(waiters, clock):
    """Waiting for the past takes no time."""
    with waiters.enter("admin", "job", silent_client()) as waiter:
        await waiter.wait_until(clock.now() - 1)


async def test_patience_runs_on_the_machines_time(waiters, clock):
    """A waiter that shall give a sign of life does so though the service's clock stands still."""
    with waiters.enter("admin", None, silent_client()) as waiter:
        await asyncio.wait_for(waiter.wait_until(clock.now() + 5, seconds=0.001), 5)


@pytest.mark.parametrize(
    ("owner", "job_id", "woken"), [("admin", "a", True), ("admin", "b", False), ("eve", "a", False)]
)
async def test_an_end_wakes_who_waits_for_that_job(waiters, clock, owner, job_id, woken):
    """Nobody else is disturbed."""
    with waiters.enter("admin", "a", silent_client()) as waiter:
        waiting = asyncio.create_task(waiter.wait_until(clock.now() + 5))
        await turns()
        waiters.end_jobs(owner, {job_id: None})
        await turns()
        assert waiting.done() is woken
        waiter.wake()
        await waiting


async def test_an_end_wakes_the_owners_streams(waiters, clock):
    """A stream hears of every job of its owner."""
    with waiters.enter("admin", None, silent_client()) as stream:
        waiters.end_jobs("admin", {"any": None})
        await stream.wait_until(clock.now() + 5)


async def test_being_woken_beforehand_counts(waiters, clock):
    """What happens between two waits is not lost, and wakes once."""
    with waiters.enter("admin", "a", silent_client()) as waiter:
        waiters.end_jobs("admin", {"a": None})
        await waiter.wait_until(clock.now() + 5)
        waiting = asyncio.create_task(waiter.wait_until(clock.now() + 5))
        await turns()
        assert not waiting.done()
        waiter.wake()
        await waiting


@pytest.mark.parametrize(("seconds", "woken"), [(4.9, True), (5.1, False)])
async def test_a_new_job_wakes_a_stream_that_would_sleep_over_its_end(waiters, clock, seconds, woken):
    """A stream plans anew only if that brings its next event forward."""
    with waiters.enter("admin", None, silent_client()) as stream:
        waiting = asyncio.create_task(stream.wait_until(clock.now() + 5))
        await turns()
        waiters.wake_streams("admin", clock.now() + seconds)
        await turns()
        assert waiting.done() is woken
        stream.wake()
        await waiting


async def test_one_user_may_not_hold_too_many(waiters):
    """Beyond the limit a user is refused, another one is not, and who has left makes room."""
    with contextlib.ExitStack() as held:
        for job_id in ("a", "a", None):
            held.enter_context(waiters.enter("admin", job_id, silent_client()))
        with pytest.raises(TooManyWaitersError), waiters.enter("admin", "b", silent_client()):
            pass
        with waiters.enter("eve", "a", silent_client()):
            assert len(waiters) == 4
    with waiters.enter("admin", "b", silent_client()):
        assert len(waiters) == 1
    assert len(waiters) == 0
    assert not waiters._waiters


async def test_stopping_wakes_everyone(waiters, clock):
    """When the server stops, nobody is kept."""
    with waiters.enter("admin", "a", silent_client()) as one, waiters.enter("eve", None, silent_client()) as other:
        waiting = asyncio.gather(one.wait_until(clock.now() + 5), other.wait_until(float("inf")))
        await turns()
        waiters.stop()
        await waiting
        assert waiters.stopping


async def test_giving_up_leaves_no_timer(waiters, clock):
    """A wait that is cancelled takes its timer with it."""
    with waiters.enter("admin", "a", silent_client()) as waiter:
        waiting = asyncio.create_task(waiter.wait_until(clock.now() + 5))
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
    with waiters.enter("admin", "a", Disconnect(client)) as waiter:
        waiting = asyncio.create_task(waiter.wait_until(clock.now() + 5))
        await turns()
        client.leave()
        await asyncio.wait_for(waiting, 5)
        assert waiter.gone


async def test_being_woken_is_no_cancellation_to_others(waiters, clock, client):
    """The task goes on after it, may sleep again, and is not left marked as cancelled."""
    with waiters.enter("admin", "a", Disconnect(client)) as waiter:

        async def twice():
            await waiter.wait_until(clock.now() + 5)
            async with asyncio.timeout(5):  # which counts the cancellations of its task
                await waiter.wait_until(clock.now() + 5)
            return asyncio.current_task().cancelling()

        waiting = asyncio.create_task(twice())
        for _ in range(2):
            await turns()
            waiter.wake()
        assert await asyncio.wait_for(waiting, 5) == 0


async def test_a_task_that_is_cancelled_while_it_is_woken_ends(waiters, clock, client):
    """Somebody else's cancellation is never taken for being woken."""
    with waiters.enter("admin", "a", Disconnect(client)) as waiter:
        waiting = asyncio.create_task(waiter.wait_until(clock.now() + 5))
        await turns()
        waiter.wake()
        await asyncio.sleep(0)  # woken, and not yet run
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_the_record_of_an_end_is_handed_over(waiters, clock):
    """Whoever waits for the job gets it, and need not ask the store."""
    with waiters.enter("admin", "a", silent_client()) as waiter:
        waiting = asyncio.create_task(waiter.wait_until(clock.now() + 5))
        await turns()
        waiters.end_jobs("admin", {"a": "record"})
        await asyncio.wait_for(waiting, 5)
        assert waiter.job == "record"


async def test_many_are_woken_a_few_at_a_time(clock):
    """Of a thousand, the others' requests get their turn in between."""
    waiters, rounds = Waiters(clock, limit=1000), []

    async def wait():
        with waiters.enter("admin", "a", silent_client()) as waiter:
            await waiter.wait_until(clock.now() + 5)

    tasks = [asyncio.create_task(wait()) for _ in range(1000)]
    await turns()
    waiters.end_jobs("admin", {"a": "record"})
    while len(waiters):
        rounds.append(len(waiters))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert len(rounds) > 20
    assert max(before - after for before, after in pairwise(rounds)) < 100


async def test_waits_of_a_removed_user_end(clock, monkeypatch):
    """And those of a user with another password, however soon after it came; whoever stays the same waits on."""
    monkeypatch.setattr(waiters_module, "_RECHECK", 0.0)
    versions = {"admin": 1, "eve": 1, "zoe": 1}
    waiters = Waiters(clock, limit=3, version_of=versions.get)
    with (
        waiters.enter("admin", "a", silent_client()) as stays,
        waiters.enter("eve", None, silent_client()) as removed,
        waiters.enter("zoe", "c", silent_client()) as changed,
    ):
        waiting = [asyncio.create_task(one.wait_until(clock.now() + 5)) for one in (stays, removed, changed)]
        await turns()
        del versions["eve"]
        versions["zoe"] = 2
        following = asyncio.create_task(waiters.follow_users())
        await asyncio.wait_for(asyncio.gather(*waiting[1:]), 5)
        assert (stays.revoked, removed.revoked, changed.revoked) == (False, True, True)
        await turns()
        assert not waiting[0].done()
        for task in (following, waiting[0]):
            task.cancel()
        await asyncio.gather(following, waiting[0], return_exceptions=True)


async def test_a_stop_interrupts_what_is_read(waiters):
    """A time-out that is far away comes at once, and only for what is done at that time."""

    async def read(seconds):
        async with asyncio.timeout(60) as timeout:
            with waiters.interrupting(timeout):
                await asyncio.sleep(seconds)
            return timeout

    before = await read(0)
    asyncio.get_running_loop().call_later(0, waiters.stop)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(30), 5)
    assert not before.expired()
