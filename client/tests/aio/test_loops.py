"""Event loops, one after the other and at the same time, and what is left behind in them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time

import pytest
import uvloop

from client.tests.scripted import PATIENCE, closed_connections
from client.tests.sides import LATE, QUICK
from client.tests.steps import answer, job
from translation_client import AsyncTranslationStatusClient, WaitTimeoutError


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
        with pytest.raises(WaitTimeoutError):
            await client.wait("j1", timeout=0.1)
        return time.monotonic() - deadline

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        client = AsyncTranslationStatusClient(server.url, "admin", "pw", **QUICK)
        for _ in range(5):
            assert 0 <= runner.run(late(client)) <= LATE
        runner.run(client.close())


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
