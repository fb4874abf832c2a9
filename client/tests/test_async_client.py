"""What only the asynchronous client has: tasks, event loops, coroutines."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from contextlib import aclosing

import pytest

from client.tests.scripted import PATIENCE, closed_connections
from client.tests.sides import LATE, QUICK
from client.tests.steps import after, answer, body_drips, head_drips, job, jobs, stalled, stream
from translation_client import AsyncTranslationStatusClient, JobStatus, WaitTimeoutError
from translation_client._aio.exchange import take_turn

OUT_WITHIN = 0.05 + LATE - 0.1
"""Seconds a cancelled call may take to end: the promise, and what a busy machine may add to it."""


@pytest.fixture
async def client(server):
    async with AsyncTranslationStatusClient(server.url, "admin", "secretpassword", **QUICK) as made:
        yield made


# ── cancelling ──────────────────────────────────────────────────────────────────────────────────────────────────────

UNDER_WAY = {"no answer": stalled, "head drips": head_drips, "body drips": body_drips, "sleeping": job("pending")}


@pytest.mark.parametrize("fault", UNDER_WAY.values(), ids=UNDER_WAY)
@pytest.mark.parametrize("method", ["wait", "wait_all", "wait_for_each"])
async def test_a_cancelled_task_ends_at_once_and_leaves_nothing(server, fault, method):
    """Cancelling ends a call within 50 ms, whatever it is doing, and leaves neither task nor open request."""
    server.play(fault)
    server.play(fault, to="queries")
    server.play(answer(404) if method == "wait_for_each" else stream(then=stalled), to="streams")
    async with AsyncTranslationStatusClient(server.url, "admin", "pw", initial_delay=20, max_delay=20) as client:
        call = client.wait("j1") if method == "wait" else client.wait_all(["j1", "j2"])
        task = asyncio.create_task(call)
        await asyncio.sleep(0.15)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began <= OUT_WITHIN
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if fault is not UNDER_WAY["sleeping"]:
            await closed_connections(server)


async def test_a_timeout_of_the_user_stays_the_users(client, server):
    """Wrapped in asyncio.timeout, a wait ends as that says: with TimeoutError, and none of ours."""
    server.play(stalled)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.1):
            await client.wait("j1")
    assert not isinstance(caught.value, WaitTimeoutError)


async def test_leaving_the_loop_over_many_jobs_ends_the_stream(client, server):
    """After ``break`` nothing goes on behind the back of the user."""
    server.play(stream("j1", "j2", then=stalled), to="streams")
    server.play(jobs("pending"), to="queries")
    async with aclosing(client.as_completed(["j1", "j2", "j3"])) as found:
        async for each in found:
            assert each.job_id == "j1"
            break
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await client.close()
    await closed_connections(server)


# ── many at once ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_thousand_waits_at_once(client, server):
    """One client waits for a thousand jobs at the same time, and gives each waiter its own."""
    server.play(after(0.3, job("completed")))
    ended = await asyncio.gather(*(client.wait(f"job-{n}", timeout=60) for n in range(1000)))
    assert [each.job_id for each in ended] == [f"job-{n}" for n in range(1000)]


async def test_any_number_of_requests_may_be_held(client, server):
    """No pool of connections has room for a hundred only: all that wait are held at the same time."""
    came, all_came = [], asyncio.Event()

    async def when_all_have_come(turn):
        came.append(turn)
        if len(came) == 200:
            all_came.set()
        await all_came.wait()
        await job("completed")(turn)

    server.play(when_all_have_come)
    ended = await asyncio.gather(*(client.wait(f"job-{n}", timeout=60) for n in range(200)))
    assert len(ended) == len(server.polls) == 200


SERVER_ELSEWHERE = """
import sys
from client.tests.scripted import ScriptedServer
from client.tests.steps import job
with ScriptedServer() as server:
    server.play(job("pending"))
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def pending_elsewhere():
    """The address of a server in a process of its own, where jobs never end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVER_ELSEWHERE]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as process:  # noqa: S603 - ours
        yield process.stdout.readline().strip()
        process.communicate("", timeout=PATIENCE)


async def test_hundreds_of_deadlines_at_one_moment_are_kept(pending_elsewhere):
    """Waits whose deadlines fall on one moment do not make each other late, and some have their last look."""
    deadline = time.monotonic() + 1.5

    async def wait(number):
        await asyncio.sleep(number * 0.002)
        with pytest.raises(WaitTimeoutError) as caught:
            await client.wait(f"job-{number}", timeout=max(deadline - time.monotonic(), 0.0))
        return time.monotonic() - deadline, caught.value.last_error is None

    async with AsyncTranslationStatusClient(pending_elsewhere, "a", "b", initial_delay=20, max_delay=20) as client:
        late, looked = zip(*await asyncio.gather(*(wait(number) for number in range(200))), strict=True)
    assert 0 <= min(late) <= max(late) <= LATE
    assert any(looked)


async def test_requests_begin_a_few_in_a_turn_those_with_the_least_time_first():
    """No turn of the event loop begins more than four requests; whoever has no time left, or has gone, is passed by."""
    now, begun = time.monotonic(), []

    async def begin(name, deadline):
        await take_turn(deadline)
        begun.append(name)

    names = [*"abcdefg", "soon", "gone", "late", "too late"]
    deadlines = {"soon": now + 30, "gone": now + 20, "late": now - 1, "too late": now - 1}
    tasks = {name: asyncio.create_task(begin(name, deadlines.get(name, now + 60))) for name in names}
    await asyncio.sleep(0)
    assert begun == ["a", "b", "c", "d"]
    tasks["gone"].cancel()
    await asyncio.wait(tasks.values())
    assert begun[4:] == ["late", "too late", "soon", "e", "f", "g"]


async def test_a_wait_is_shared_by_tasks(client, server):
    """Any number of tasks may await one wait."""
    server.play(job("pending"), job("completed"))
    wait = asyncio.create_task(client.wait_for_completion("j1"))
    assert await asyncio.gather(*[asyncio.shield(wait) for _ in range(10)]) == [JobStatus.COMPLETED] * 10
    assert len(server.polls) == 2


# ── callbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_callbacks_may_be_coroutines(client, server):
    """A coroutine function is awaited before the wait goes on."""
    told = []

    async def tell(seen):
        await asyncio.sleep(0)
        told.append((seen.status, len(server.polls)))

    server.play(job("pending"), job("completed"))
    await client.wait("j1", on_status_change=tell, on_completion=tell)
    assert told == [("pending", 1), ("completed", 2), ("completed", 2)]


async def test_a_coroutine_that_raises_is_logged_and_nothing_else(client, caplog):
    """An exception of a coroutine is the callback's, not the wait's."""

    async def fail(_):
        await asyncio.sleep(0)
        raise ZeroDivisionError

    assert (await client.wait("j1", on_completion=fail)).status == "completed"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
