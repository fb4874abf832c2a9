"""Who waits is woken at the right moment, and leaves nothing behind."""

import asyncio

import pytest

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


async def held(waiters, clock, number, tell):
    """So many who wait for a job; the log of what happens to each, and their tasks."""
    log = []

    async def wait(name):
        def told(job):
            log.append(("told", name))
            return tell(name, job)

        with waiters.enter("admin", "a", tell=told) as waiter:
            await waiter.until(clock.now() + 5)
            log.append(("goes on", name, waiter.told))

    tasks = [asyncio.create_task(wait(name)) for name in range(number)]
    await turns()
    return log, tasks


async def test_all_are_told_before_their_tasks_go_on(clock):
    """And each is told once, of the record that was handed over."""
    waiters, records = Waiters(clock, limit=100), []
    log, tasks = await held(waiters, clock, 100, lambda _, job: records.append(job) or True)
    waiters.ended("admin", {"a": "record"})
    waiters.ended("admin", {"a": "record"})
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert records == ["record"] * 100
    assert [entry[0] for entry in log] == ["told"] * 100 + ["goes on"] * 100
    assert all(entry[2] for entry in log[100:])
    clock.advance(0)
    assert (len(waiters), clock.alarms) == (0, [])


async def test_who_was_told_may_come_again_at_once(waiters, clock):
    """Their places are free, though their tasks have not gone on yet."""
    numbers = []

    def tell(_name, _job):
        numbers.append(len(waiters))
        if len(numbers) == 3:
            with waiters.enter("admin", "b"), waiters.enter("admin", "b"):  # of three that are allowed
                numbers.append(len(waiters))
        return True

    log, tasks = await held(waiters, clock, 3, tell)
    waiters.ended("admin", {"a": "record"})
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert numbers == [3, 2, 1, 3]
    assert len(log) == 6
    assert len(waiters) == 0


@pytest.mark.parametrize("record", [None, "record"])
async def test_who_cannot_be_told_goes_on(waiters, clock, record):
    """At once, to look and to tell by itself; also if no record is at hand."""
    log, tasks = await held(waiters, clock, 3, lambda *_: False)
    waiters.ended("admin", {"a": record})
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert sorted(entry for entry in log if entry[0] == "goes on") == [("goes on", name, False) for name in range(3)]
    assert len(log) == (3 if record is None else 6)
    assert len(waiters) == 0


async def test_telling_that_fails_holds_nobody_up(waiters, clock):
    """It is reported, and all of them go on."""
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    log, tasks = await held(waiters, clock, 3, lambda name, _: 1 / name)
    waiters.ended("admin", {"a": "record"})
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert sorted(entry[1:] for entry in log if entry[0] == "goes on") == [(0, False), (1, 1.0), (2, 0.5)]
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert len(waiters) == 0


async def test_a_task_may_be_cancelled_after_its_client_was_told(waiters, clock):
    """It is counted no more, once."""
    _, tasks = await held(waiters, clock, 2, lambda *_: tasks[0].cancel() or True)
    waiters.ended("admin", {"a": "record"})
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert len(waiters) == 0
