"""What ends a wait and what does not, in virtual time."""

from __future__ import annotations

import math

import pytest

from client.tests.virtual import BEGIN, LATE, ROUNDING, TRANSIENT, Server, ok, refused, stall, status, wait
from translation_client import (
    AuthenticationError,
    InvalidRequestError,
    JobNotFoundError,
    JobStatus,
    ProtocolError,
    RateLimitError,
    StatusUnavailableError,
    WaitTimeoutError,
)


@pytest.mark.parametrize("timeout", [0.0, 0.3, 1.0, 7.5, 30.0, 31.2])
@pytest.mark.parametrize("long_poll", [True, False])
def test_deadline_is_kept_with_a_last_look(timeout, long_poll):
    """WaitTimeoutError comes at the deadline, after one last request sent in its final moments."""
    run = wait(Server(ends=math.inf, long_poll=long_poll), timeout=timeout)
    assert isinstance(run.error, WaitTimeoutError)
    assert isinstance(run.error, TimeoutError)
    assert timeout - ROUNDING <= run.over <= timeout + LATE
    assert timeout - 0.01 <= run.moments[-1] <= timeout + ROUNDING
    assert run.error.timeout == timeout
    assert run.error.polls == len(run.moments)


@pytest.mark.parametrize("timeout", [1.5, 3.5, 30.5, 31.2])
def test_a_hold_that_ends_just_before_the_deadline_is_followed_by_the_last_look(timeout):
    """Where there is no time for another hold, nothing is asked at once that was answered a moment ago."""
    run = wait(Server(ends=math.inf, long_poll=True), timeout=timeout)
    assert len(run.moments) == (2 if timeout < 31 else 3)


@pytest.mark.parametrize("long_poll", [True, False])
@pytest.mark.parametrize("round_trip", [0.001, 0.05, 0.2])
def test_job_that_ends_just_before_the_deadline_is_found(long_poll, round_trip):
    """A job that ends shortly before the deadline is found by the last look."""
    run = wait(Server(ends=9.7, round_trip=round_trip, long_poll=long_poll), timeout=10.0, max_delay=60.0)
    assert run.error is None
    assert run.job.status == "completed"


@pytest.mark.parametrize("fault", [stall, refused, status(503), status(503, took=5.0)], ids=range(4))
def test_no_fault_outlasts_the_deadline(fault):
    """However the server fails, the wait is over at its deadline, with the last failure named."""
    run = wait(Server(faults=[(0, math.inf, fault)]), timeout=12.0)
    assert isinstance(run.error, WaitTimeoutError)
    assert 12.0 <= run.over <= 12.0 + LATE
    assert run.error.last_error is not None


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, JobNotFoundError),
        (410, JobNotFoundError),
        (400, InvalidRequestError),
        (422, InvalidRequestError),
        (418, InvalidRequestError),
        (301, ProtocolError),
        (302, ProtocolError),
        (308, ProtocolError),
        (304, ProtocolError),
    ],
)
def test_refusals_are_never_retried(code, error):
    """An answer that no retry can mend ends the wait with one request and a typed error that names the job."""
    run = wait(Server(faults=[(0, math.inf, status(code, body=b'{"detail": "no\\nway"}'))]))
    assert type(run.error) is error
    assert len(run.moments) == 1
    assert "j1" in str(run.error)
    assert "\n" not in str(run.error)
    assert (run.error.job_id, run.error.polls, run.error.status_code) == ("j1", 1, code)


@pytest.mark.parametrize("name", TRANSIENT)
def test_transient_failures_are_ridden_out(name):
    """A fault that lasts a minute does not end the wait, and the end is known within one step after it."""
    run = wait(Server(ends=30.0, faults=[(1.0, 61.0, TRANSIENT[name])]))
    assert run.error is None
    assert run.job.status == "completed"
    assert run.over <= 61.0 + 16.0
    assert run.job.wait_stats.failures > 0


def test_max_retries_counts_consecutive_failures():
    """max_retries failures in a row are tolerated; one more ends the wait with its cause."""
    run = wait(Server(faults=[(0, math.inf, status(500))]), max_retries=3)
    assert isinstance(run.error, StatusUnavailableError)
    assert len(run.moments) == 4
    assert run.error.__cause__.status_code == 500


def test_an_answer_starts_the_count_of_failures_anew():
    """Failures that are not consecutive do not add up."""
    server = Server(ends=60.0)

    def every_second(request, t):
        return status(500)(request, t) if len(server.requests) % 2 else (ok(server.job(t)), 0.001)

    server.faults = [(0, 60, every_second)]
    run = wait(server, max_retries=1)
    assert run.job.status == "completed"
    assert run.job.wait_stats.failures > 3


def test_max_polls_is_a_limit_on_status_requests():
    """max_polls requests are made, not one more, and then the wait ends at once."""
    run = wait(Server(ends=math.inf), max_polls=5)
    assert isinstance(run.error, StatusUnavailableError)
    assert len(run.moments) == 5
    assert run.error.last_job.status == "pending"


def test_retry_after_beyond_the_deadline_raises_at_once():
    """A server that asks for more patience than there is ends the wait at once, and is quoted."""
    run = wait(Server(faults=[(0, math.inf, status(503, retry_after="999999999"))]), timeout=60.0)
    assert isinstance(run.error, WaitTimeoutError)
    assert run.over < 0.1
    assert "1e+09" in str(run.error)
    assert "Retry-After" in str(run.error)


@pytest.mark.parametrize("value", ["7", "7.5", "Tue, 14 Nov 2023 22:13:27 GMT"])
def test_retry_after_of_a_failure_is_obeyed(value):
    """After a 429 or 503 no request comes before its Retry-After is over, given as seconds or as a date."""
    faults = [(0, 1, status(429, retry_after=value, date="Tue, 14 Nov 2023 22:13:20 GMT"))]
    run = wait(Server(ends=8.0, faults=faults))
    assert run.moments[1] >= 7.0
    assert run.job.status == "completed"


@pytest.mark.parametrize("value", ["-5", "soon", "nan", "inf", "", "\x00", "٣", "Tue, 99 Foo", "1e3", "0x10", "5, 10"])
def test_unreadable_retry_after_is_as_good_as_none(value):
    """Whatever stands in Retry-After, the wait goes on by its own schedule."""
    run = wait(Server(ends=3.0, faults=[(0, 1, status(503, retry_after=value))]))
    assert run.job.status == "completed"
    assert run.moments[1] <= 0.6


def test_rate_limit_carries_its_pause():
    """The failure kept for the user after a 429 is RateLimitError, with the seconds asked for."""
    run = wait(Server(faults=[(0, math.inf, status(429, retry_after="3"))]), max_retries=1)
    assert isinstance(run.error.__cause__, RateLimitError)
    assert run.error.__cause__.retry_after == 3.0


def test_404_right_after_the_start_is_retried():
    """A job started moments ago may not have reached every replica: its 404 is transient for a few seconds."""
    run = wait(Server(ends=5.0, faults=[(0, 1.0, status(404))]), facts={"fresh_until": BEGIN + 5.0})
    assert run.job.status == "completed"


def test_404_that_lasts_is_believed():
    """After those seconds a 404 is the answer."""
    run = wait(Server(faults=[(0, math.inf, status(404))]), facts={"fresh_until": BEGIN + 5.0})
    assert type(run.error) is JobNotFoundError
    assert run.over >= 5.0


def test_unknown_status_is_not_terminal_and_warned_of_once(caplog):
    """A status this version does not know keeps the wait going, with one warning."""
    server = Server(ends=30.0)
    server.faults = [(0, 20, lambda _r, t: (ok(server.job(t) | {"status": "archiving"}), 0.001))]
    run = wait(server)
    assert run.job.status == "completed"
    assert run.over >= 30.0
    assert sum("archiving" in r.message for r in caplog.records if r.levelname == "WARNING") == 1


def test_job_in_error_is_returned_not_raised():
    """A job that ends in error is a result; raise_for_error turns it into an exception."""
    server = Server(outcome="error", extra={"error": {"code": "translation_failed", "message": "no luck"}})
    run = wait(server)
    assert run.job.status is JobStatus.ERROR
    with pytest.raises(Exception, match="translation_failed: no luck"):
        run.job.raise_for_error()
