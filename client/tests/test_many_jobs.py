"""Waiting for many jobs on a real connection: one stream, and whatever becomes of it."""

from __future__ import annotations

import threading

import pytest

from client.tests.scripted import PATIENCE
from client.tests.sides import LATE, timed
from client.tests.steps import (
    after,
    answer,
    body_drips,
    closed,
    half_a_body,
    head_drips,
    job,
    jobs,
    no_http,
    reset,
    stalled,
    stream,
)
from translation_client import InvalidRequestError, JobNotFoundError, JobStatus, WaitTimeoutError

IDS = ["j1", "j2", "j3"]


def test_jobs_are_given_in_the_order_of_their_ending(client, server):
    """All of them take one stream and one query, and come as they end; repeated ids come once."""
    server.play(stream("j3", "j1", "other", "j2", then=stalled), to="streams")
    server.play(jobs("pending"), to="queries")
    found = client.as_completed([*IDS, "j1"])
    assert [found_job.job_id for found_job in found] == ["j3", "j1", "j2"]
    assert [seen.kind for seen in server.seen] == ["streams", "queries"]


@pytest.mark.parametrize(("told", "error"), [(IDS, None), (IDS[:2], WaitTimeoutError)], ids=["all ended", "deadline"])
def test_the_stream_ends_with_the_wait(client, server, told, error):
    """Once the wait is over the server need not hold the stream any longer, though the client stays open."""
    left = threading.Event()

    async def until_it_leaves(turn):
        await turn.reader.read()
        left.set()

    server.play(stream(*told, then=until_it_leaves), to="streams")
    server.play(jobs("pending"), to="queries")
    outcome, _ = timed(client.wait_all, IDS, timeout=0.5)
    assert isinstance(outcome, error or list)
    client.get_status("j1")  # the asynchronous client closes connections while its event loop runs
    assert left.wait(PATIENCE)


def test_wait_all_keeps_the_order_given(client, server):
    """wait_all returns the jobs in the order asked for, each as often as it was named."""
    server.play(stream("j3", "j1", "j2", then=stalled), to="streams")
    server.play(jobs("pending"), to="queries")
    assert [found.job_id for found in client.wait_all([*IDS, "j1"])] == [*IDS, "j1"]


def test_jobs_that_had_ended_are_told_by_the_query(client, server):
    """What ended before the stream was opened is not missed."""
    server.play(stream("j3", then=stalled), to="streams")
    server.play(jobs("pending", j1="completed", j2="error"), to="queries")
    assert [found.status for found in client.wait_all(IDS)] == ["completed", "error", "completed"]


AFTER_J1 = {"j1-1"}
ANEW = {None}
SOMEWHERE = {None, "0", "j1-1"}

BROKEN = {
    "ended": (stream("j1"), AFTER_J1),
    "reset": (stream("j1", then=after(0.05, reset)), AFTER_J1),
    "refused with 503": (answer(503), ANEW),
    "closed without an answer": (closed, ANEW),
    "half a body": (half_a_body, ANEW),
    "no HTTP": (no_http, ANEW),
    "no UTF-8": (stream("j1", b"data: \xff\xfe\n\n", then=stalled), SOMEWHERE),
    "an event without an end": (stream("j1", b"data: " + b"x" * (5 * 2**20), then=stalled), SOMEWHERE),
}


@pytest.mark.parametrize(("fault", "resumed_from"), BROKEN.values(), ids=BROKEN)
def test_a_stream_that_breaks_is_resumed(client, server, fault, resumed_from):
    """A stream that breaks is opened again from where it broke off; each job comes once."""
    server.play(fault, stream("j2", "j1", "j3", then=stalled), to="streams")
    server.play(jobs("pending"), to="queries")
    assert sorted(found.job_id for found in client.as_completed(IDS)) == IDS
    first, second = (seen.headers for seen in server.seen if seen.kind == "streams")
    assert first.get("last-event-id") is None
    assert second.get("last-event-id") in resumed_from


@pytest.mark.parametrize("status", [404, 405, 406, 410, 501])
def test_a_server_without_streams_is_asked_for_each_job(client, server, status):
    """Where there is no stream, each job is waited for by itself, at the same time."""
    server.play(answer(status), to="streams")
    server.play(after(0.2, job("completed")))
    found, seconds = timed(client.as_completed, [f"j{n}" for n in range(20)])
    assert {each.status for each in found} == {JobStatus.COMPLETED}
    assert (len(found), seconds < 2.0) == (20, True)


def test_an_unknown_job_ends_the_wait_for_all(client, server):
    """A job the server does not know is named in the error."""
    server.play(stream(then=stalled), to="streams")
    server.play(answer(200, b'{"jobs": [], "next_cursor": null}'), to="queries")
    with pytest.raises(JobNotFoundError, match="j1"):
        client.wait_all(["j1"])


@pytest.mark.parametrize("to", ["streams", "queries"])
def test_a_refusal_is_one_request(client, server, to):
    """What no retry can mend ends the wait for many at once."""
    server.play(stream(then=stalled), to="streams")
    server.play(answer(400), to=to)
    with pytest.raises(InvalidRequestError):
        client.wait_all(IDS)
    assert len([seen for seen in server.seen if seen.kind == to]) == 1


SILENT = {
    "silent": stream(then=stalled),
    "drips": stream(then=body_drips),
    "never opened": stalled,
    "opened slowly": head_drips,
    "ends again and again": stream("other"),
}


@pytest.mark.parametrize("fault", SILENT.values(), ids=SILENT)
def test_the_deadline_holds_for_all_of_them(client, server, fault):
    """At the deadline the wait for many is over, and the error names who is left."""
    server.play(fault, to="streams")
    server.play(jobs("pending", j1="completed"), to="queries")
    server.play(job("pending"))
    outcome, seconds = timed(client.wait_all, IDS, timeout=0.3)
    assert isinstance(outcome, WaitTimeoutError)
    assert set(outcome.pending) in ({"j2", "j3"}, set(IDS))
    assert 0.3 <= seconds <= 0.3 + LATE
