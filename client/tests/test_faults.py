"""What goes wrong on the wire, and what becomes of the wait: it goes on, or ends with an error that says why."""

from __future__ import annotations

import pytest

from client.tests.steps import (
    after,
    answer,
    answered_then_closed,
    body_drips,
    body_stalled,
    closed,
    endless_body,
    endless_head,
    endless_heads,
    gzip_bomb,
    half_a_body,
    head_drips,
    job,
    no_gzip,
    no_http,
    only_held,
    reset,
    stalled,
)
from translation_client import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    JobNotFoundError,
    JobStatus,
    ProtocolError,
    RateLimitError,
    StatusUnavailableError,
    WaitTimeoutError,
)
from translation_client._core.schedule import LongPoll

HTML = b"<!doctype html><html><body>Bad gateway</body></html>"

OVER_AT_ONCE = {
    "reset": reset,
    "closed without an answer": closed,
    "half a body": half_a_body,
    "no HTTP": no_http,
    "endless head": endless_head,
    "not the gzip it says": no_gzip,
    "gzip bomb": gzip_bomb(64),
    "endless body": endless_body,
    "empty 200": answer(200),
    "HTML 200": answer(200, HTML),
    "truncated JSON": answer(200, b'{"job_id": "j1", "status": "comp'),
    "JSON with NaN": answer(200, b'{"job_id": "j1", "status": "completed", "progress": NaN}'),
    "no UTF-8": answer(200, b'{"job_id": "j1", "status": "completed\xff"}'),
    "a list": answer(200, b"[]"),
    "no status": answer(200, b'{"job_id": "j1"}'),
    "another job": job("completed", job_id="j2"),
    **{str(status): answer(status, HTML) for status in (408, 425, 429, 500, 501, 502, 503, 504, 599)},
}
"""Transient failures that end by themselves."""

NEVER_OVER = {
    "no answer": stalled,
    "head drips": head_drips,
    "body drips": body_drips,
    "body stalled": body_stalled,
    "endless 100 Continue": endless_heads,
}
"""Those that only the client's own timeout ends."""


@pytest.mark.parametrize("fault", OVER_AT_ONCE.values(), ids=OVER_AT_ONCE)
def test_transient_failures_are_ridden_out(client, server, fault):
    """A wait goes on through every failure that may be over the next moment, three times in a row, and gets the job."""
    server.play(fault, fault, fault, job("completed"))
    assert client.wait_for_completion("j1") is JobStatus.COMPLETED
    assert len(server.polls) == 4


WORDS = {
    "reset": "connection reset by peer",
    "closed without an answer": "the server closed the connection without an answer",
    "half a body": "the answer broke off",
    "no HTTP": "the answer was no HTTP",
    "endless head": "the answer was no HTTP",
    "not the gzip it says": "the answer could not be decompressed",
    "gzip bomb": "the answer is longer than 16777216 bytes",
    "endless body": "the answer is longer than 16777216 bytes",
    "HTML 200": "job j1: the answer (200, 52 bytes) was not understood: its body is no JSON",
    "another job": "job j1: the answer (200, 134 bytes) was not understood: it is about another job, 'j2'",
    "503": "job j1: the server answered 503",
}


@pytest.mark.parametrize(("name", "words"), WORDS.items(), ids=WORDS)
def test_max_retries_ends_the_wait_with_the_failure_in_plain_words(make_side, server, name, words):
    """After so many failures in a row the wait ends; the last failure is the cause, in the words of neither library."""
    server.play(OVER_AT_ONCE[name])
    client = make_side(server.url, "admin", "pw", initial_delay=0.02, max_delay=0.05, max_retries=2)
    with pytest.raises(StatusUnavailableError, match="max_retries=2") as caught:
        client.wait("j1")
    assert str(caught.value.__cause__) == words
    assert f"last failure: {words.removeprefix('job j1: ')}; " in str(caught.value)
    assert len(server.polls) == 3


def test_a_lasting_failure_ends_as_a_timeout_that_tells_it(make_side, server):
    """Where it never ends, the error at the deadline carries the last failure."""
    server.play(answer(503))
    client = make_side(server.url, "admin", "pw", initial_delay=0.05, max_delay=0.1, timeout=0.25)
    with pytest.raises(WaitTimeoutError, match=r"j1.*the server answered 503") as caught:
        client.wait("j1")
    assert (caught.value.timeout, caught.value.last_error.status_code) == (0.25, 503)


@pytest.mark.parametrize("fault", NEVER_OVER.values(), ids=NEVER_OVER)
def test_a_request_without_an_end_is_given_up(client, server, fault, monkeypatch):
    """A request that is answered too slowly, or never, is abandoned and made again."""
    monkeypatch.setattr(LongPoll, "timeout", staticmethod(lambda _: 0.3))
    server.play(fault, job("completed"))
    assert client.wait_for_completion("j1") is JobStatus.COMPLETED
    assert len(server.polls) == 2


def test_a_connection_that_was_closed_meanwhile_is_made_anew(client, server):
    """A server that promises to keep the connection and closes it costs no failure that anybody notices."""
    server.play(answered_then_closed, answered_then_closed, job("completed"))
    assert client.wait("j1").wait_stats.polls <= 5
    assert client.get_status("j1") is JobStatus.COMPLETED


REFUSED = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: InvalidRequestError,
    403: AuthenticationError,
    404: JobNotFoundError,
    405: InvalidRequestError,
    406: InvalidRequestError,
    409: ApiError,
    410: JobNotFoundError,
    418: InvalidRequestError,
    422: InvalidRequestError,
    101: ProtocolError,
    300: ProtocolError,
    304: ProtocolError,
}


@pytest.mark.parametrize(("status", "kind"), REFUSED.items(), ids=map(str, REFUSED))
def test_what_no_retry_can_mend_is_one_request(client, server, status, kind):
    """A refusal ends the wait with its own error after exactly one request, and says what the server said."""
    body = b"" if status in {101, 304} else b'{"title": "No", "detail": "not like this"}'
    server.play(answer(status, body, Content_Type="application/problem+json"))
    with pytest.raises(kind) as caught:
        client.wait("j1")
    assert (type(caught.value), caught.value.status_code, caught.value.polls) == (kind, status, 1)
    if body:
        assert caught.value.problem["detail"] == "not like this"
        assert "not like this" in str(caught.value)
    assert (caught.value.job_id, len(server.seen)) == ("j1", 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["wait", "start_job"])
def test_a_redirect_is_not_followed(client, server, stranger, status, method):
    """The place a redirect names sees no request, so no credentials; the error names it."""
    redirect = answer(status, Location=f"{stranger.url}/status/j1")
    server.play(redirect)
    server.play(redirect, to="starts")
    with pytest.raises(ProtocolError, match=f"127.0.0.1:{stranger.port}"):
        client.wait("j1") if method == "wait" else client.start_job()
    assert (stranger.connections, len(server.seen)) == (0, 1)


def test_an_unknown_status_is_not_the_end(client, server, caplog):
    """A status of a later version counts as pending, with one warning."""
    server.play(job("dubbing"), job("dubbing"), job("completed"))
    assert client.wait("j1").wait_stats.polls == 3
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "'dubbing'" in warnings[0]


def test_a_job_just_started_may_be_unknown_for_a_moment(client, server):
    """A 404 right after the start is a read that overtook the write, and is retried; any other 404 is the end."""
    job_id = client.start_job()
    server.play(answer(404), answer(404), job("completed"))
    assert client.wait_for_completion(job_id) is JobStatus.COMPLETED
    server.play(answer(404), job("completed"))
    with pytest.raises(JobNotFoundError):
        client.wait("somebody-elses")


def test_a_proxy_that_cuts_held_requests_ends_the_holding(make_side, server):
    """Held requests that are cut are made shorter, then no longer asked for; the wait gets its answer all the same."""
    server.play(only_held(after(1.05, closed), job("pending")), only_held(after(1.05, closed), job("completed")))
    client = make_side(server.url, "admin", "pw", initial_delay=0.02, max_delay=0.05, timeout=8.5, max_retries=0)
    assert client.wait("j1").status is JobStatus.COMPLETED
    assert [seen.headers.get("prefer") for seen in server.polls] == ["wait=8", None]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(answer(503), ApiError), (answer(429, Retry_After="7"), RateLimitError), (closed, StatusUnavailableError)],
    ids=["503", "429", "closed"],
)
def test_a_single_poll_is_not_repeated(client, server, fault, kind):
    """get_job and get_status ask once and raise what came of it."""
    server.play(fault)
    for ask in (client.get_job, client.get_status):
        with pytest.raises(kind) as caught:
            ask("j1")
        assert getattr(caught.value, "retry_after", 7) == 7
    assert len(server.polls) == 2
