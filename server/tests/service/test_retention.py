"""Jobs are kept for as long as the operator says, and no longer."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from translation_server.jobs.model import Status
from translation_server.service.retention import forget, interval
from translation_server.stores import StoreUnavailableError, open_store

START = 1_800_000_000.0


async def fill(store, accept) -> None:
    for duration, outcome in ((1, Status.COMPLETED), (2, Status.ERROR), (3, Status.COMPLETED), (50, Status.ERROR)):
        await accept(store, duration, outcome=outcome)
    await store.settle("admin", START + 9)
    await store.close()


async def test_a_file_of_the_version_before_is_brought_up_to_date(tmp_path, accept):
    """A file without counts gets them from the jobs in it."""
    path = tmp_path / "jobs.db"
    await fill(await open_store(f"sqlite:///{path}"), accept)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "ALTER TABLE owners DROP COLUMN completed; ALTER TABLE owners DROP COLUMN errors; "
            "DROP TRIGGER jobs_changed; DROP TRIGGER jobs_deleted; ALTER TABLE store DROP COLUMN changes; "
            "PRAGMA user_version = 1"
        )
    store = await open_store(f"sqlite:///{path}")
    assert list((await store.counts()).values()) == [1, 2, 1]
    await store.close()


async def test_tables_of_the_version_before_are_brought_up_to_date(postgres_url, accept):
    """Tables without counts get them from the jobs in them."""
    await fill(await open_store(postgres_url), accept)
    store = await open_store(postgres_url)
    await store._connections.use(
        lambda connection: connection.execute(
            "ALTER TABLE translation_owners DROP COLUMN completed, DROP COLUMN errors; "
            "UPDATE translation_store SET version = 1"
        )
    )
    await store.close()
    store = await open_store(postgres_url)
    assert list((await store.counts()).values()) == [1, 2, 1]
    await store.close()


async def test_jobs_go_when_their_time_has_come(open_api, let_pass):
    """A job is there until it has been ended for as long as set; then it is unknown, and others stay."""
    api = await open_api(retention=100)
    first, second, pending = [await start(api, duration) for duration in (5, 50, 5000)]
    await let_pass(104)
    assert await ids(api) == [pending, second, first]
    await let_pass(interval(100))
    assert await ids(api) == [pending, second]
    assert (await api.admin.get(f"/status/{first}")).status_code == 404


async def test_a_key_goes_with_its_job(open_api, let_pass):
    """Once its job is gone, a key may be used for anything."""
    api = await open_api(retention=100)
    first = await start(api, 5, key="k")
    await let_pass(120)
    assert await ids(api) == []
    assert await start(api, 7, key="k") != first


async def test_a_stream_resumes_behind_forgotten_jobs(open_api, clock, connect, let_pass):
    """An event id stays good, though the job it was about is gone."""
    api = await open_api(retention=100)
    await start(api, 5)
    stream = await connect(api)
    clock.advance(5)
    await stream.job()
    await stream.leave()
    await let_pass(120)
    job_id = await start(api, 5)
    clock.advance(5)
    stream = await connect(api, last_id=stream.last_id)
    assert await stream.jobs(1) == [job_id]


async def test_nothing_goes_without_a_limit(open_api, clock):
    """RETENTION=0 keeps everything, and nothing runs in the background."""
    api = await open_api(retention=0)
    job_id = await start(api, 5)
    clock.advance(1e9)
    assert await ids(api) == [job_id]
    assert clock.alarms == []


async def test_many_jobs_go_in_batches(open_api, monkeypatch):
    """However many there are, no transaction deletes more than a batch."""
    api = await open_api()
    await asyncio.gather(*(start(api, 0) for _ in range(450)))
    store, batches = api.service.store, []
    forget_batch = store.forget

    async def counted(before, limit):
        batches.append(await forget_batch(before, limit))
        return batches[-1]

    monkeypatch.setattr(store, "forget", counted)
    assert await forget(api.service, START + 1) == 450
    assert batches == [200, 200, 50, 0]


async def test_a_store_that_fails_is_asked_again(open_api, let_pass, caplog):
    """A round that fails costs one line in the log, and the next one does the work."""
    api = await open_api(retention=100)
    await start(api, 5)
    broken = pytest.MonkeyPatch()

    async def fail(*_):
        raise StoreUnavailableError

    broken.setattr(api.service.store, "forget", fail)
    await let_pass(150)
    broken.undo()
    assert "could not be deleted" in caplog.text
    assert len(await ids(api)) == 1
    await let_pass(interval(100))
    assert await ids(api) == []


@pytest.mark.parametrize(("retention", "expected"), [(1e-9, 1), (60, 6), (86_400, 3600), (1e9, 3600)])
def test_rounds_are_as_frequent_as_they_have_to_be(retention, expected):
    """At most every second, at least every hour, and in between a tenth of the time."""
    assert interval(retention) == expected


async def start(api, duration: float, key: str | None = None) -> str:
    headers = {"Idempotency-Key": key} if key else {}
    return (await api.admin.post("/start", json={"simulate": {"duration": duration}}, headers=headers)).json()["job_id"]


async def ids(api) -> list[str]:
    return [job["job_id"] for job in (await api.admin.get("/jobs")).json()["jobs"]]


@pytest.fixture
def let_pass(clock, eventually):
    """Let time pass in which a round comes due; return once it is over."""

    async def let_pass_(seconds: float) -> None:
        await eventually(lambda: len(clock.alarms) == 1)
        clock.advance(seconds)
        await eventually(lambda: len(clock.alarms) == 1)

    return let_pass_
