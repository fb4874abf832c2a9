"""What a wait writes into the log, for a person to read."""

from __future__ import annotations

import logging
import re

import pytest

from client.tests.steps import after, answer, job, jobs, stalled, stream
from translation_client import StatusUnavailableError, WaitTimeoutError
from translation_client._core.record import Tally


@pytest.fixture
def log(caplog):
    """Gives the messages logged since, at a level or above."""
    caplog.set_level(logging.DEBUG, "translation_client")

    def messages(level=logging.INFO):
        return [r.getMessage() for r in caplog.records if r.name == "translation_client" and r.levelno >= level]

    return messages


def test_a_wait_reads_from_the_first_status_to_the_end(client, server, log):
    """The first status, each pause and each poll with the time elapsed, and the end, each in a line with the job."""
    server.play(job("pending"), job("pending"), job("completed"))
    client.wait("j1")
    shapes = (re.sub(r"\d+\.\d+", "0.0", line) for line in log())
    assert list(shapes) == [
        "job j1: Initial status: pending",
        "job j1: Sleeping for 0.0 s before poll #2",
        "job j1: Poll #2 after 0.0 s: pending",
        "job j1: Sleeping for 0.0 s before poll #3",
        "job j1: completed after 0.0 s; polls: 3 (0 held, 0 failed), learnt by poll, detection delay unknown",
    ]


def test_no_pause_is_no_line(client, server, log):
    """After a held request the next one comes at once, and the log does not say "Sleeping for 0 s"."""
    server.play(after(0.02, job("pending", headers={"Preference-Applied": "wait=30"})), job("completed"))
    assert client.wait("j1").wait_stats.polls == 2
    assert [line for line in log() if "Sleeping" in line] == []


def test_a_failure_names_the_job_once(client, server, log):
    """The line of a poll that failed, and the error of a wait that did, do not stammer."""
    server.play(answer(503, Retry_After="999"))
    with pytest.raises(WaitTimeoutError) as raised:
        client.wait("j1", timeout=60)  # which ends at once: it would be over before the server may be asked again
    assert "job j1: Poll #1 failed: the server answered 503" in log()
    assert str(raised.value).count("job j1") == 1


def test_a_wait_without_id_looks_before_it_may_be_held(client, server, log):
    """The latest job is named, and its status logged, within a second: a held request would tell only its end."""
    server.play(job("pending", job_id="j7"), job("completed"))
    client.wait()
    assert log()[0] == "job j7: Initial status: pending"
    assert server.polls[0].headers["prefer"] == "wait=1"
    assert [seen.target for seen in server.polls] == ["/status", "/status/j7"]


@pytest.mark.parametrize("number", [1, 20, 21, 1000])
def test_however_many_jobs_twenty_ends_are_news(number):
    """Of up to twenty jobs each end is a line at INFO; of more, every twentieth part, and always the last."""
    tally = Tally(number)
    levels = [tally.count_end() for _ in range(number)]
    assert levels.count(logging.INFO) == min(number, 20)
    assert levels[-1] == logging.INFO


@pytest.mark.parametrize("has_stream", [True, False])
def test_many_jobs_do_not_flood_the_log(client, server, log, has_stream):
    """A hundred jobs make about twenty lines at INFO, with a stream or without, and each its own at DEBUG."""
    ids = [f"job-{number}" for number in range(100)]
    server.play(jobs("pending"), to="queries")
    server.play(stream(*ids, then=stalled) if has_stream else answer(404), to="streams")
    client.wait_all(ids)
    assert len(log()) <= 24
    assert log()[0] == "waiting for 100 jobs (job-0, job-1, job-2, …)"
    assert sum(": completed after" in line for line in log(logging.DEBUG)) == 100


def test_what_nobody_answered_names_the_server(make_side, closed_port):
    """Where nobody listens, the message says where, why, how often it was tried, and what to look at."""
    url = f"http://127.0.0.1:{closed_port}"
    client = make_side(url, "admin", "secretpassword", max_retries=1, max_delay=0.5)
    with pytest.raises(Exception, match="no job was started: max_retries=1 used up") as refused:
        client.start_job()
    assert f"({url}, tried 2 times in " in str(refused.value)
    assert str(refused.value).endswith("last failure: connection refused; is the server running there?")
    with pytest.raises(StatusUnavailableError, match=f"no status from {url} after .*last failure: connection refused"):
        client.wait("j1")


def test_a_start_that_only_names_the_job_is_one(client, server, log):
    """A plain server need not tell the status of what it just accepted: it is pending, and nothing to warn of."""
    server.play(answer(201, b'{"job_id": "j1"}'), to="starts")
    assert client.start_job() == "j1"
    assert client.wait("j1").status == "completed"
    assert log(logging.WARNING) == []
