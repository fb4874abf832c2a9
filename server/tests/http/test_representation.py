"""What is told of a job, to the letter."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.http import representation
from translation_server.jobs.model import Job, Status

CREATED = 1_769_860_800.123
OUTCOMES = (Status.COMPLETED, Status.ERROR)
PENDING = {
    "job_id": "id-1",
    "status": "pending",
    "created_at": "2026-01-31T12:00:00.123Z",
    "ended_at": None,
    "elapsed_time": 1.234,
    "progress": 0.247,
    "poll_after": 3.031,
    "video_length": None,
    "metadata": {"a": [1, "ü"]},
    "error": None,
}


def job(outcome=Status.COMPLETED, **changes) -> Job:
    error = ("translation_failed", "No.") if outcome is Status.ERROR else (None, None)
    metadata = '{"a":[1,"ü"]}'
    usual = Job(1, "id-1", "admin", CREATED, CREATED + 5.5, outcome, *error, None, metadata, "uniform:3.0:7.0")
    return usual._replace(**changes)


@pytest.mark.parametrize(
    ("record", "elapsed", "changes"),
    [
        (job(), 1.2341, {}),
        (job(video_length=2.5), 1.2341, {"video_length": 2.5}),
        (job(), 0, {"elapsed_time": 0.0, "progress": 0.0, "poll_after": 4.265}),
        (
            job(),
            77,
            {
                "status": "completed",
                "ended_at": "2026-01-31T12:00:05.623Z",
                "elapsed_time": 5.5,
                "progress": 1.0,
                "poll_after": None,
            },
        ),
        (
            job(Status.ERROR),
            5.5,
            {
                "status": "error",
                "ended_at": "2026-01-31T12:00:05.623Z",
                "elapsed_time": 5.5,
                "progress": 0.88,
                "poll_after": None,
                "error": {"code": "translation_failed", "message": "No."},
            },
        ),
    ],
)
def test_the_job_on_the_wire(record, elapsed, changes):
    """Each kind of job at some moment is exactly this JSON, in this order."""
    told = orjson.loads(representation.job_json(record, CREATED + elapsed))
    assert told == PENDING | changes
    assert list(told) == list(PENDING)


@given(st.floats(0, 100), st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_what_is_told_knows_nothing_of_the_drawn_end(elapsed, one, other):
    """Two pending jobs that differ only in what was drawn cannot be told apart."""
    now = CREATED + elapsed
    told = [
        representation.job_json(job(how, ends_at=now + left), now)
        for how, left in zip(OUTCOMES, (one, other), strict=True)
    ]
    assert told[0] == told[1]


@given(st.floats(0, 100))
def test_hints_are_rounded_up_to_the_millisecond(elapsed):
    """Following a hint to the letter is never too early, nor a millisecond too late."""
    now = CREATED + elapsed
    exact = 3 - elapsed + math.sqrt(1.6)
    if elapsed < 3:
        assert 0 <= representation.represent(job(), now).hint - exact < 0.002


def test_a_given_hint_replaces_the_models():
    """A request that was held may be repeated at once."""
    told = orjson.loads(representation.represent(job(), CREATED + 1, at_once=True).body)
    assert told["poll_after"] == 0


def test_several_jobs_are_one_object():
    """A list is made of the jobs' own JSON."""
    one = representation.job_json(job(), CREATED)
    assert orjson.loads(representation.jobs_json([one, one], "next")) == {
        "jobs": [orjson.loads(one)] * 2,
        "next_cursor": "next",
    }
    assert orjson.loads(representation.jobs_json([], None)) == {"jobs": [], "next_cursor": None}


def test_an_event_is_three_lines_and_a_blank_one():
    """Id, type and the job in one line of data, whatever is in its metadata."""
    record = job(metadata=orjson.dumps({"text": "a\nb\r\u2028"}).decode())
    told = representation.event(record, record.ends_at, "e-1")
    name, kind, data, *rest = told.split(b"\n")
    assert (name, kind, rest) == (b"id: e-1", b"event: job", [b"", b""])
    assert orjson.loads(data.removeprefix(b"data: "))["metadata"] == {"text": "a\nb\r\u2028"}


def test_the_entity_tag_changes_with_the_status_only():
    """Two answers about a job have the same tag exactly if they tell the same status."""
    tags = [representation.represent(job(), CREATED + elapsed).etag for elapsed in (0, 1, 5.5, 99)]
    assert tags[0] == tags[1] != tags[2] == tags[3]
    assert all(tag.startswith('W/"') for tag in tags)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (CREATED, "2026-01-31T12:00:00.123Z"),
        (1_769_860_800.9999, "2026-01-31T12:00:01.000Z"),
        (4e9 + 0.001, "2096-10-02T07:06:40.001Z"),
    ],
)
def test_moments_are_told_to_the_millisecond(moment, text):
    """Date and time are those of RFC 3339, in UTC."""
    assert representation.timestamp(round(moment, 3)) == text
