"""Answers that are given again for a second."""

import pytest
from server.tests.steady import Steady

from translation_server.recent import Recent


@pytest.fixture
def steady():
    return Steady()


@pytest.fixture
def recent(steady):
    return Recent(steady=steady)


def test_an_answer_is_kept_for_a_second(recent, steady):
    """It is given again within a second, and not after."""
    assert recent.get("admin", "id-1") is None
    recent.keep("admin", "id-1", "answer")
    steady.now += 0.99
    assert recent.get("admin", "id-1") == "answer"
    steady.now += 0.02
    assert recent.get("admin", "id-1") is None


def test_an_answer_is_its_owners(recent):
    """Nobody else is given it."""
    recent.keep("admin", "id-1", "answer")
    assert recent.get("eve", "id-1") is None


def test_there_is_a_most_of_it(recent):
    """What comes when there is no more room is not kept; nothing is lost for it."""
    for number in range(1001):
        assert recent.get("admin", f"id-{number}") is None
        recent.keep("admin", f"id-{number}", "answer")
    assert (recent.get("admin", "id-999"), recent.get("admin", "id-1000")) == ("answer", None)


def test_what_is_dropped_is_not_given_again(recent):
    """Whoever changes what it is about says so."""
    recent.keep("admin", 7, "answer")
    recent.drop()
    assert recent.get("admin", 7) is None


async def test_a_job_that_ended_is_not_looked_up_again(api, clock, monkeypatch):
    """The same bytes come again without the store; a request with a wish of its own is answered by itself."""
    job_id = (await api.admin.post("/start")).json()["job_id"]
    clock.advance(10)
    first = await api.admin.get(f"/status/{job_id}")

    async def unused(*_):
        raise AssertionError("asked the store")

    monkeypatch.setattr(api.service.store, "get_many", unused)
    again = await api.admin.get(f"/jobs/{job_id}")
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    for path, headers in ((f"/status/{job_id}?wait=1", {}), (f"/status/{job_id}", {"Prefer": "wait=1"})):
        assert (await api.admin.get(path, headers=headers)).status_code == 500
    assert (await api.eve.get(f"/status/{job_id}")).status_code == 500


async def test_a_pending_job_is_looked_up_each_time(api, clock):
    """Each answer about it is of its moment, and the first one after its end tells of it."""
    job_id = (await api.admin.post("/start")).json()["job_id"]
    told = []
    for seconds in (0, 1, 1, 10):
        clock.advance(seconds)
        job = (await api.admin.get(f"/status/{job_id}")).json()
        told.append((job["status"] == "pending", job["elapsed_time"]))
    assert told[:3] == [(True, 0.0), (True, 1.0), (True, 2.0)]
    assert not told[3][0]
