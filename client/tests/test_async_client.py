"""What only the asynchronous client has: tasks, event loops, coroutines."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import aclosing

import pytest
import uvloop

from client.tests.scripted import PATIENCE
from client.tests.sides import LATE, QUICK
from client.tests.steps import after, answer, body_drips, head_drips, job, jobs, stalled, stream
from translation_client import AsyncTranslationStatusClient, JobStatus, WaitTimeout

OUT_WITHIN = 0.05 + LATE - 0.1
"""Seconds a cancelled call may take to end: the promise, and what a busy machine may add to it."""


@pytest.fixture
async def client(server):
    async with AsyncTranslationStatusClient(server.url, "admin", "secretpassword", **QUICK) as made:
        yield made


async def closed_connections(server):
    """Come back when the server sees no connection any more."""
    async with asyncio.timeout(PATIENCE):
        while server.open_connections:  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.005)


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
    assert not isinstance(caught.value, WaitTimeout)


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


async def test_two_hundred_deadlines_at_one_moment_are_kept(server):
    """Waits whose deadlines fall on one moment do not make each other late."""
    server.play(job("pending"))
    deadline = time.monotonic() + 1.0

    async def wait(number):
        await asyncio.sleep(number * 0.002)
        with pytest.raises(WaitTimeout):
            await client.wait(f"job-{number}", timeout=deadline - time.monotonic())
        return time.monotonic() - deadline

    async with AsyncTranslationStatusClient(server.url, "admin", "pw", initial_delay=20, max_delay=20) as client:
        late = await asyncio.gather(*(wait(number) for number in range(200)))
    assert min(late) >= 0
    assert max(late) <= LATE


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


# ── event loops ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_client_serves_several_event_loops(server):
    """A client made outside of a loop serves one loop after the other, and several at the same time."""
    client = AsyncTranslationStatusClient(server.url, "admin", "pw", **QUICK)
    ended = []

    def wait(job_id):
        ended.append(asyncio.run(client.wait(job_id)).job_id)

    wait("j1")
    wait("j2")
    threads = [threading.Thread(target=wait, args=[f"k{n}"]) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ended[:2], sorted(ended[2:])) == (["j1", "j2"], [f"k{n}" for n in range(5)])


def test_an_event_loop_that_was_closed_without_ceremony_is_no_trouble(server):
    """A loop that ended without closing what was open in it does not hinder the next."""
    client = AsyncTranslationStatusClient(server.url, "admin", "pw", **QUICK)
    server.play(answer(200, b'{"job_id": "j1", "status": "completed"}', Connection="close"))
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(client.wait("j1")).status == "completed"
    loop.close()
    assert asyncio.run(client.wait("j1")).status == "completed"


def test_uvloop_keeps_deadlines_too(server):
    """On uvloop, whose timers may fire early, no wait ends before its deadline, nor late."""
    server.play(job("pending"))

    async def late(client):
        deadline = time.monotonic() + 0.1
        with pytest.raises(WaitTimeout):
            await client.wait("j1", timeout=0.1)
        return time.monotonic() - deadline

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        client = AsyncTranslationStatusClient(server.url, "admin", "pw", **QUICK)
        for _ in range(5):
            assert 0 <= runner.run(late(client)) <= LATE
        runner.run(client.close())


# ── what is left behind ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_client_that_is_dropped_closes_its_connections(server):
    """A client that nobody holds any more takes its connections along, without a warning."""
    client = AsyncTranslationStatusClient(server.url, "admin", "pw")
    await client.get_status("j1")
    assert server.open_connections == 1
    del client
    gc.collect()
    await closed_connections(server)


def test_a_program_that_closes_nothing_hears_no_complaint(server):
    """A client left open at the end of asyncio.run() earns no warning, in development mode neither."""
    program = (
        "import asyncio, sys; from translation_client import AsyncTranslationStatusClient as Client\n"
        "client = Client(sys.argv[1], 'a', 'b'); asyncio.run(client.get_status('j1'))\n"
        "asyncio.run(client.get_status('j1')); del client\n"
    )
    assert run(program, server.url) == ""


def test_the_extra_is_imported_when_it_is_used():
    """``import translation_client`` imports no asynchronous library; the class does, and is listed all the same."""
    program = (
        "import sys, translation_client\n"
        "assert not {'aiohttp', 'asyncio'} & set(sys.modules), 'imported'\n"
        "assert 'AsyncTranslationStatusClient' in dir(translation_client)\n"
        "assert translation_client.AsyncTranslationStatusClient is translation_client.AsyncTranslationStatusClient\n"
        "assert 'aiohttp' in sys.modules and not hasattr(translation_client, 'NoSuchName')\n"
    )
    assert run(program) == ""


def test_without_the_extra_the_error_says_what_to_install():
    """Where aiohttp is missing, the message is the command that helps; everything else works."""
    program = (
        "import sys; sys.modules['aiohttp'] = None; import translation_client\n"
        "try: translation_client.AsyncTranslationStatusClient\n"
        "except ImportError as error: print(error, file=sys.stderr)\n"
    )
    expected = 'AsyncTranslationStatusClient needs aiohttp: pip install "translation-client[async]"\n'
    assert run(program) == expected


def run(program, *arguments):
    """What the program says on stderr."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-X", "dev", "-c", program, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, env=environment, timeout=PATIENCE)  # noqa: S603 - ours
    return done.stderr.decode()
