"""What servers that share one PostgreSQL store may rely on."""

import asyncio
import contextlib
from collections import Counter

import pytest
from server.tests.conftest import START
from server.tests.postgres import execute, schema

from translation_server.stores import Accepted, Change, TooMany
from translation_server.stores.postgres import changes

PATIENCE = 10.0


@pytest.fixture
async def servers(postgres_url, open_a_store):
    """Return four stores with connections of their own, as of four processes."""
    return [await open_a_store(f"{postgres_url}&application_name=server-{number}") for number in range(4)]


@pytest.fixture(autouse=True)
def nobody_looks_unasked(monkeypatch):
    """Let changes arrive by notifications only, unless a test says otherwise."""
    monkeypatch.setattr(changes, "_POLL_INTERVAL", 10 * PATIENCE)


@pytest.fixture
async def listen():
    """Follow the changes that other servers make."""
    async with contextlib.AsyncExitStack() as stack:

        async def listen_(store):
            heard = asyncio.Queue()
            changes = await stack.enter_async_context(contextlib.aclosing(store.changes()))

            async def follow():
                async for change in changes:
                    heard.put_nowait(change)

            following = asyncio.create_task(follow())
            stack.push_async_callback(cancelled, following)
            return heard

        yield listen_


async def cancelled(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def hear(heard, *changes):
    """Return the changes that arrive until all of these have."""
    missing, all_heard = set(changes), []
    async with asyncio.timeout(PATIENCE):
        while missing:
            all_heard.append(await heard.get())
            missing.discard(all_heard[-1])
    return all_heard


async def test_one_key_is_one_job_whoever_asks(servers, accept):
    """A hundred keys, each used by four servers at once, twice: a hundred jobs, and each answer has the right one."""
    asked = [(store, str(n)) for n in range(100) for store in servers * 2]
    answers = await asyncio.gather(*(accept(store, key=key, fingerprint=b"x") for store, key in asked))
    jobs = {key: answer.job for (_, key), answer in zip(asked, answers, strict=True) if not answer.replayed}
    assert len(jobs) == 100
    assert Counter(answer.replayed for answer in answers) == {True: 700, False: 100}
    assert all(answer.job == jobs[key] for (_, key), answer in zip(asked, answers, strict=True))
    assert [job.seq for job in await servers[0].page("admin", None, START, None, 200)] == list(range(100, 0, -1))


async def test_the_same_seed_gives_the_same_jobs(servers, open_a_store, accept):
    """The n-th job is the same as in one server's SQLite file, whichever of four servers accepts it."""
    for number in range(20):
        await accept(servers[number % 4], None)
    alone = await open_a_store()
    for _ in range(20):
        await accept(alone, None)
    drawn = [
        [(job.seq, job.ends_at, job.outcome) for job in await store.page("admin", None, START, None, 20)]
        for store in (servers[0], alone)
    ]
    assert drawn[0] == drawn[1]


async def test_the_limit_of_pending_jobs_holds_for_all_servers_together(servers, accept):
    """Of a hundred starts at four servers at once, as many are accepted as the limit says."""
    answers = await asyncio.gather(*(accept(store, limit=7) for store in servers * 25))
    assert Counter(map(type, answers)) == {Accepted: 7, TooMany: 93}


async def test_a_stream_sees_the_order_of_ending_without_gaps(servers, accept):
    """While four servers end jobs of two users, a reader elsewhere never sees a place before the one in front of it."""
    writers, reader = servers[:3], servers[3]
    jobs = [(await accept(writers[n % 3], 1 + n, owner=("admin", "eve")[n % 2])).job for n in range(60)]
    finished, seen = asyncio.Event(), {"admin": [], "eve": []}

    async def read(owner):
        while not finished.is_set() or await reader.position(owner) > len(seen[owner]):
            seen[owner] += [job.ending for job in await reader.ended_after(owner, len(seen[owner]), 7)]

    async def write(store, number):
        for n, job in enumerate(jobs[number::3]):
            await (store.cancel(job.owner, job.job_id, START) if n % 2 else store.settle(job.owner, job.ends_at))

    reading = [asyncio.create_task(read(owner)) for owner in seen]
    await asyncio.gather(*(write(store, number) for number, store in enumerate(writers)))
    await asyncio.gather(*(reader.settle(owner, START + 100) for owner in seen))
    finished.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*reading)
    assert seen == {"admin": list(range(1, 31)), "eve": list(range(1, 31))}


async def test_each_job_is_ended_once(servers, accept):
    """When all servers settle the same jobs at once, each end is returned to one of them, and is the same for all."""
    jobs = [(await accept(servers[0], 1 + n / 10)).job.job_id for n in range(50)]
    returned = await asyncio.gather(*(store.settle("admin", START + 60) for store in servers * 3))
    assert sorted(job_id for ended in returned for job_id in ended) == sorted(jobs)
    assert [job.job_id for job in await servers[1].ended_after("admin", 0, 100)] == jobs


async def test_a_race_to_end_a_job_has_one_winner(servers, accept):
    """Of two servers whose clocks differ one ends a job and one cancels it: all return the same afterwards."""
    jobs = [(await accept(servers[0], 1)).job for _ in range(20)]
    await asyncio.gather(
        *(servers[1].settle("admin", START + 1) for _ in jobs),
        *(servers[2].cancel("admin", job.job_id, START) for job in jobs),
    )
    records = await asyncio.gather(*(store.get_many("admin", [job.job_id for job in jobs]) for store in servers))
    assert records == [records[0]] * 4
    assert sorted(job.ending for job in records[0].values()) == list(range(1, 21))


async def test_a_replay_misses_nothing_where_clocks_differ(servers, accept):
    """A job that a fast clock ended too early is found by its moment, though its place is before an earlier one."""
    early, cancelled_ = [(await accept(servers[0], duration)).job for duration in (5, 50)]
    await servers[1].settle("admin", START + 6)
    await servers[2].cancel("admin", cancelled_.job_id, START + 1)
    since = await servers[3].position("admin", START + 3)
    assert early.job_id in [job.job_id for job in await servers[3].ended_after("admin", since, 10)]


async def test_a_cancellation_reaches_other_servers(servers, accept, listen, monkeypatch):
    """Every other server gets the job and its owner by the notification alone."""
    monkeypatch.setattr(changes, "_POLL_INTERVAL", 3600.0)
    heard = [await listen(store) for store in servers[1:]]
    job_id = (await accept(servers[0], owner="zoë ü")).job.job_id
    await servers[0].cancel("zoë ü", job_id, START)
    for one in heard:
        await hear(one, Change("zoë ü", job_id))


async def test_an_end_that_another_server_settled_arrives(servers, accept, listen):
    """A server whose clock is behind gets the ends from the server whose clock is ahead, in the order of ending."""
    heard = await listen(servers[1])
    answers = await asyncio.gather(*(accept(servers[0], 1 + n / 1000) for n in range(2500)))
    job_ids = [answer.job.job_id for answer in answers]
    await servers[0].settle("admin", START + 9)
    all_heard = await hear(heard, Change("admin", job_ids[-1]))
    assert [change.job_id for change in all_heard if change.job_id] == job_ids


async def test_a_new_job_arrives_if_it_ends_before_all_others(servers, accept, listen):
    """Streams of other servers must wake earlier than planned; a later end is not announced."""
    await accept(servers[0], 10)
    heard = await listen(servers[1])
    later = (await accept(servers[0], 20)).job
    await servers[0].cancel("admin", later.job_id, START)
    assert await hear(heard, Change("admin", later.job_id)) == [Change("admin", later.job_id)]
    await accept(servers[0], 5)
    await hear(heard, Change("admin", None))


async def test_a_server_does_not_get_its_own_changes(servers, accept, listen):
    """It has carried them out itself."""
    here, there = await listen(servers[0]), await listen(servers[1])
    job_ids = [(await accept(servers[0])).job.job_id for _ in range(3)]
    for job_id in job_ids:
        await servers[0].cancel("admin", job_id, START)
    await hear(there, *(Change("admin", job_id) for job_id in job_ids))
    other = (await accept(servers[1])).job.job_id
    await servers[1].cancel("admin", other, START)
    all_heard = await hear(here, Change("admin", other))
    assert not {Change("admin", job_id) for job_id in job_ids} & set(all_heard)


async def test_changes_before_listening_arrive_later(servers, accept, listen):
    """Nothing is missed from the moment a store is opened, though listening begins later."""
    job_id = (await accept(servers[0])).job.job_id
    await servers[0].cancel("admin", job_id, START)
    await hear(await listen(servers[1]), Change("admin", job_id))


async def test_a_listener_that_is_cut_off_misses_nothing(servers, accept, listen, postgres_url):
    """It connects again, yields what ended meanwhile, and announces that anything else may have changed."""
    heard = await listen(servers[1])
    first, second = [(await accept(servers[0])).job.job_id for _ in range(2)]
    await servers[0].cancel("admin", first, START)
    await hear(heard, Change("admin", first))
    execute(postgres_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'server-1'")
    await servers[0].cancel("admin", second, START)
    await hear(heard, Change("admin", second), Change("admin", None))


async def test_changes_without_notification_are_found(servers, accept, listen, monkeypatch):
    """A pooler that passes no notifications on delays changes by a second, and loses none."""
    monkeypatch.setattr(changes, "_POLL_INTERVAL", 0.05)
    servers[0]._changes.channel = "elsewhere"
    heard = await listen(servers[1])
    job_id = (await accept(servers[0])).job.job_id
    await servers[0].cancel("admin", job_id, START)
    await hear(heard, Change("admin", job_id))


async def test_no_name_is_too_long_for_a_notification(servers, accept, listen):
    """PostgreSQL limits the length of a notification, and nothing limits a user's name."""
    heard, owner = await listen(servers[1]), "ö" * 5000
    job_id = (await accept(servers[0], owner=owner)).job.job_id
    await servers[0].cancel(owner, job_id, START)
    await hear(heard, Change(owner, job_id))


async def test_two_stores_in_one_database_are_separate(postgres_server, servers, accept, open_a_store):
    """Each schema is a store of its own, with its own jobs and its own notifications."""
    with schema(postgres_server) as url:
        other = await open_a_store(url)
        job_id = (await accept(servers[0])).job.job_id
        assert await other.get_many("admin", [job_id]) == {}
        assert other._changes.channel != servers[0]._changes.channel
        assert (await accept(other)).job.seq == 1
        await other.close()


@pytest.mark.parametrize("job_id", ["", "\0", "\ud800", "x" * 10_000, "a\0b"])
async def test_no_id_breaks_anything(servers, job_id):
    """An impossible id is an unknown one."""
    assert await servers[0].get_many("admin", [job_id]) == {}
    assert (await servers[0].cancel("admin", job_id, START)).job is None


async def test_a_job_that_cannot_be_stored_fails_alone(servers, accept):
    """A text that PostgreSQL refuses does not fail the jobs that are written with it."""
    answers = await asyncio.gather(
        *(accept(servers[0], metadata=text) for text in ('{"a":1}', '{"\0":1}', '{"\ud800":1}', '{"b":2}')),
        return_exceptions=True,
    )
    assert [isinstance(answer, Accepted) for answer in answers] == [True, False, False, True]


async def test_many_reads_are_few_round_trips(servers, accept, monkeypatch):
    """A thousand reads at once are a handful of round trips, and each gets its own answer."""
    jobs = [(await accept(servers[0], 5 + n, owner=("admin", "eve")[n % 2])).job for n in range(20)]
    store, uses = servers[0], []
    use = store._connections.use
    monkeypatch.setattr(store._connections, "use", lambda do: uses.append(do) or use(do))
    asked = jobs * 50
    answers = await asyncio.gather(*(store.get_many(job.owner, [job.job_id]) for job in asked))
    assert answers == [{job.job_id: job} for job in asked]
    assert await asyncio.gather(*map(store.next_end, ("admin", "eve", "x"))) == [START + 5, START + 6, None]
    assert len(uses) <= 5
