"""The promises of every store: SQLite in a file and in memory, and PostgreSQL."""

import asyncio
from dataclasses import replace

import pytest

from translation_server.jobs.model import Status
from translation_server.stores import Accepted, KeyTaken, TooMany

START = 1_800_000_000.0
PENDING, COMPLETED, ERROR = Status


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


async def test_a_job_is_found_as_it_was_accepted(store, accept):
    """Its owner reads it as it was accepted, and nobody else reads it."""
    accepted = await accept(store, video_length=1.5, metadata='{"a":[1]}')
    job = accepted.job
    assert await store.get_many("admin", [job.job_id, "other"]) == {job.job_id: job}
    assert await store.get_many("eve", [job.job_id]) == {}
    assert (job.ends_at, job.video_length, job.metadata) == (START + 5, 1.5, '{"a":[1]}')


async def test_a_read_without_waiting_finds_the_same(store, accept, url):
    """A store that need not wait returns the same job; another store returns none."""
    job = (await accept(store)).job
    for _ in range(3):
        assert await store.get_many("admin", [job.job_id]) == {job.job_id: job}
        assert store.get_cached("admin", job.job_id) == (None if "://" in url else job)
        assert store.get_cached("eve", job.job_id) is store.get_cached("admin", "other") is None
        job = (await store.cancel("admin", job.job_id, START + 1)).job
    assert job.was_cancelled


async def test_jobs_are_numbered_in_the_order_of_acceptance(store, accept):
    """Ordinals have no gap, even among racing starts; a refused start takes none."""
    await asyncio.gather(*(accept(store, owner=owner) for owner in ["admin", "eve"] * 20))
    await accept(store, limit=1)
    last = (await accept(store)).job
    assert last.seq == 41
    assert await store.latest("admin") == last
    assert await store.latest("nobody") is None


async def test_one_key_is_one_job(store, accept):
    """The same key and fingerprint gives the same job, another fingerprint none, another user's key another job."""
    first = await accept(store, key="k", fingerprint=b"1")
    assert await accept(store, key="k", fingerprint=b"1") == replace(first, replayed=True)
    assert await accept(store, key="k", fingerprint=b"2") == KeyTaken(first.job.job_id)
    others = await accept(store, key="k", fingerprint=b"1", owner="eve")
    assert isinstance(others, Accepted)
    assert (others.job.owner, others.replayed) == ("eve", False)


async def test_racing_starts_with_one_key_are_one_job(store, accept):
    """A hundred starts at once with ten keys are ten jobs, and each answer has its key's job."""
    answers = await asyncio.gather(*(accept(store, key=str(n % 10), fingerprint=b"") for n in range(100)))
    assert len({answer.job.job_id for answer in answers}) == 10
    assert sum(not answer.replayed for answer in answers) == 10
    assert (await store.counts())[PENDING] == 10


async def test_pending_jobs_are_limited_per_owner(store, accept):
    """Beyond the limit a start is refused until a job has ended, except with a known key or by another owner."""
    await accept(store, 5, limit=2)
    await accept(store, 50, limit=2, key="k", fingerprint=b"")
    assert await accept(store, limit=2) == TooMany()
    assert (await accept(store, limit=2, key="k", fingerprint=b"")).replayed
    assert isinstance(await accept(store, limit=2, owner="eve"), Accepted)
    assert isinstance(await accept(store, limit=2, created_at=START + 5), Accepted)


async def test_racing_starts_do_not_slip_past_the_limit(store, accept):
    """Of fifty starts at once, as many are accepted as the limit says."""
    answers = await asyncio.gather(*(accept(store, limit=7) for _ in range(50)))
    assert sum(isinstance(answer, Accepted) for answer in answers) == 7


async def test_ends_are_written_down_in_the_order_of_ending(store, accept):
    """Settling numbers ended jobs by their end, then by acceptance, and leaves the others."""
    jobs = [(await accept(store, duration)).job for duration in (7, 3, 5, 3, 20)]
    in_order = [jobs[n].job_id for n in (1, 3, 2, 0)]
    assert list(await store.settle("admin", START + 10)) == in_order
    assert list(await store.settle("admin", START + 10)) == []
    ended = await store.ended_after("admin", 0, 10)
    assert [(job.job_id, job.ending) for job in ended] == list(zip(in_order, (1, 2, 3, 4), strict=True))
    assert await store.next_end("admin") == START + 20


async def test_places_in_the_order_of_ending_are_per_owner(store, accept):
    """Nobody can see from the numbers how many jobs others have."""
    for owner in ("eve", "eve", "admin"):
        await accept(store, owner=owner)
    await store.settle("eve", START + 9)
    await store.settle("admin", START + 9)
    assert (await store.position("eve"), await store.position("admin"), await store.position("x")) == (2, 1, 0)


async def test_a_stream_resumes_after_any_job(store, accept):
    """Reading in pieces, from any position, returns each end once."""
    for duration in (1, 2, 3, 4, 5):
        await accept(store, duration)
    await store.settle("admin", START + 9)
    endings = [job.ending for start in (0, 2, 4) for job in await store.ended_after("admin", start, 2)]
    assert endings == [1, 2, 3, 4, 5]
    assert await store.ended_after("admin", 5, 2) == []


@pytest.mark.parametrize(("since", "position"), [(0, 0), (START + 1, 0), (START + 1.5, 1), (START + 5, 2), (3e9, 3)])
async def test_a_moment_has_its_place_in_the_order_of_ending(store, accept, since, position):
    """A replay since a moment begins with the first job that ended then or later."""
    for duration in (1, 2, 5, 50):
        await accept(store, duration)
    await store.settle("admin", START + 9)
    assert await store.position("admin", since) == position


async def test_cancelling_ends_a_pending_job(store, accept):
    """A cancelled job ends as an error, now; ends that came before are written before it."""
    before = (await accept(store, 1)).job
    job = (await accept(store, 5)).job
    cancelled = await store.cancel("admin", job.job_id, START + 2)
    assert list(cancelled.ended) == [before.job_id, job.job_id]
    assert (cancelled.job.ends_at, cancelled.job.outcome, cancelled.job.error_code) == (START + 2, ERROR, "cancelled")
    assert cancelled.job.ending == 2
    assert await store.get_many("admin", [job.job_id]) == {job.job_id: cancelled.job}


async def test_cancelling_again_changes_nothing(store, accept):
    """The first cancellation stands."""
    job_id = (await accept(store)).job.job_id
    first = await store.cancel("admin", job_id, START + 2)
    again = await store.cancel("admin", job_id, START + 3)
    assert (again.job, list(again.ended)) == (first.job, [])


async def test_what_has_ended_cannot_be_cancelled(store, accept):
    """A job whose end has come keeps its outcome, even if that is not written down yet; an unknown one is None."""
    job = (await accept(store, 5, outcome=COMPLETED)).job
    cancelled = await store.cancel("admin", job.job_id, START + 5)
    assert cancelled.job.outcome is COMPLETED
    assert (await store.cancel("eve", job.job_id, START)).job is None


async def test_an_end_stays_though_the_clock_goes_back(store, accept):
    """Once an end is written down, no clock changes it: a job that was reported as ended cannot be cancelled."""
    job = (await accept(store, 5, outcome=COMPLETED)).job
    await store.settle("admin", START + 5)
    again = await store.cancel("admin", job.job_id, START - 3600)
    assert again.job.status_at(START - 3600) is COMPLETED


@pytest.mark.parametrize(
    ("status", "expected"), [(None, [4, 3, 2, 1, 0]), (PENDING, [4, 3]), (COMPLETED, [2, 0]), (ERROR, [1])]
)
@pytest.mark.parametrize("settled", [False, True])
async def test_pages_are_newest_first(store, accept, status, expected, settled):
    """Each status is listed as it is at the moment, whether or not ends were written down, page by page."""
    outcomes = (COMPLETED, ERROR, COMPLETED, COMPLETED, ERROR)
    jobs = [(await accept(store, d, outcome=o)).job for d, o in zip((1, 2, 3, 40, 50), outcomes, strict=True)]
    await accept(store, owner="eve")
    if settled:
        await store.settle("admin", START + 10)
    found, before = [], None
    while page := await store.page("admin", status, START + 10, before, 2):
        assert len(page) <= 2
        found += page
        before = page[-1].seq
    assert [job.job_id for job in found] == [jobs[n].job_id for n in expected]


async def test_ping_returns_if_the_store_works(store):
    """A store that works can be read and written."""
    await store.ping()


# Counting and deleting


async def test_jobs_are_counted_by_status(store, accept):
    """Jobs count as written down: pending until their end is, then by outcome; a cancelled one is an error."""
    assert await store.counts() == {PENDING: 0, COMPLETED: 0, ERROR: 0}
    for duration, outcome in ((1, COMPLETED), (2, ERROR), (3, COMPLETED), (50, COMPLETED)):
        await accept(store, duration, outcome=outcome)
    await accept(store, 1, owner="eve", outcome=COMPLETED)
    cancelled = (await accept(store, 60, outcome=COMPLETED)).job
    await store.settle("admin", START + 9)
    await store.cancel("admin", cancelled.job_id, START + 9)
    assert await store.counts() == {PENDING: 2, COMPLETED: 2, ERROR: 2}


async def test_owners_of_due_jobs_are_listed(store, accept):
    """A job is due once it has ended, until its end is written down."""
    for owner, duration in (("admin", 5), ("eve", 50), ("zoe", 1)):
        await accept(store, duration, owner=owner)
    assert sorted(await store.owners_due(START + 5)) == ["admin", "zoe"]
    await store.settle("zoe", START + 5)
    assert await store.owners_due(START + 5) == ["admin"]


async def test_old_jobs_are_deleted_in_batches(store, accept):
    """Only jobs that ended before the moment are deleted, the oldest first, up to a limit, and the counts follow."""
    for owner in ("admin", "eve"):
        for duration in (1, 2, 3, 40):
            await accept(store, duration, owner=owner, outcome=COMPLETED)
        await store.settle(owner, START + 10)
    assert [await store.forget(START + 3, 3) for _ in range(3)] == [3, 1, 0]
    assert await store.counts() == {PENDING: 2, COMPLETED: 2, ERROR: 0}
    assert [job.ends_at for job in await store.page("eve", None, START + 10, None, 9)] == [START + 40, START + 3]


async def test_a_job_whose_end_is_not_written_down_is_kept(store, accept):
    """A pending job stays, and so does an ended one that was not settled, however old it is."""
    await accept(store, 1)
    assert await store.forget(START + 1000, 10) == 0
    await store.settle("admin", START + 9)
    unnoticed = (await accept(store, 1)).job
    assert [await store.forget(START + 1000, 10) for _ in range(2)] == [1, 0]
    assert await store.get_many("admin", [unnoticed.job_id]) == {unnoticed.job_id: unnoticed}


async def test_a_key_is_deleted_with_its_job(store, accept):
    """After its job is deleted the key is free for a new one, and no number is given twice."""
    first = (await accept(store, 1, key="k", fingerprint=b"1")).job
    await store.settle("admin", START + 9)
    await store.forget(START + 9, 10)
    again = (await accept(store, 1, key="k", fingerprint=b"2")).job
    assert again.seq == first.seq + 1
    await store.settle("admin", START + 9)
    assert [job.ending for job in await store.ended_after("admin", 0, 9)] == [2]


async def test_a_stream_resumes_after_deleted_jobs(store, accept):
    """Places in the order of ending do not change: resuming before, at and after the deleted ones works."""
    for duration in (1, 2, 3, 4):
        await accept(store, duration)
    await store.settle("admin", START + 9)
    await store.forget(START + 3, 10)
    endings = [[job.ending for job in await store.ended_after("admin", n, 9)] for n in (0, 2, 3, 4)]
    assert endings == [[3, 4], [3, 4], [4], []]
    assert await store.position("admin") == 4
    assert await store.position("admin", START) in (0, 2)


async def test_several_processes_may_delete_at_once(store, open_a_store, url, accept):
    """Processes that delete the same jobs do not disturb each other: each job is deleted once, the counts are right."""
    other = store if url == ":memory:" else await open_a_store(url)
    for _ in range(40):
        await accept(store, 1)
    await accept(store, 50)
    await store.settle("admin", START + 9)

    async def forget_all(one) -> int:
        return sum([await one.forget(START + 9, 7) for _ in range(10)])

    assert sum(await asyncio.gather(forget_all(store), forget_all(other))) == 40
    assert await store.counts() == {PENDING: 1, COMPLETED: 0, ERROR: 0}
