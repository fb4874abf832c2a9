"""The status of a job: a function of its record and the time."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.jobs.model import Job, Status, new_job_id

moments = st.floats(0, 4e9)


def job(*, created_at=100.0, ends_at=105.0, outcome=Status.COMPLETED, ending=None, code=None) -> Job:
    return Job(1, "id", "admin", created_at, ends_at, outcome, code, code, None, "{}", "uniform:3.0:7.0", ending)


@pytest.mark.parametrize(
    ("ending", "now", "status"),
    [
        (None, 99, Status.PENDING),
        (None, 104.999, Status.PENDING),
        (None, 105, Status.COMPLETED),
        (None, 1e9, Status.COMPLETED),
        (1, 0, Status.COMPLETED),
        (1, 104, Status.COMPLETED),
    ],
)
def test_status_follows_from_record_and_time(ending, now, status):
    """A job is pending until its end, and never again once its end is stored, whatever the clock shows."""
    assert job(ending=ending).status_at(now) is status


@given(moments, moments)
def test_once_ended_always_ended(first, later):
    """While the clock does not go back, a terminal status stays."""
    first, later = sorted((first, later))
    if job().status_at(first) is not Status.PENDING:
        assert job().status_at(later) is job().status_at(first)


@pytest.mark.parametrize(
    ("ending", "now", "elapsed"), [(None, 90, 0), (None, 100, 0), (None, 103, 3), (None, 999, 5), (3, 101, 5)]
)
def test_elapsed_time_is_frozen_at_the_end(ending, now, elapsed):
    """Elapsed time is 0 or more, grows while the job is pending, and is constant from its end on."""
    assert job(ending=ending).elapsed_at(now) == elapsed


@pytest.mark.parametrize(("ending", "now", "expected"), [(None, 104, False), (None, 105, True), (1, 105, False)])
def test_an_end_is_to_be_written_down_once(ending, now, expected):
    """Only a job whose end is not stored yet has to be settled."""
    assert job(ending=ending).must_be_settled(now) is expected


def test_cancelled_is_only_what_somebody_cancelled():
    """A failed job and a pending one do not count as cancelled."""
    assert job(ending=1, outcome=Status.ERROR, code="cancelled").was_cancelled
    assert not job(ending=1, outcome=Status.ERROR, code="translation_failed").was_cancelled
    assert not job(ending=1).was_cancelled


@given(moments, st.binary(min_size=10, max_size=10))
def test_ids_are_uuids_of_version_7(created_at, randomness):
    """Python's own uuid reads version, variant and time in them."""
    made = uuid.UUID(new_job_id(created_at, randomness))
    assert str(made) == new_job_id(created_at, randomness)
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == int(created_at * 1000)


@given(moments, moments, st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time(first, second, some, other):
    """Ids made a millisecond later sort later, whatever their random bits are."""
    first, second = sorted((first, second))
    if int(second * 1000) > int(first * 1000):
        assert new_job_id(first, some) < new_job_id(second, other)


def test_ids_use_all_their_randomness():
    """Random bytes that differ in a bit that is used give different ids."""
    ids = {new_job_id(1e9, (1 << bit).to_bytes(10, "big")) for bit in range(80)}
    assert len(ids) == 74 + 1  # six bits are taken by version and variant
