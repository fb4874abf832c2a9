"""A job can be found by its idempotency key, and deleted for good: the promises of every store."""

import asyncio
import contextlib
import random

import pytest
from server.tests.conftest import PATIENCE, START

from translation_server.jobs.model import Status
from translation_server.stores import Accepted, Change
from translation_server.stores.postgres import changes

PENDING, COMPLETED, ERROR = Status
GONE = Change("admin", None, gone=True)
NO_KEYS = ["", "other", "\0", "k\0", "\ud800", "k\ud800", "ü" * 10_000, "\n"]


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def url(request):
    match request.param:
        case "sqlite":
            return "jobs.db"
        case "memory":
            return ":memory:"
        case _:
            return request.getfixturevalue("postgres_url")


@pytest.fixture
async def store(url, open_a_store):
    return await open_a_store(url)


@pytest.fixture
async def other(store, url, open_a_store):
    """Return the store as another process has it open; a store in memory has no other."""
    return store if url == ":memory:" else await open_a_store(url)


async def ended(store, accept, **changes):
    """Accept a job, and write down its end."""
    job = (await accept(store, 1, **changes)).job
    await store.settle(job.owner, START + 1)
    return job


# Finding a job by its key


@pytest.mark.parametrize("key", ["k", "azure:a name", "heygen#1", "a'b\"c", "zoë \u200b", "x" * 255])
async def test_a_job_is_found_by_its_key(store, accept, key):
    """The record is the one that its id gives, at each moment of its life; no other key and no other user gives it."""
    job = (await accept(store, key=key, fingerprint=b"1")).job
    await accept(store, key=f"{key}2", fingerprint=b"1")
    await accept(store)
    for _ in range(2):
        assert await store.by_key("admin", key) == job
        assert await store.get_many("admin", [job.job_id]) == {job.job_id: job}
        assert await store.by_key("eve", key) is await store.by_key("admin", f"{key}3") is None
        job = (await store.cancel("admin", job.job_id, START + 1)).job
    assert job.was_cancelled


@pytest.mark.parametrize("key", NO_KEYS)
async def test_any_text_may_be_asked_for(store, accept, key):
    """A text that is no key, or that no table can hold, is the key of no job."""
    await accept(store, key="k", fingerprint=b"1")
    assert await store.by_key("admin", key) is None


async def test_a_key_is_each_users_own(store, accept):
    """Two users with the same key find each their own job, also when they ask at the same time."""
    jobs = [(await accept(store, owner=owner, key="k", fingerprint=b"")).job for owner in ("admin", "eve")]
    asked = [store.by_key(owner, key) for key in ("k", "l") for owner in ("admin", "eve", "admin", "zoe")]
    assert await asyncio.gather(*asked) == [*jobs, jobs[0], None, None, None, None, None]


async def test_an_awaited_start_is_found_by_its_key_elsewhere(store, other, accept):
    """Whichever process accepted, changed or deleted the job, another one finds it as it stands."""
    for number in range(20):
        job = (await accept(store, key=f"{number}", fingerprint=b"")).job
        assert await other.by_key("admin", f"{number}") == job
        cancelled = (await other.cancel("admin", job.job_id, START)).job
        assert await store.by_key("admin", f"{number}") == cancelled
        await store.delete("admin", job.job_id)
        assert await other.by_key("admin", f"{number}") is None


# Deleting a job


async def test_a_deleted_job_is_unknown(store, accept):
    """It is deleted once; nobody finds it any more, in any way, and the others stay."""
    first, job, last = [await ended(store, accept, key=key, fingerprint=b"") for key in ("a", "b", "c")]
    assert await store.delete("admin", job.job_id) is True
    assert await store.delete("admin", job.job_id) is False
    assert await store.get_many("admin", [job.job_id]) == {}
    assert store.get_cached("admin", job.job_id) is await store.by_key("admin", "b") is None
    assert (await store.cancel("admin", job.job_id, START + 2)).job is None
    page = await store.page("admin", None, START + 2, None, 9)
    assert [one.job_id for one in page] == [last.job_id, first.job_id]
    assert [one.job_id for one in await store.ended_after("admin", 0, 9)] == [first.job_id, last.job_id]
    assert await store.delete("admin", last.job_id)
    assert (await store.latest("admin")).job_id == first.job_id


async def test_a_job_that_has_not_ended_is_kept(store, accept):
    """A pending job is not deleted, and neither is one that has ended and is not settled."""
    job = (await accept(store, 1)).job
    assert await store.delete("admin", job.job_id) is False
    assert await store.get_many("admin", [job.job_id]) == {job.job_id: job}
    assert await store.counts() == {PENDING: 1, COMPLETED: 0, ERROR: 0}
    assert await store.settle("admin", START + 5)
    assert await store.delete("admin", job.job_id) is True


async def test_another_users_job_is_kept(store, accept):
    """It is deleted by its owner only, and nothing that anybody counts changes before."""
    job = await ended(store, accept, owner="eve", outcome=COMPLETED)
    await ended(store, accept, outcome=COMPLETED)
    assert not any([await store.delete(owner, job.job_id) for owner in ("admin", "zoe", "")])
    assert (await store.get_many("eve", [job.job_id]))[job.job_id].final
    assert await store.counts() == {PENDING: 0, COMPLETED: 2, ERROR: 0}
    assert await store.delete("eve", job.job_id)


@pytest.mark.parametrize("job_id", ["", "other", "\0", "x" * 10_000])
async def test_no_id_breaks_a_deletion(store, accept, job_id):
    """An impossible id is an unknown one."""
    await ended(store, accept)
    assert await store.delete("admin", job_id) is False


async def test_a_deletion_frees_the_key(store, accept):
    """The key is good for another job, with another fingerprint, and neither ordinals nor places are given twice."""
    first = await ended(store, accept, key="k", fingerprint=b"1")
    assert await store.delete("admin", first.job_id)
    again = await accept(store, 2, key="k", fingerprint=b"2")
    assert (again.replayed, again.job.seq) == (False, first.seq + 1)
    assert await store.by_key("admin", "k") == again.job
    await store.settle("admin", START + 9)
    assert [job.ending for job in await store.ended_after("admin", 0, 9)] == [2]


async def test_the_counts_follow_a_deletion_at_once(store, other, accept):
    """Each job that is deleted counts no more, in every process, and the limit of pending jobs is not touched."""
    jobs = [await ended(store, accept, outcome=outcome) for outcome in (COMPLETED, ERROR, COMPLETED)]
    cancelled = (await accept(store, 60, outcome=COMPLETED)).job
    await store.cancel("admin", cancelled.job_id, START + 2)
    pending = (await accept(store, 60)).job
    assert await store.counts() == {PENDING: 1, COMPLETED: 2, ERROR: 2}
    for one, job, left in (
        (store, jobs[0], (1, 1, 2)),
        (other, cancelled, (1, 1, 1)),
        (store, jobs[2], (1, 0, 1)),
        (other, jobs[1], (1, 0, 0)),
    ):
        assert await one.delete("admin", job.job_id)
        assert [tuple((await either.counts()).values()) for either in (store, other)] == [left] * 2
    assert await store.next_end("admin") == pending.ends_at


async def test_a_deletion_in_one_process_is_seen_by_another(store, other, accept):
    """What another process has read before it does not tell any more once the deletion has returned."""
    for number in range(20):
        job = await ended(store, accept, key=f"{number}", fingerprint=b"")
        for one in (store, other):
            assert [*await one.get_many("admin", [job.job_id])] == [job.job_id]
        assert await (store, other)[number % 2].delete("admin", job.job_id)
        for one in (other, store):
            assert await one.get_many("admin", [job.job_id]) == {}
            assert one.get_cached("admin", job.job_id) is await one.by_key("admin", f"{number}") is None


async def test_racing_deletions_delete_once(store, other, accept):
    """Of many that delete the same jobs, in one process and in two, one each succeeds, and the counts are right."""
    jobs = [await ended(store, accept, outcome=COMPLETED) for _ in range(10)]
    kept = await ended(store, accept, outcome=COMPLETED)
    asked = [(one, job) for job in jobs for one in (store, other) * 4]
    random.Random(1).shuffle(asked)  # noqa: S311 - repeatable
    deleted = await asyncio.gather(*(one.delete("admin", job.job_id) for one, job in asked))
    winners = [job.job_id for (_, job), won in zip(asked, deleted, strict=True) if won]
    assert sorted(winners) == sorted(job.job_id for job in jobs)
    assert await store.counts() == {PENDING: 0, COMPLETED: 1, ERROR: 0}
    assert [job.job_id for job in await store.page("admin", None, START + 9, None, 99)] == [kept.job_id]


async def test_writes_of_one_moment_may_meet_at_a_job(store, accept):
    """An end, a cancellation, deletions and a start with the freed key, all at once, leave a store that adds up."""
    job = (await accept(store, 1, key="k", fingerprint=b"1", outcome=COMPLETED)).job
    pending = (await accept(store, 60)).job
    answers = await asyncio.gather(
        store.settle("admin", START + 1),
        store.cancel("admin", pending.job_id, START + 1),
        store.delete("admin", job.job_id),
        store.delete("admin", pending.job_id),
        store.delete("admin", job.job_id),
        accept(store, key="k", fingerprint=b"2"),
    )
    assert list(answers[0]) == [job.job_id]
    assert answers[1].job.was_cancelled
    assert answers[2:5] == [True, True, False]
    assert isinstance(answers[5], Accepted)
    assert await store.by_key("admin", "k") == answers[5].job
    assert await store.counts() == {PENDING: 1, COMPLETED: 0, ERROR: 0}


async def test_deletions_and_retention_may_meet(store, other, accept):
    """While one process deletes what is old, others delete the same jobs by name: the counts are right at the end."""
    jobs = [await ended(store, accept) for _ in range(40)]
    await accept(store, 60)

    async def forget_all() -> int:
        return sum([await other.forget(START + 9, 3) for _ in range(20)])

    forgotten, *deleted = await asyncio.gather(
        forget_all(), *(store.delete("admin", job.job_id) for job in reversed(jobs))
    )
    assert forgotten + sum(deleted) == 40
    assert await store.counts() == {PENDING: 1, COMPLETED: 0, ERROR: 0}


async def test_a_stream_goes_on_after_a_deletion(store, accept):
    """Places in the order of ending do not change: a reader before, at or after the deleted job finds the next ones."""
    jobs = [await ended(store, accept) for _ in range(4)]
    for number in (1, 3):
        await store.delete("admin", jobs[number].job_id)
    places = [[job.ending for job in await store.ended_after("admin", after, 9)] for after in range(5)]
    assert places == [[1, 3], [3], [3], [], []]
    assert await store.position("admin") == 4
    await ended(store, accept)
    assert [job.ending for job in await store.ended_after("admin", 4, 9)] == [5]


# What other processes hear of it


@pytest.fixture(params=["sqlite", "notifications", "no notifications"])
async def apart(request, open_a_store, monkeypatch):
    """Return a store as two processes have it open, the second of which hears of the first in one of three ways."""
    if request.param == "sqlite":
        return await open_a_store(), await open_a_store()
    url = request.getfixturevalue("postgres_url")
    stores = await open_a_store(url), await open_a_store(url)
    monkeypatch.setattr(changes, "_POLL_INTERVAL", 10 * PATIENCE if request.param == "notifications" else 0.05)
    if request.param == "no notifications":
        stores[0]._changes.channel = "elsewhere"
    return stores


async def hear(heard, *wanted):
    """Return the changes that arrive until all of these have."""
    missing, found = set(wanted), []
    async with asyncio.timeout(PATIENCE):
        while missing:
            found.append(await heard.get())
            missing.discard(found[-1])
    return found


@contextlib.asynccontextmanager
async def listening(store, cancel_one):
    """Follow the changes that other processes make; whoever cancels a job is heard once this yields."""
    heard = asyncio.Queue()

    async def follow():
        async for change in store.changes():
            heard.put_nowait(change)

    following = asyncio.create_task(follow())
    async with asyncio.timeout(PATIENCE):
        while heard.empty():  # for a while it may not have begun
            last = await cancel_one()
            await asyncio.sleep(0.02)
        await hear(heard, Change("admin", last))
    yield heard
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


@pytest.mark.parametrize("deleted", [[0], [1], [2], [0, 1, 2], [0, 2]])
async def test_an_end_that_is_deleted_before_others_read_it_is_heard_of(apart, accept, deleted):
    """Other processes hear that something has ended, though not what; and they hear of every other end."""
    here, there = apart
    jobs = [(await accept(here, 100)).job.job_id for _ in range(4)]
    more = [(await accept(here, 100)).job.job_id for _ in range(500)]

    async def cancel_one():
        job_id = more.pop()
        await here.cancel("admin", job_id, START)
        return job_id

    async with listening(there, cancel_one) as heard:
        await asyncio.gather(
            *(here.cancel("admin", job_id, START) for job_id in jobs[:3]),
            *(here.delete("admin", jobs[number]) for number in deleted),
        )
        found = await hear(heard, GONE)
        await here.cancel("admin", jobs[3], START)
        found += await hear(heard, Change("admin", jobs[3]))
    kept = [job_id for number, job_id in enumerate(jobs) if number not in deleted]
    assert [change.job_id for change in found if change.job_id] == kept
    assert found.count(GONE) == 1


async def test_a_deletion_by_itself_is_no_end(apart, accept):
    """Once the end of a job was heard of, its deletion wakes nobody."""
    here, there = apart
    jobs = [(await accept(here, 100)).job.job_id for _ in range(500)]

    async def cancel_one():
        job_id = jobs.pop()
        await here.cancel("admin", job_id, START)
        return job_id

    async with listening(there, cancel_one) as heard:
        job_id = await cancel_one()
        await hear(heard, Change("admin", job_id))
        assert await here.delete("admin", job_id)
        last = await cancel_one()
        assert await hear(heard, Change("admin", last)) == [Change("admin", last)]


async def test_many_owners_whose_ends_are_all_gone(postgres_url, open_a_store, accept, monkeypatch):
    """However many owners and places there are to read, each is read once, in pieces."""
    monkeypatch.setattr(changes, "_CHUNK", 3)
    here, there = await open_a_store(postgres_url), await open_a_store(postgres_url)
    owners = [f"user-{number}" for number in range(10)]
    jobs = [(await accept(here, 100, owner=owner)).job for owner in owners for _ in range(2)]
    await asyncio.gather(
        *(here.cancel(job.owner, job.job_id, START) for job in jobs),
        *(here.delete(job.owner, job.job_id) for job in jobs[:-2]),
    )
    async with contextlib.aclosing(there.changes()) as following, asyncio.timeout(PATIENCE):
        found = [await anext(following) for _ in range(11)]
    assert {change.owner for change in found if change.gone} == set(owners[:-1])
    assert [change.job_id for change in found if change.job_id] == [job.job_id for job in jobs[-2:]]
