"""``Retry-After``: kept where it says something, ignored where it does not, and never the end of patience."""

from __future__ import annotations

import pytest

from client.tests.sides import timed
from client.tests.steps import answer, job
from translation_client import JobStatus, WaitTimeoutError

DATES = {"Retry_After": "Sat, 31 Jan 2026 12:00:01 GMT", "Date": "Sat, 31 Jan 2026 12:00:00 GMT"}


@pytest.mark.parametrize(("status", "pause"), [(429, {"Retry_After": "1"}), (503, DATES)], ids=["seconds", "date"])
def test_no_request_before_retry_after_is_over(client, server, status, pause):
    """A pause the server asks for is kept, also where it is given as a date."""
    server.play(answer(status, **pause), job("completed"))
    assert client.wait("j1").status is JobStatus.COMPLETED
    first, second = server.polls
    assert 1.0 <= second.at - first.at < 2.0


NO_PAUSE = {
    "negative": "-5",
    "not a number": "NaN",
    "infinite": "inf",
    "words": "soon",
    "empty": "",
    "past date": "Sat, 31 Jan 1970 12:00:00 GMT",
    "broken date": "Sat, 99 Foo 2026 99:99:99 GMT",
    "bytes": b"\xff\xfe\xc3\x28",
    "digits of another script": "\u0665".encode(),
}


@pytest.mark.parametrize("value", NO_PAUSE.values(), ids=NO_PAUSE)
def test_a_retry_after_that_says_nothing_is_ignored(client, server, value):
    """Whatever bytes stand in Retry-After, the wait goes on."""
    server.play(answer(503, Retry_After=value), job("completed"))
    outcome, seconds = timed(client.wait_for_completion, "j1")
    assert (outcome, len(server.polls)) == (JobStatus.COMPLETED, 2)
    assert seconds < 1.0


@pytest.mark.parametrize("value", ["60", "999999999", "9" * 5000])
def test_a_pause_beyond_the_deadline_ends_the_wait_at_once(client, server, value):
    """There is nothing to wait for where the server wants no request before the deadline; the error says so."""
    server.play(answer(503, Retry_After=value))
    outcome, seconds = timed(client.wait, "j1")
    assert isinstance(outcome, WaitTimeoutError)
    assert "Retry-After" in str(outcome)
    assert (len(server.polls), seconds < 1.0) == (1, True)
