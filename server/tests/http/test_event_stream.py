"""The event stream: every end once, in order, also for a client that was away."""

import asyncio
from unittest.mock import AsyncMock

import httpx
import orjson
import pytest
from server.tests.wire import serving

from translation_server.stores import StoreUnavailableError


async def start(client, duration, outcome="completed"):
    answer = await client.post("/start", json={"simulate": {"duration": duration, "outcome": outcome}})
    return answer.json()["job_id"]


async def test_the_stream_begins_at_once(api, connect):
    """Headers, and a first block with a position, come before anything ends."""
    stream = await connect(api)
    assert stream.start["status"] == 200
    headers = dict(stream.start["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store"
    assert stream.last_id


async def test_every_end_is_told_in_order(api, clock, connect):
    """Jobs are told in the order of ending, those started before the stream and those started later, not others'."""
    first = await start(api.admin, 5)
    stream = await connect(api)
    late, early = await start(api.admin, 7), await start(api.admin, 3)
    await start(api.eve, 1)
    for expected in (early, first, late):
        clock.advance(3)
        job = await stream.job()
        assert (job["job_id"], job["status"], job["progress"]) == (expected, "completed", 1)


async def test_a_cancellation_is_told_at_once(api, connect):
    """A cancelled job is told like any other end, in order."""
    stream = await connect(api)
    job_id = await start(api.admin, 50)
    await api.admin.delete(f"/jobs/{job_id}")
    job = await stream.job()
    assert (job["job_id"], job["error"]["code"]) == (job_id, "cancelled")


async def test_a_stream_begins_now(api, clock, connect):
    """What ended before is not told, unless it is asked for."""
    await start(api.admin, 1)
    clock.advance(2)
    stream = await connect(api)
    job_id = await start(api.admin, 1)
    clock.advance(1)
    assert await stream.jobs(1) == [job_id]


@pytest.mark.parametrize("restart", [False, True])
async def test_nothing_is_missed_and_nothing_told_twice(open_api, clock, connect, restart):
    """Cut off after any event, or before the first, a client that resumes gets exactly the rest, over a restart too."""
    api = await open_api()
    ids = [await start(api.admin, 1 + n) for n in range(6)]
    told, last_id = [], ""
    for count in (0, 2, 1, 3):
        stream = await connect(api, last_id=last_id)
        clock.advance(2)
        told += await stream.jobs(count)
        last_id = stream.last_id
        if restart:
            api = await open_api()
    assert told == ids


async def test_what_ends_while_nobody_listens_is_told_on_return(api, clock, connect):
    """Cancelled, ended and looked at, ended unseen: all are told, in order, each once."""
    stream = await connect(api)
    ids = [await start(api.admin, duration) for duration in (50, 2, 3)]
    last_id = stream.last_id
    clock.advance(1)
    await api.admin.delete(f"/jobs/{ids[0]}")
    clock.advance(1)
    await api.admin.get(f"/jobs/{ids[1]}")
    clock.advance(1)
    stream = await connect(api, last_id=last_id)
    assert await stream.jobs(3) == ids
    clock.advance(100)
    await asyncio.sleep(0.01)
    assert stream.silent


async def test_replaying_since_a_moment(api, clock, connect):
    """With a moment, everything that ended then or later is told."""
    ids = [await start(api.admin, duration) for duration in (1, 2, 3)]
    clock.advance(10)
    ended_at = (await api.admin.get(f"/jobs/{ids[1]}")).json()["ended_at"]
    assert await (await connect(api, query=f"since={ended_at}")).jobs(2) == ids[1:]
    assert await (await connect(api, query="since=0")).jobs(3) == ids


async def test_the_last_event_goes_before_the_moment(api, clock, connect):
    """A browser that reconnects repeats the address; its last event says more precisely where it was."""
    ids = [await start(api.admin, duration) for duration in (1, 2, 3)]
    clock.advance(10)
    stream = await connect(api, query="since=0")
    await stream.jobs(2)
    again = await connect(api, query="since=0", last_id=stream.last_id)
    assert await again.jobs(1) == ids[2:]


async def test_an_event_of_another_store_says_nothing(open_api, clock, connect, tmp_path):
    """A client of a server whose store was thrown away is told everything, rather than missing anything."""
    old = await open_api()
    for _ in range(3):
        await start(old.admin, 1)
    clock.advance(1)
    stream = await connect(old, query="since=0")
    await stream.jobs(3)
    new = await open_api(database_url=f"sqlite:///{tmp_path / 'new.db'}")
    job_id = await start(new.admin, 1)
    clock.advance(1)
    assert await (await connect(new, last_id=stream.last_id)).jobs(1) == [job_id]


async def test_narrowing(api, clock, connect):
    """Only the jobs that were named are told."""
    ids = [await start(api.admin, duration) for duration in (1, 2, 3)]
    stream = await connect(api, query=f"job_id={ids[2]}&job_id={ids[0]}")
    clock.advance(10)
    assert await stream.jobs(2) == [ids[0], ids[2]]


async def test_thousands_of_ends_come_in_few_pieces(api, clock, connect):
    """Two thousand jobs that end at once are told in a handful of writes."""
    stream = await connect(api)
    for _ in range(40):
        await asyncio.gather(*(start(api.admin, 5) for _ in range(50)))
    clock.advance(5)
    pieces = 0
    ids = set()
    while len(ids) < 2000:
        pieces += stream.silent
        ids.add((await stream.job())["job_id"])
    assert pieces <= 10


async def test_an_end_in_another_process_is_told(open_api, connect):
    """A stream hears of what was started and cancelled through another server on the same store."""
    here, there = await open_api(), await open_api()
    stream = await connect(here)
    await asyncio.sleep(0.05)
    job_id = await start(there.admin, 50)
    await there.admin.delete(f"/jobs/{job_id}")
    assert await stream.jobs(1) == [job_id]


async def test_a_job_started_in_another_process_is_told_in_time(open_api, clock, connect, eventually):
    """A stream that knows of no job plans for those that others start."""
    here, there = await open_api(), await open_api()
    stream = await connect(here)
    await asyncio.sleep(0.05)
    job_id = await start(there.admin, 5)
    await eventually(lambda: any(alarm.moment == clock.now() + 5 for alarm in clock.alarms))
    clock.advance(5)
    assert await stream.jobs(1) == [job_id]


async def test_silence_is_broken_by_a_heartbeat(api, connect, monkeypatch):
    """A comment now and then shows that the connection lives."""
    monkeypatch.setattr("translation_server.http.event_stream._HEARTBEAT", 0.01)
    stream = await connect(api)
    assert await stream.block() == {"": ""}


async def test_stopping_ends_the_stream(api, connect):
    """A server about to stop closes its streams; clients come again with their last event."""
    stream = await connect(api)
    api.service.waiters.stop()
    with pytest.raises(EOFError):
        await stream.job()


async def test_a_store_that_fails_ends_the_stream(api, clock, connect, monkeypatch):
    """A stream that cannot go on is closed in good order; its client resumes and misses nothing."""
    stream = await connect(api)
    job_id = await start(api.admin, 1)
    with monkeypatch.context() as patch:
        patch.setattr(api.service.store, "settle", AsyncMock(side_effect=StoreUnavailableError))
        clock.advance(1)
        with pytest.raises(EOFError):
            await stream.job()
    assert await (await connect(api, last_id=stream.last_id)).jobs(1) == [job_id]


async def test_a_stream_counts_as_a_waiter(open_api, connect):
    """Too many streams are refused before they begin; one that is left makes room."""
    api = await open_api(max_waiters=1)
    first = await connect(api)
    refused = await api.admin.get("/events")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    await first.leave()
    await api.waiters(0)
    await connect(api)


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [("?since=now", {}, "since"), ("?since=0&since=1", {}, "since"), ("", {"Last-Event-ID": "1"}, "Last-Event-ID")],
)
async def test_what_makes_no_sense_is_refused(api, query, headers, field):
    """No stream begins where nobody knows from when on."""
    answer = await api.admin.get(f"/events{query}", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_over_a_real_connection(make_app):
    """Through uvicorn, the first bytes come at once and each event as it happens."""
    with serving(make_app(clock=None)) as port:
        url, auth = f"http://127.0.0.1:{port}", ("admin", "secret")
        async with (
            httpx.AsyncClient(base_url=url, auth=auth, timeout=5) as client,
            client.stream("GET", "/events") as answer,
        ):
            lines = answer.aiter_lines()
            assert (await anext(lines)) == "retry: 1000"
            job_id = await start(client, 0.05)
            data = await anext(line async for line in lines if line.startswith("data: "))
            assert orjson.loads(data.removeprefix("data: "))["job_id"] == job_id
