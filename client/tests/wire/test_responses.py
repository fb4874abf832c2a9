"""Reading answers and building requests: pure functions of bytes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_client import (
    ApiError,
    ErrorDetail,
    InvalidRequestError,
    Job,
    JobNotFoundError,
    JobStatus,
    ProtocolError,
)
from translation_client._wire.arguments import check_job_id, check_video_length
from translation_client._wire.failures import Transient
from translation_client._wire.requests import list_request, query_request, start_request, status_request
from translation_client._wire.responses import Response, applied_wait, read_job, read_jobs, retry_after

FULL = {
    "job_id": "j1",
    "status": "error",
    "created_at": "2026-01-31T12:00:00.123Z",
    "ended_at": "2026-01-31T12:00:05Z",
    "elapsed_time": 4.877,
    "progress": 0.41,
    "poll_after": None,
    "video_length": 10,
    "metadata": {"a": [1]},
    "error": {"code": "translation_failed", "message": "no luck"},
    "something": "new",
}


def answer(content, status=200, **headers):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_every_field_of_a_job_is_read():
    """All fields of the wire format arrive, typed; unknown ones are kept in raw."""
    assert read_job(answer(FULL), "j1") == Job(
        job_id="j1",
        status=JobStatus.ERROR,
        created_at=datetime(2026, 1, 31, 12, 0, 0, 123000, UTC),
        ended_at=datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC),
        elapsed_time=4.877,
        progress=0.41,
        poll_after=None,
        video_length=10.0,
        metadata={"a": [1]},
        error=ErrorDetail("translation_failed", "no luck"),
    )
    assert read_job(answer(FULL)).raw["something"] == "new"


def test_a_plain_server_needs_only_a_status():
    """A server that says nothing but the status is understood, for the job asked for."""
    assert read_job(answer({"status": "completed"}), "j1").job_id == "j1"


@pytest.mark.parametrize("name", ["elapsed_time", "progress", "poll_after", "video_length", "created_at", "metadata"])
@pytest.mark.parametrize("value", [-1, "soon", True, [], {}, 10**400, None])
def test_fields_that_make_no_sense_are_as_good_as_absent(name, value):
    """Details the server got wrong do not hide the status."""
    job = read_job(answer(FULL | {name: value}), "j1")
    assert job.status == "error"
    assert math.isfinite(job.elapsed_time)
    assert 0 <= job.progress <= 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 10_000, "no JSON"),
        (b'{"status": "completed", "progress": Infinity}', "no JSON"),
        ([], "no object"),
        ({"job_id": "j1"}, "no status"),
        ({"job_id": "j1", "status": ""}, "no status"),
        ({"job_id": "j2", "status": "completed"}, "another job, 'j2'"),
        ({"job_id": 7, "status": "completed"}, "no job_id"),
    ],
)
def test_malformed_answers_are_transient(content, why):
    """A success that holds no such job is a failure worth retrying, with a ProtocolError that says why."""
    seen = read_job(answer(content), "j1")
    assert isinstance(seen, Transient)
    assert isinstance(seen.error, ProtocolError)
    assert why in str(seen.error)


def test_an_answer_to_a_start_must_name_its_job():
    """Without a job asked for, an answer without a job_id is not understood."""
    assert isinstance(read_job(answer({"status": "pending"})), Transient)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_redirects_are_refused_by_name(status):
    """A redirect is a typed error that names its target."""
    with pytest.raises(ProtocolError, match="redirect to http://elsewhere/, not followed"):
        read_job(answer(b"", status, location="http://elsewhere/"))


def test_problem_details_stand_in_the_error():
    """The detail of problem+json is in the message, all of it in .problem, and control characters nowhere."""
    with pytest.raises(InvalidRequestError, match="422: no such field") as info:
        read_job(answer({"title": "t", "detail": "no such\nfield\x1b", "errors": [1]}, 422), "j1")
    assert info.value.problem["errors"] == [1]
    assert "\x1b" not in str(info.value)


def test_conflict_is_a_plain_api_error():
    """A 409 is an ApiError with that status code."""
    with pytest.raises(ApiError) as info:
        read_job(answer(b"", 409), "j1")
    assert (type(info.value), info.value.status_code) == (ApiError, 409)


@pytest.mark.parametrize(("status", "maybe"), [(429, False), (408, False), (500, True), (502, True), (503, True)])
def test_failures_say_whether_the_server_may_have_acted(status, maybe):
    """After a 5xx a job may exist; after 408, 425 and 429 none does."""
    assert read_job(answer(b"", status)).maybe_received is maybe


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 9.0),
        ("Friday, 31-Dec-99 23:59:59 GMT", 9.0),
        ("Fri Dec 31 23:59:59 1999", 9.0),
        ("Fri, 31 Dec 1999 23:00:00 GMT", 0.0),
        ("9" * 5000, 1e12),
        *((junk, None) for junk in ("", "-1", "nan", "inf", "1e9", "soon", "١٢", "Fri, 99 Dec 1999 99:99:99 GMT")),
    ],
)
def test_retry_after_takes_any_value(value, seconds):
    """Retry-After is read as seconds or as a date seen from the answer's own Date; anything else is as none."""
    assert retry_after(answer(b"", retry_after=value, date="Fri, 31 Dec 1999 23:59:50 GMT")) == seconds


@given(value=st.text(max_size=60), date=st.text(max_size=40))
def test_retry_after_never_raises(value, date):
    """No text in Retry-After or Date can break the parser."""
    seconds = retry_after(answer(b"", retry_after=value, date=date))
    assert seconds is None or 0 <= seconds <= 1e12


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("wait=30", 30.0),
        ("respond-async, wait=10", 10.0),
        ('Wait="5"; foo=1', 5.0),
        ("wait=", None),
        ("wait", None),
        ("waits=3", None),
        ("", None),
    ],
)
def test_preference_applied_is_read_as_rfc_7240_writes_it(value, seconds):
    """Preference-Applied is a list of preferences; only wait matters, in any case and quoting."""
    assert applied_wait(answer(b"", preference_applied=value)) == seconds


def test_a_page_of_jobs_is_read():
    """A list of jobs and its cursor are read; a malformed one is transient."""
    page = read_jobs(answer({"jobs": [FULL], "next_cursor": "c"}))
    assert ([job.job_id for job in page.jobs], page.next_cursor) == (["j1"], "c")
    assert isinstance(read_jobs(answer({"jobs": [{}]})), Transient)
    assert isinstance(read_jobs(answer({"jobs": 1})), Transient)
    with pytest.raises(JobNotFoundError):
        read_jobs(answer(b"", 404))


@pytest.mark.parametrize(
    "job_id",
    ["", "a/b", "a?b", "a#b", "a%2Fb", "a b", "a\nb", "\x00", "..", ".", "\\", "\ud800", "x" * 256, None, 7, b"x"],
)
def test_ids_that_cannot_stand_in_a_path_are_refused(job_id):
    """An id that could lead to another path is refused by name, before any request."""
    with pytest.raises(ValueError if isinstance(job_id, str) else TypeError, match="job_id must be"):
        check_job_id(job_id)


@given(st.text(min_size=1, max_size=50))
def test_accepted_ids_stay_one_segment(text):
    """Every id that is accepted is sent as one path segment."""
    try:
        request = status_request(check_job_id(text))
    except ValueError:
        return
    except UnicodeEncodeError:
        pytest.fail("lone surrogates must be refused by name")
    assert request.path.count("/") == 2
    assert request.path.isascii()


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "10", True, []])
def test_video_length_must_be_a_number_above_0(value):
    """video_length is a finite number of seconds above 0."""
    with pytest.raises((TypeError, ValueError), match="video_length must be a finite number of seconds, above 0"):
        check_video_length(value)


@pytest.mark.parametrize("key", ["", "a b", 'a"b', "a\\b", "é", "x" * 256, "a\n"])
def test_idempotency_keys_that_cannot_be_sent_are_refused(key):
    """An idempotency key must fit into a header."""
    with pytest.raises(ValueError, match="idempotency_key must be 1 to 255 visible"):
        start_request(idempotency_key=key)


@pytest.mark.parametrize("metadata", [{"a": math.nan}, {"a": object()}, {"a": {1: {2}}}])
def test_metadata_must_be_json(metadata):
    """What cannot be said in JSON is refused before anything is sent."""
    with pytest.raises((TypeError, ValueError), match="metadata cannot be sent as JSON"):
        start_request(idempotency_key="k", metadata=metadata)


def test_requests_are_built_as_the_api_wants_them():
    """Paths, queries and bodies of the requests."""
    plain = start_request(idempotency_key="k")
    assert (plain.path, plain.body, plain.headers["Idempotency-Key"]) == ("/start", None, '"k"')
    full = start_request(idempotency_key="k", video_length=3, metadata={"a": 1}, simulate={"duration": 5})
    assert json.loads(full.body) == {"video_length": 3, "metadata": {"a": 1}, "simulate": {"duration": 5}}
    assert list_request("pending", 5, "c=").path == "/jobs?status=pending&limit=5&cursor=c%3D"
    assert list_request(None, None, None).path == "/jobs"
    assert json.loads(query_request(["a"]).body) == {"job_ids": ["a"]}
    assert status_request("j1", 2.9).headers["Prefer"] == "wait=2"
    assert status_request("j1", 0.0).headers["Prefer"] == "wait=0"
    assert not status_request("j1").headers
