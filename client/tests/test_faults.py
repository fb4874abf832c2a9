"""What goes wrong on the wire, and what becomes of the wait: it goes on, or ends with an error that says why."""

from __future__ import annotations

import pytest

from client.tests.scripted import (
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
from client.tests.sides import timed
from translation_client import (
    ApiError,
    AuthenticationError,
    InvalidRequest,
    JobNotFound,
    JobStatus,
    ProtocolError,
    RateLimited,
    StartError,
    StatusUnavailable,
    WaitTimeout,
)
from translation_client._long_poll import LongPoll

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
"""Those that only the client's own patience ends."""


@pytest.mark.parametrize("fault", OVER_AT_ONCE.values(), ids=OVER_AT_ONCE)
def test_transient_failures_are_ridden_out(client, server, fault):
    """A wait goes on through every failure that may be over the next moment, three times in a row, and gets the job."""
    server.play(fault, fault, fault, job("completed"))
    assert client.wait_for_completion("j1") is JobStatus.COMPLETED
    assert len(server.polls) == 4


@pytest.mark.parametrize("fault", OVER_AT_ONCE.values(), ids=OVER_AT_ONCE)
def test_a_lasting_failure_ends_as_a_timeout_that_tells_it(make_side, server, fault):
    """Where it never ends, the error at the deadline carries the last failure."""
    server.play(fault)
    client = make_side(server.url, "admin", "pw", initial_delay=0.05, max_delay=0.1, timeout=0.25)
    with pytest.raises(WaitTimeout, match="j1") as caught:
        client.wait("j1")
    assert caught.value.last_error is not None
    assert str(caught.value.last_error) in str(caught.value)
    assert caught.value.timeout == 0.25


@pytest.mark.parametrize("fault", NEVER_OVER.values(), ids=NEVER_OVER)
def test_a_request_without_an_end_is_given_up(client, server, fault, monkeypatch):
    """A request that is answered too slowly, or never, is abandoned and made again."""
    monkeypatch.setattr(LongPoll, "patience", staticmethod(lambda _: 0.3))
    server.play(fault, job("completed"))
    assert client.wait_for_completion("j1") is JobStatus.COMPLETED
    assert len(server.polls) == 2


def test_a_connection_that_was_closed_meanwhile_is_made_anew(client, server):
    """A server that promises to keep the connection and closes it costs no failure that anybody notices."""
    server.play(answered_then_closed, answered_then_closed, job("completed"))
    assert client.wait("j1").wait_stats.polls <= 5
    assert client.get_status("j1") is JobStatus.COMPLETED


REFUSED = {
    400: InvalidRequest,
    401: AuthenticationError,
    402: InvalidRequest,
    403: AuthenticationError,
    404: JobNotFound,
    405: InvalidRequest,
    406: InvalidRequest,
    409: ApiError,
    410: JobNotFound,
    418: InvalidRequest,
    422: InvalidRequest,
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
    server.play_starts(redirect)
    with pytest.raises(ProtocolError, match=f"127.0.0.1:{stranger.port}"):
        client.wait("j1") if method == "wait" else client.start_job()
    assert (stranger.connections, len(server.seen)) == (0, 1)


# ── Retry-After ─────────────────────────────────────────────────────────────────────────────────────────────────────

PAUSES = {
    "seconds": {"Retry_After": "1"},
    "date": {"Retry_After": "Sat, 31 Jan 2026 12:00:01 GMT", "Date": "Sat, 31 Jan 2026 12:00:00 GMT"},
}


@pytest.mark.parametrize("pause", PAUSES.values(), ids=PAUSES)
@pytest.mark.parametrize("status", [429, 503])
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
    assert isinstance(outcome, WaitTimeout)
    assert "Retry-After" in str(outcome)
    assert (len(server.polls), seconds < 1.0) == (1, True)


# ── further answers ─────────────────────────────────────────────────────────────────────────────────────────────────


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
    with pytest.raises(JobNotFound):
        client.wait("somebody-elses")


def test_a_proxy_that_cuts_held_requests_ends_the_holding(make_side, server):
    """Held requests that are cut are made shorter, then no longer asked for; the wait gets its answer all the same."""
    server.play(only_held(after(1.05, closed), job("pending")), only_held(after(1.05, closed), job("completed")))
    client = make_side(server.url, "admin", "pw", initial_delay=0.02, max_delay=0.05, timeout=8.5, max_retries=0)
    assert client.wait("j1").status is JobStatus.COMPLETED
    assert [seen.headers.get("prefer") for seen in server.polls] == ["wait=8", None]


def test_max_retries_ends_the_wait_with_the_failure_as_its_cause(make_side, server):
    """After so many consecutive failures the wait ends, with the last one as the cause."""
    server.play(answer(503))
    client = make_side(server.url, "admin", "pw", initial_delay=0.02, max_delay=0.05, max_retries=2)
    with pytest.raises(StatusUnavailable, match="max_retries=2") as caught:
        client.wait("j1")
    assert caught.value.__cause__.status_code == 503
    assert len(server.polls) == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(answer(503), ApiError), (answer(429, Retry_After="7"), RateLimited), (closed, StatusUnavailable)],
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


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────────

LOST = {name: OVER_AT_ONCE[name] for name in ("reset", "closed without an answer", "half a body", "HTML 200", "502")}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_lost_answer_to_a_start_is_asked_for_again_with_the_same_key(client, server, fault):
    """However often the answer is lost, every attempt of one start carries one key; another start has another."""
    server.play_starts(*[fault] * 6, job("pending", 202, job_id="j1"))
    assert client.start_job(video_length=10) == "j1"
    keys = [seen.headers["idempotency-key"] for seen in server.seen]
    assert (len(keys), len(set(keys))) == (7, 1)
    assert len({seen.body for seen in server.seen}) == 1
    client.start_job()
    assert server.seen[-1].headers["idempotency-key"] not in keys


@pytest.mark.parametrize(
    ("fault", "maybe"), [(closed, True), (stalled, True), (answer(503), True), (answer(429), False)]
)
def test_a_start_given_up_says_whether_a_job_may_exist(client, server, fault, maybe):
    """The error of a start carries the key to try again with, and whether a request may have been acted on."""
    server.play_starts(fault)
    with pytest.raises(StartError) as caught:
        client.start_job(timeout=0.2)
    assert caught.value.maybe_created is maybe
    assert caught.value.idempotency_key in server.seen[-1].headers["idempotency-key"]


def test_a_start_at_a_closed_door_created_nothing(make_side, closed_port):
    """Where nobody listens, no job was started, and the error says so."""
    client = make_side(f"http://127.0.0.1:{closed_port}", "admin", "pw", initial_delay=0.02, max_delay=0.05)
    with pytest.raises(StartError, match=r"no job was started.*connection refused") as caught:
        client.start_job(timeout=0.2)
    assert caught.value.maybe_created is False
