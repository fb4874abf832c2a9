"""Waiting with real parts: our client, our server, a socket between them."""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from server_process import ServerProcess
from translation_client import (
    AsyncTranslationStatusClient,
    JobNotFoundError,
    JobStatus,
    TranslationStatusClient,
    WaitTimeoutError,
)

TOLD_WITHIN = 0.25  # seconds; what a busy machine may add. The benchmark tells how fast it is.


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server"), MIN_DELAY="0", MAX_DELAY="1") as running:
        yield running


@pytest.fixture
def client(server):
    with TranslationStatusClient(server.base_url, server.username, server.password, timeout=30) as ours:
        yield ours


def scripted(client, *durations, outcome="completed"):
    return [client.start_job(simulate={"duration": duration, "outcome": outcome}) for duration in durations]


def test_one_wait_is_one_request(client):
    """A wait for one job is one status request, held by the server, and told at its end."""
    [job_id] = scripted(client, 1.2)
    job = client.wait(job_id)
    assert job.status is JobStatus.COMPLETED
    assert (job.wait_stats.polls, job.wait_stats.held, job.wait_stats.learnt_by) == (1, 1, "long poll")
    assert job.wait_stats.detection_delay < TOLD_WITHIN


def wait_in_another_client(server, tell, job_id):
    """A wait of a blocking client for a job it did not start."""
    with server.client() as client:
        return client.wait(job_id, on_status_change=tell)


def await_in_another_client(server, tell, job_id):
    """A wait of an asynchronous client for a job it did not start."""

    async def wait():
        async with AsyncTranslationStatusClient(server.base_url, server.username, server.password) as client:
            return await client.wait(job_id, on_status_change=tell)

    return asyncio.run(wait())


@pytest.mark.parametrize("wait", [wait_in_another_client, await_in_another_client])
@pytest.mark.parametrize("named", [True, False])
def test_a_job_of_another_client_is_told_at_first_sight(stepped, pool, until, wait, named):
    """While the server's time stands still, and nothing held is answered, a callback is told; then of the end."""
    told = []
    with stepped.client() as starter:
        job_id = starter.start_job()
    waiting = pool.submit(wait, stepped, lambda job: told.append(str(job.status)), job_id if named else None)
    until(lambda: stepped.held == 1)
    assert told == ["pending"]
    stepped.clock.advance(5400.0)
    assert waiting.result().wait_stats.polls == 2
    assert told == ["pending", "completed"]


def test_many_jobs_are_two_requests(client):
    """Two hundred jobs are two requests after their starts, told in the order of ending."""
    job_ids = scripted(client, *(1.5 + (n * 37 % 200) / 200 for n in range(200)))
    jobs = list(client.as_completed(job_ids))
    assert sorted(job.job_id for job in jobs) == sorted(job_ids)
    assert [job.ended_at for job in jobs] == sorted(job.ended_at for job in jobs)
    assert jobs[-1].wait_stats.polls == 2
    delays = [job.wait_stats.detection_delay for job in jobs if job.wait_stats.learnt_by == "stream"]
    assert len(delays) > 100
    assert statistics.median(delays) < TOLD_WITHIN


def test_wait_all_keeps_the_order_given(client):
    """wait_all returns the jobs in the order given, each as often as it was named, in error or not."""
    job_ids = [*scripted(client, 0.6), *scripted(client, 0.1, outcome="error"), *scripted(client, 0.3)]
    asked = [*job_ids, job_ids[0]]
    jobs = client.wait_all(iter(asked))
    assert [job.job_id for job in jobs] == asked
    assert jobs[1].error.code == "translation_failed"
    assert client.wait_all([]) == []


def test_cancellation_wakes_a_wait_and_a_stream(client):
    """A job that is cancelled elsewhere is told at once, as an error with the code cancelled."""
    first, second = scripted(client, 25, 25)
    began = time.monotonic()
    for job_id in (first, second):
        threading.Timer(0.5, client.cancel_job, [job_id]).start()
    assert client.wait(first).error.code == "cancelled"
    assert next(client.as_completed([second])).error.code == "cancelled"
    assert time.monotonic() - began < 5


def test_deadline_of_many_names_the_ones_left(client):
    """At the deadline the jobs that have ended were given, and the others are named."""
    job_ids = scripted(client, 0.1, 60)
    given, began = [], time.monotonic()
    with pytest.raises(WaitTimeoutError) as info:
        given.extend(client.as_completed(job_ids, timeout=1.0))  # extend keeps what came before the error
    assert info.value.pending == (job_ids[1],)
    assert 1.0 <= time.monotonic() - began < 1.0 + TOLD_WITHIN
    client.cancel_job(job_ids[1])


def test_unknown_job_among_many_is_named(client):
    """A job nobody knows ends the wait for many with its name."""
    [job_id] = scripted(client, 60)
    with pytest.raises(JobNotFoundError, match="nobody"):
        client.wait_all([job_id, "nobody"])
    client.cancel_job(job_id)


def test_leaving_early_leaves_nothing_behind(client):
    """A loop over as_completed that is left early closes its stream and its thread."""
    job_ids = scripted(client, 0.1, 60)
    for _ in client.as_completed(job_ids):
        break
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("translation-client")]
    assert names == []
    client.cancel_job(job_ids[1])


def test_a_server_killed_under_a_stream_loses_nothing(tmp_path):
    """A server that is killed and comes back finds the stream resumed: every job is told once."""
    with ServerProcess(tmp_path) as server:
        client = TranslationStatusClient(server.base_url, server.username, server.password, timeout=60)
        job_ids = scripted(client, *(0.15 * n for n in range(1, 21)))
        told = []
        for job in client.as_completed(job_ids):
            told.append(job.job_id)
            if len(told) == 3:
                server.kill()
                server.start()
        assert sorted(told) == sorted(job_ids)
        assert job.wait_stats.failures >= 1
        client.close()


class PlainHandler(BaseHTTPRequestHandler):
    """The simplest status API there is: no stream, no query, no hold, no hint, not even a job_id."""

    protocol_version = "HTTP/1.1"
    ends: dict

    def do_GET(self):
        known = self.ends.get(self.path.removeprefix("/status/"))
        if known is None:
            self.answer(404, {"detail": "Not Found"})
        else:
            self.answer(200, {"status": "completed" if time.monotonic() >= known else "pending"})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.answer(404, {"detail": "Not Found"})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        self.wfile.write(head + body)

    def log_message(self, *_):
        pass


@pytest.fixture
def plain_server():
    class Handler(PlainHandler):
        ends: dict = {}  # noqa: RUF012 - one server, one test

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server, Handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("count", [5, 100])
def test_many_jobs_of_a_plain_server_are_polled_side_by_side(plain_server, count):
    """A server without a stream is polled job by job, few or many at a time, and all are told."""
    server, handler = plain_server
    now = time.monotonic()
    handler.ends.update({f"j{n}": now + 0.5 + n / count for n in range(count)})
    with TranslationStatusClient(f"http://127.0.0.1:{server.server_port}", "u", "p", initial_delay=0.2) as client:
        jobs = list(client.as_completed(handler.ends, timeout=20))
        assert sorted(job.job_id for job in jobs) == sorted(handler.ends)
        with pytest.raises(JobNotFoundError):
            client.wait_all([*handler.ends, "nobody"])


def test_plain_server_deadline_is_kept_by_many_waits(plain_server):
    """Also side by side, the deadline is kept."""
    server, handler = plain_server
    handler.ends.update({f"j{n}": time.monotonic() + 60 for n in range(40)})
    with TranslationStatusClient(f"http://127.0.0.1:{server.server_port}", "u", "p") as client:
        began = time.monotonic()
        with pytest.raises(WaitTimeoutError) as info:
            client.wait_all(handler.ends, timeout=1.0)
        assert sorted(info.value.pending) == sorted(handler.ends)
        assert 1.0 <= time.monotonic() - began < 1.0 + TOLD_WITHIN
