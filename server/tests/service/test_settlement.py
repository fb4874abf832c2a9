"""What has ended is written down once, whoever asks, and everyone who waits for it is told."""

import asyncio

import pytest
from server.tests.conftest import START, eventually, silent_client

from translation_server.service.settlement import Settlement
from translation_server.stores import StoreUnavailableError


@pytest.fixture
async def store(open_a_store):
    return await open_a_store()


@pytest.fixture
def settlement(store, clock):
    return Settlement(store, clock, max_waiters=10_000)


@pytest.fixture
def calls(store, monkeypatch):
    """The names of the questions the store was asked, in order."""
    asked = []
    for name in ("settle", "next_end", "ended_after", "get_many"):
        real = getattr(store, name)

        async def counted(*arguments, real=real, name=name):
            asked.append(name)
            return await real(*arguments)

        monkeypatch.setattr(store, name, counted)
    return asked


async def test_many_waiters_cost_one_question(settlement, store, accept, clock, calls):
    """Of a thousand who wait for one job, nobody asks the store: its record is read once, and handed to each."""
    job = (await accept(store, 5)).job
    waiters = [settlement.waiters.enter("admin", job.job_id, silent_client()) for _ in range(1000)]

    async def wait(waiter):
        with waiter:
            waiter.end = job.ends_at
            await waiter.wait_until(job.ends_at)
            return waiter.job

    waiting = [asyncio.create_task(wait(waiter)) for waiter in waiters]
    await eventually(lambda: len(settlement.waiters) == 1000)
    calls.clear()
    clock.advance(5)
    told = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert {(record.job_id, record.final) for record in told} == {(job.job_id, True)}
    assert calls == ["settle", "get_many"]


async def test_a_store_that_fails_leaves_nobody_asleep(settlement, store, accept, clock, monkeypatch):
    """When the end cannot be written down, the waiters are woken to see for themselves."""
    job = (await accept(store, 5)).job

    async def fail(*_):
        raise StoreUnavailableError

    monkeypatch.setattr(store, "settle", fail)
    with settlement.waiters.enter("admin", job.job_id, silent_client()) as waiter:
        waiter.end = job.ends_at
        waiting = asyncio.create_task(waiter.wait_until(job.ends_at))
        await eventually(lambda: waiter.moment == job.ends_at)
        clock.advance(5)
        await asyncio.wait_for(waiting, 10)
        assert waiter.job is None


async def test_streams_at_one_place_share_what_is_found(settlement, store, accept, clock, calls):
    """Hundreds of streams of a user that have told the same hardly ask the store for what comes next."""
    await accept(store, 5)
    clock.advance(5)
    found = [await settlement.endings("admin", 0) for _ in range(300)]
    assert [len(jobs) for jobs, _ in found] == [1] * 300
    assert calls.count("ended_after") <= 2  # once more after the end was written down


async def test_what_was_found_is_dropped_when_anything_changes(settlement, store, accept, clock):
    """A new job, an end and another user's question never leave a stream with what was true before."""
    assert await settlement.endings("admin", 0) == ([], None)
    first = (await accept(store, 5)).job
    settlement.add(first)
    assert await settlement.endings("admin", 0) == ([], START + 5)
    clock.advance(5)
    jobs, due = await settlement.endings("admin", 0)
    assert ([job.job_id for job in jobs], due) == ([first.job_id], None)
    second = (await accept(store, 9)).job
    settlement.add(second)
    assert (await settlement.endings("admin", jobs[0].ending))[1] == START + 9
    assert await settlement.endings("eve", 0) == ([], None)


async def test_a_change_amid_the_question_is_not_lost(settlement, store, accept, monkeypatch):
    """What was found while something changed is not kept."""
    real = store.ended_after

    async def meanwhile(*arguments):
        found = await real(*arguments)
        settlement.add((await accept(store, 5)).job)
        return found

    monkeypatch.setattr(store, "ended_after", meanwhile)
    await settlement.endings("admin", 0)
    monkeypatch.setattr(store, "ended_after", real)
    assert await settlement.endings("admin", 0) == ([], START + 5)


async def test_a_waiter_that_sleeps_on_is_not_told_of_other_jobs(settlement, store, accept, clock):
    """The end of another job of the same user wakes nobody who waits for this one."""
    early, late = (await accept(store, 2)).job, (await accept(store, 9)).job
    with settlement.waiters.enter("admin", late.job_id, silent_client()) as waiter:
        waiter.end = late.ends_at
        waiting = asyncio.create_task(waiter.wait_until(late.ends_at))
        await eventually(lambda: waiter.moment == late.ends_at)
        clock.advance(2)
        await settlement.settle_all()
        assert (await store.get_many("admin", [early.job_id]))[early.job_id].final
        assert not waiting.done()
        clock.advance(7)
        await asyncio.wait_for(waiting, 10)
        assert waiter.job.job_id == late.job_id
