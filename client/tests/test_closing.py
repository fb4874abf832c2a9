"""A closed client says so, and whatever was under way ends at once."""

from __future__ import annotations

import asyncio
import os
import re
import threading

import pytest

from client.tests.scripted import PATIENCE, closed_connections
from client.tests.sides import LATE, QUICK, timed
from client.tests.steps import after, answer, body_drips, job, jobs, stalled, stream
from translation_client import AsyncTranslationStatusClient, JobStatus, TranslationStatusClient

CLOSED = "^the client is closed: make a new one$"
CALLS = {
    "start_job": [],
    "wait": ["j1"],
    "wait_for_completion": [],
    "as_completed": [["j1"]],
    "wait_all": [["j1"]],
    "get_job": ["j1"],
    "get_status": [],
    "cancel_job": ["j1"],
    "list_jobs": [],
    "first_jobs": [1],
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_of_a_closed_client_says_so(client, server, name):
    """Nothing is sent any more, and the error names the reason; closing twice changes nothing."""
    client.get_status("j1")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match=CLOSED):
        getattr(client, name)(*CALLS[name])
    assert len(server.seen) == 1


def test_a_closed_client_cannot_be_entered(client):
    """The end of a ``with`` block is the end of the client."""
    client.close()
    with pytest.raises(RuntimeError, match=CLOSED):
        client.enter()


def signalling(came, step):
    """The step, which sets the event when the request has come."""

    async def signal(turn):
        came.set()
        return await step(turn)

    return signal


UNDER_WAY = {
    "a held request": ("wait", ["j1"], {"polls": stalled}),
    "an answer that drips": ("wait", ["j1"], {"polls": body_drips}),
    "a stream": ("wait_all", [["j1", "j2"]], {"queries": jobs("pending"), "streams": stream(then=stalled)}),
    "held requests for many": ("wait_all", [["j1", "j2"]], {"streams": answer(404), "polls": stalled}),
    "a start": ("start_job", [], {"starts": stalled}),
    "a single poll": ("get_job", ["j1"], {"polls": stalled}),
}


@pytest.mark.parametrize(("name", "arguments", "script"), UNDER_WAY.values(), ids=UNDER_WAY)
def test_closing_ends_what_is_under_way(make_side, server, name, arguments, script):
    """A call in another thread or task raises at once, whatever it waits for, and leaves nothing behind."""
    client = make_side(server.url, "admin", "pw", timeout=60.0)
    came = threading.Event()
    for kind, step in script.items():
        server.play(signalling(came, step), to=kind)
    outcome, seconds = client.closed_during(came, name, *arguments)
    assert isinstance(outcome, RuntimeError), outcome
    assert str(outcome) == CLOSED[1:-1]
    assert seconds <= LATE


@pytest.mark.parametrize("jobs_waited_for", [1, 2, 40])
def test_closing_ends_a_pause(make_side, server, jobs_waited_for):
    """A wait that sleeps until its next poll, alone or with others, does not sleep on."""
    client = make_side(server.url, "admin", "pw", timeout=60.0)
    server.play(answer(404), to="streams")
    server.play(job("pending", poll_after=30))
    ids, seen, all_seen = [f"j{number}" for number in range(jobs_waited_for)], [], threading.Event()

    def look(job):
        seen.append(job)
        if len(seen) == jobs_waited_for:
            all_seen.set()  # from here on there is nothing to do but sleep

    call = ("wait", ids[0]) if jobs_waited_for == 1 else ("wait_all", ids)
    outcome, seconds = client.closed_during(all_seen, *call, on_status_change=look)
    assert isinstance(outcome, RuntimeError), outcome
    assert seconds <= LATE


def test_a_callback_may_close_the_client(make_side, server):
    """A wait whose job has ended returns it, though its last callback closed the client."""
    client = make_side(server.url, "admin", "pw", **QUICK)
    server.play(job("pending"), job("completed"))
    assert client.wait_for_completion("j1", on_completion=lambda _: client.client.close()) is JobStatus.COMPLETED
    with pytest.raises(RuntimeError, match=CLOSED):
        client.get_job("j1")


async def test_a_client_closed_in_one_loop_is_closed_in_all(server):
    """Another event loop's wait ends with its next request, and its connections with the loop."""
    came, outcomes = threading.Event(), []
    server.play(signalling(came, job("pending")))
    client = AsyncTranslationStatusClient(server.url, "admin", "pw", **QUICK)
    waiting = threading.Thread(target=lambda: outcomes.append(timed(lambda: asyncio.run(client.wait("j1")))[0]))
    waiting.start()
    assert await asyncio.to_thread(came.wait, PATIENCE)
    await client.close()
    await asyncio.to_thread(waiting.join)
    assert [type(outcome) for outcome in outcomes] == [RuntimeError]
    assert re.match(CLOSED, str(outcomes[0]))
    await closed_connections(server)


def test_a_child_process_that_closes_its_copy_ends_nothing_of_its_parent(server):
    """After a fork the connections are the parent's; the child's copy of the client leaves them alone."""
    came = threading.Event()
    server.play(signalling(came, after(0.3, job("completed"))))
    client = TranslationStatusClient(server.url, "admin", "pw", **QUICK)
    outcomes = []
    waiting = threading.Thread(target=lambda: outcomes.append(timed(client.wait_for_completion, "j1")[0]))
    waiting.start()
    assert came.wait(PATIENCE)
    child = os.fork()
    if child == 0:
        os._exit(_status_of(client.close))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    waiting.join()
    assert outcomes == [JobStatus.COMPLETED]
    assert len(server.polls) == 1
    client.close()


def _status_of(call):
    """0 if the call returns; a child must not go on as a second test run."""
    try:
        call()
    except BaseException:  # noqa: BLE001 - as above
        return 1
    return 0
