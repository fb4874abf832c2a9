"""Deleting a job through the service: whoever waits gets an answer, and nobody is told of the job afterwards."""

import asyncio
import contextlib

import pytest
from server.tests.conftest import PATIENCE, START, eventually, silent_client

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.service.errors import UnknownJobError
from translation_server.service.service import Service
from translation_server.stores import StoreUnavailableError

PENDING, COMPLETED, ERROR = Status


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    return "jobs.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
async def make_service(url, open_a_store, clock):
    """Make a service on the store, as often as wanted: each time as another process would."""

    async def make():
        simulation = Simulation(Uniform(3, 7), 0.0, seed=1)
        return Service(await open_a_store(url), clock, simulation, max_pending_jobs=100, max_waiters=100)

    return make


@pytest.fixture
async def service(make_service):
    return await make_service()


async def start(service, duration=5.0, **changes):
    snapshot, _ = await service.start(Draft("admin", service.clock.now(), duration=duration, **changes))
    return snapshot.job


@contextlib.asynccontextmanager
async def holding(service, job_id, seconds=60.0):
    """Hold a request about the job; yields its task, which waits by then."""
    with service.waiters.enter("admin", job_id, silent_client()) as waiter:
        task = asyncio.create_task(service.hold(waiter, "admin", job_id, seconds))
        await eventually(lambda: waiter.moment < float("inf"))
        async with asyncio.timeout(PATIENCE):
            yield task


async def is_told(holding):
    """Return whether a held request is told of the cancellation, or that there is no such job."""
    try:
        return (await holding).job.was_cancelled
    except UnknownJobError:
        return True


async def hears_of_a_cancellation(service, other):
    """Return whether another process hears of a cancellation within half a second, which it does not at first."""
    job = await start(service)
    async with holding(other, job.job_id) as task:
        await service.cancel("admin", job.job_id)
        done, _ = await asyncio.wait({task}, timeout=0.5)
        task.cancel()
    return bool(done)


async def is_unknown(service, job, key="k"):
    """Return whether no way leads to the job."""
    ways = (service.find, service.cancel, service.delete)
    for ask, name in [*((way, job.job_id) for way in ways), (service.by_key, key)]:
        with pytest.raises(UnknownJobError) as refused:
            await ask("admin", name)
        assert refused.value.job_id == name
    page, found = await service.page("admin", None, None, 10), await service.query("admin", [job.job_id])
    return (
        service.get_cached("admin", job.job_id) is None
        and job.job_id not in {one.job_id for one in page.jobs}
        and not found.jobs
    )


@pytest.mark.parametrize("passed", [0.0, 4.999, 5.0, 50.0])
@pytest.mark.parametrize("settled", [False, True])
async def test_a_job_is_deleted_whatever_its_status(service, clock, passed, settled):
    """Pending, ended unnoticed or ended: it is unknown afterwards, its key is free, and no count has it."""
    job = await start(service, key="k", fingerprint=b"1")
    clock.advance(passed)
    if settled:
        await service.find("admin", job.job_id)
    assert await service.delete("admin", job.job_id) is None
    assert await service.counts() == {PENDING: 0, COMPLETED: 0, ERROR: 0}
    assert await is_unknown(service, job)
    again = await start(service, key="k", fingerprint=b"2")
    assert (await service.by_key("admin", "k")).job == again


async def test_other_jobs_stay(service, clock):
    """The user's other jobs and their ends are as they were; another user cannot delete the job."""
    jobs = [await start(service, duration) for duration in (5, 50, 500)]
    with pytest.raises(UnknownJobError):
        await service.delete("eve", jobs[1].job_id)
    await service.delete("admin", jobs[1].job_id)
    clock.advance(5)
    page = await service.page("admin", None, None, 10)
    assert [(job.job_id, job.status_at(page.now)) for job in page.jobs] == [
        (jobs[2].job_id, PENDING),
        (jobs[0].job_id, COMPLETED),
    ]


@pytest.mark.parametrize("job_id", ["", "x", "x" * 65, "\0", "\ud800", "ü"])
async def test_an_unknown_job_cannot_be_deleted(service, job_id):
    """Whatever text was given for an id."""
    with pytest.raises(UnknownJobError):
        await service.delete("admin", job_id)


async def test_of_racing_deletions_one_wins(service, make_service):
    """In one process and in two, each of the others is told that there is no such job."""
    services = [service, await make_service()]
    for _ in range(5):
        job = await start(service, key="k", fingerprint=b"1")
        racing = [services[number % 2].delete("admin", job.job_id) for number in range(10)]
        answers = await asyncio.gather(*racing, return_exceptions=True)
        assert sorted(map(str, answers)) == sorted(["None", *[job.job_id] * 9])
        assert {type(answer) for answer in answers} == {type(None), UnknownJobError}
        assert await is_unknown(services[1], job)


async def test_who_waits_for_a_deleted_job_is_answered_at_once(service):
    """A held request is told of the cancellation, as if nobody had deleted the job; others wait on."""
    job, other = await start(service), await start(service)
    async with holding(service, other.job_id) as later, holding(service, job.job_id) as task:
        await service.delete("admin", job.job_id)
        snapshot = await task
        assert (snapshot.job.was_cancelled, snapshot.job.job_id) == (True, job.job_id)
        assert not later.done()
        await service.cancel("admin", other.job_id)
        await later


async def test_who_comes_just_before_a_deletion_is_answered(service):
    """Whenever a request comes, it is told of the cancellation or that there is no such job; none waits in vain."""
    for turns in range(12):
        job = await start(service)
        with service.waiters.enter("admin", job.job_id, silent_client()) as waiter:
            deleting = asyncio.create_task(service.delete("admin", job.job_id))
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                assert await is_told(service.hold(waiter, "admin", job.job_id, 60))
                await deleting


async def test_an_end_that_a_deletion_overtakes_still_wakes(service, monkeypatch):
    """A cancellation whose job is deleted before its record was read tells the waiters that there is none any more."""
    job = await start(service)
    get_many = service.store.get_many

    async def deleted_meanwhile(owner, job_ids):
        monkeypatch.undo()
        assert await service.store.delete(owner, job.job_id)
        return await get_many(owner, job_ids)

    async with holding(service, job.job_id) as task:
        monkeypatch.setattr(service.store, "get_many", deleted_meanwhile)
        assert (await service.cancel("admin", job.job_id)).job.was_cancelled
        with pytest.raises(UnknownJobError):
            await task


async def test_who_waits_in_another_process_is_answered(service, make_service):
    """A held request there is soon told the one or the other; those about other jobs wait on."""
    other = await make_service()
    jobs = [await start(service, 5000.0) for _ in range(2)]
    following = asyncio.create_task(other.settlement.follow_changes())
    while not await hears_of_a_cancellation(service, other):
        pass
    async with holding(other, jobs[0].job_id) as task, holding(other, jobs[1].job_id) as later:
        await service.delete("admin", jobs[0].job_id)
        assert await is_told(task)
        assert not later.done()
        await service.cancel("admin", jobs[1].job_id)
        assert (await later).job.was_cancelled
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def test_who_hears_nothing_of_a_deletion_is_answered(service, make_service, clock):
    """When its time is over at the latest, though the job would have taken much longer."""
    other = await make_service()
    job = await start(service, 5000.0)
    async with holding(other, job.job_id) as task:
        await service.delete("admin", job.job_id)
        clock.advance(60)
        with pytest.raises(UnknownJobError):
            await task


async def test_another_process_does_not_tell_of_a_deleted_job(service, make_service, clock):
    """Whatever it has read of the job before, it finds it unknown once the deletion has returned."""
    other = await make_service()
    for passed in (0, 5):
        job = await start(service, key="k", fingerprint=b"")
        clock.advance(passed)
        assert (await other.find("admin", job.job_id)).job.job_id == job.job_id
        await service.delete("admin", job.job_id)
        assert await is_unknown(other, job)


async def test_streams_are_told_nothing_of_it_from_memory(service, clock):
    """What was found for one stream is not told to another after the deletion."""
    job, last = await start(service), await start(service, 6.0)
    clock.advance(6)
    jobs, due = await service.endings("admin", 0)
    assert ([one.job_id for one in jobs], due) == ([job.job_id, last.job_id], None)
    await service.delete("admin", job.job_id)
    assert [one.job_id for one in (await service.endings("admin", 0))[0]] == [last.job_id]
    assert await service.position("admin") == 2


async def test_a_store_that_fails_deletes_nothing(service, monkeypatch):
    """The deletion is refused; repeated, it succeeds, though the job was cancelled by the first one."""
    job = await start(service)

    async def fail(*_):
        raise StoreUnavailableError

    with monkeypatch.context() as broken:
        broken.setattr(service.store, "delete", fail)
        with pytest.raises(StoreUnavailableError):
            await service.delete("admin", job.job_id)
    await service.delete("admin", job.job_id)
    assert await is_unknown(service, job)


# Finding a job by its key


async def test_an_end_is_written_down_before_it_is_told_by_key(service, clock):
    """A job under a key is told as its id would tell it, pending and ended."""
    job = await start(service, key="k", fingerprint=b"")
    assert (await service.by_key("admin", "k")).job == job
    clock.advance(5)
    snapshot = await service.by_key("admin", "k")
    assert (snapshot.job.final, snapshot.status, snapshot.now) == (True, COMPLETED, START + 5)
    assert snapshot.job == (await service.find("admin", job.job_id)).job


async def test_an_end_that_cannot_be_written_down_is_not_told_by_key(service, clock, monkeypatch):
    """While the store does not work, nobody hears of an end that might still be taken back."""
    await start(service, key="k", fingerprint=b"")
    clock.advance(5)

    async def fail(*_):
        raise StoreUnavailableError

    monkeypatch.setattr(service.store, "settle", fail)
    with pytest.raises(StoreUnavailableError):
        await service.by_key("admin", "k")


@pytest.mark.parametrize("key", ["", "l", "\0", "\ud800", "x" * 10_000])
async def test_an_unknown_key(service, key):
    """Whatever text was asked for, and whosever key it is."""
    await start(service, key="k", fingerprint=b"")
    for owner, asked in (("admin", key), ("eve", "k")):
        with pytest.raises(UnknownJobError) as refused:
            await service.by_key(owner, asked)
        assert refused.value.job_id == asked


# Over HTTP


async def test_a_held_request_is_answered(api):
    """Its client reads that the job was cancelled; from then on the job is not found."""
    path = f"/status/{(await api.admin.post('/start')).json()['job_id']}"
    held = asyncio.create_task(api.admin.get(path, params={"wait": "30"}))
    await api.waiters(1)
    await api.service.delete("admin", path.rpartition("/")[2])
    answer = await asyncio.wait_for(held, PATIENCE)
    assert (answer.status_code, answer.json()["status"]) == (200, "error")
    assert (await api.admin.get(path)).status_code == 404


async def test_a_stream_goes_on_after_a_deletion(api, clock, connect):
    """A stream that is open reports later ends, and so does one that resumes at the deleted job or before it."""
    stream = await connect(api)
    first, gone, last = [await start(api.service, duration) for duration in (1, 2, 3)]
    clock.advance(1)
    assert await stream.jobs(1) == [first.job_id]
    before = stream.last_id
    clock.advance(1)
    assert await stream.jobs(1) == [gone.job_id]
    at = stream.last_id
    await api.service.delete("admin", gone.job_id)
    clock.advance(1)
    for one in (stream, await connect(api, last_id=before), await connect(api, last_id=at)):
        assert await asyncio.wait_for(one.jobs(1), PATIENCE) == [last.job_id]
