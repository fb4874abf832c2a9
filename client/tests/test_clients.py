"""What both clients can be asked, and what they answer."""

from __future__ import annotations

import json
import logging

import pytest

from client.tests.sides import QUICK
from client.tests.steps import after, answer, job, job_json, jobs, only_held, raw_answer, stalled, stream
from translation_client import AuthenticationError, JobFailedError, JobStatus, PollingConfig


def test_start_and_wait(client, server):
    """A job is started and waited for by its id; the outcome is a JobStatus, equal to its text."""
    job_id = client.start_job(video_length=10.5, metadata={"title": "x"}, simulate={"duration": 5})
    assert job_id == "j1"
    assert client.wait_for_completion(job_id) == "completed"
    assert json.loads(server.seen[0].body) == {
        "video_length": 10.5,
        "metadata": {"title": "x"},
        "simulate": {"duration": 5},
    }


def test_a_job_that_failed_is_returned_and_raises_on_request(client, server):
    """wait() returns a job in error like any other; raise_for_error() raises the server's reason."""
    server.play(job("error", error={"code": "no_speech", "message": "Nobody speaks."}))
    ended = client.wait("j1")
    assert ended.status is JobStatus.ERROR
    with pytest.raises(JobFailedError, match="no_speech: Nobody speaks") as caught:
        ended.raise_for_error()
    assert (caught.value.code, caught.value.last_job) == ("no_speech", ended)


def test_without_an_id_the_latest_job_is_meant(client, server):
    """The first answer names the job; from then on it is that one, whatever is started meanwhile."""
    server.play(job("pending", job_id="j7"), job("pending"), job("completed"))
    assert client.wait().job_id == "j7"
    assert [seen.target for seen in server.polls] == ["/status", "/status/j7", "/status/j7"]
    server.play(job("pending", job_id="j8"))
    assert client.get_status() is JobStatus.PENDING


def test_get_job_is_one_poll(client, server):
    """A job can be looked at without waiting."""
    server.play(job("pending", progress=0.5, metadata={"a": 1}))
    seen = client.get_job("j1")
    assert (seen.status, seen.progress, seen.metadata, len(server.polls)) == ("pending", 0.5, {"a": 1}, 1)


def test_cancel_job(client, server):
    """Cancelling answers with the job, and is repeated where the answer is lost."""
    server.play(answer(503), job("error", error={"code": "cancelled", "message": "Cancelled."}))
    assert client.cancel_job("j1").error.code == "cancelled"
    assert [(seen.method, seen.target) for seen in server.seen] == [("DELETE", "/jobs/j1")] * 2


def page(ids, cursor):
    return answer(200, json.dumps({"jobs": [job_json(job_id) for job_id in ids], "next_cursor": cursor}).encode())


def test_list_jobs_goes_through_the_pages(client, server):
    """All jobs come, newest first, page by page, or as many as wanted."""
    server.play(page(["j3", "j2"], "c 1"), answer(502), page(["j1"], None))
    assert [each.job_id for each in client.list_jobs("completed")] == ["j3", "j2", "j1"]
    assert server.seen[2].target == "/jobs?status=completed&limit=1000&cursor=c+1"
    server.play(page(["j3", "j2"], "c 1"))
    assert [each.job_id for each in client.list_jobs(limit=2)] == ["j3", "j2"]
    assert server.seen[3].target == "/jobs?limit=2"


def test_iter_jobs_fetches_a_page_when_it_is_needed(client, server):
    """The jobs of the first page are there before the second one is asked for; an iteration left early asks no more."""
    server.play(page(["j3", "j2"], "c 1"), page(["j1"], None))
    assert client.first_jobs(2) == ["j3", "j2"]
    assert [seen.target for seen in server.seen] == ["/jobs?limit=1000"]
    server.play(page(["j3", "j2"], "c 1"), answer(502), page(["j1"], None))
    assert client.first_jobs(9) == ["j3", "j2", "j1"]
    server.play(answer(403))
    with pytest.raises(AuthenticationError):
        client.first_jobs(1)


# ── callbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_callbacks_hear_of_first_sight_of_changes_and_of_the_end(make_side, server):
    """on_poll is called for every answer, on_status_change at first sight and on change, on_completion once."""
    told = []
    client = make_side(server.url, "admin", "pw", **QUICK, on_completion=lambda seen: told.append(("end", seen.status)))
    server.play(job("pending"), job("pending"), job("completed"))
    client.wait(
        "j1",
        on_poll=lambda seen: told.append(("poll", seen.status)),
        on_status_change=lambda seen: told.append(("change", seen.status)),
    )
    assert told == [
        ("poll", "pending"),
        ("change", "pending"),
        ("poll", "pending"),
        ("poll", "completed"),
        ("change", "completed"),
        ("end", "completed"),
    ]


def test_a_callback_of_the_wait_takes_the_place_of_the_clients(make_side, server):
    """What is given per wait comes instead of what was given to the client."""
    told = []
    client = make_side(server.url, "admin", "pw", on_completion=lambda _: told.append("client"))
    client.wait("j1", on_completion=lambda _: told.append("wait"))
    client.wait_for_completion("j1")
    assert told == ["wait", "client"]


def test_a_callback_that_raises_is_logged_and_nothing_else(client, server, caplog):
    """An exception of a callback ends neither the wait nor the other callbacks."""
    told = []
    server.play(job("pending"), job("completed"))
    ended = client.wait("j1", on_poll=lambda _: 1 / 0, on_completion=told.append)
    assert (ended.status, len(told)) == ("completed", 1)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert errors[0].exc_info[0] is ZeroDivisionError
    assert "job j1" in errors[0].getMessage()


def test_callbacks_hear_of_each_of_many_jobs(client, server):
    """as_completed tells of each job at first sight and at its end."""
    told = []
    server.play(stream("j2", "j1", then=stalled), to="streams")
    server.play(jobs("pending"), to="queries")
    client.wait_all(
        ["j1", "j2"],
        on_status_change=lambda seen: told.append((seen.job_id, str(seen.status))),
        on_completion=lambda seen: told.append(seen.job_id),
    )
    assert told == [("j1", "pending"), ("j2", "pending"), ("j2", "completed"), "j2", ("j1", "completed"), "j1"]


def test_first_sight_of_many_jobs_does_not_wait_for_a_held_request(client, server):
    """Where each job is waited for by itself, it is told by a look; one started here by the answer to its start."""
    told = []
    done = job("completed", headers={"Preference-Applied": "wait=30"})
    server.play(only_held(after(0.3, done), job("pending", headers={"Preference-Applied": "wait=0"})))
    started = client.start_job()
    client.wait_all([started, "j2"], on_status_change=lambda seen: told.append((seen.job_id, str(seen.status))))
    assert sorted(told[:2]) == [("j1", "pending"), ("j2", "pending")]
    assert sorted(told[2:]) == [("j1", "completed"), ("j2", "completed")]
    assert sorted(seen.headers["prefer"] for seen in server.polls if seen.last_segment == "j2")[:1] == ["wait=0"]
    assert len(server.polls) == 3


# ── the client itself ───────────────────────────────────────────────────────────────────────────────────────────────


def test_credentials_come_from_the_environment(make_side, server, monkeypatch):
    """Without username and password, API_USERNAME and API_PASSWORD are taken."""
    monkeypatch.setenv("API_USERNAME", "admin")
    monkeypatch.setenv("API_PASSWORD", "secretpassword")
    make_side(server.url).get_status("j1")
    make_side(server.url, "admin", "secretpassword").get_status("j1")
    first, second = (seen.headers["authorization"] for seen in server.seen)
    assert first == second


@pytest.mark.parametrize("given", [("eve", "secretpassword"), ("admin", "another")])
def test_credentials_that_are_given_win_over_the_environment(make_side, server, monkeypatch, given):
    """What is said here and now counts more than what lies around."""
    make_side(server.url, *given).get_status("j1")
    monkeypatch.setenv("API_USERNAME", "admin")
    monkeypatch.setenv("API_PASSWORD", "secretpassword")
    make_side(server.url, *given).get_status("j1")
    first, second = (seen.headers["authorization"] for seen in server.seen)
    assert first == second


def test_polling_arguments_can_be_given_together(make_side, server):
    """polling= takes a PollingConfig in place of the single arguments."""
    server.play(answer(503))
    client = make_side(server.url, "admin", "pw", polling=PollingConfig(**QUICK, max_retries=1))
    with pytest.raises(Exception, match="max_retries=1"):
        client.wait("j1")


def test_the_wait_logs_what_it_did(client, server, caplog):
    """Every wait logs one line at its end that says what it cost."""
    caplog.set_level(logging.INFO, "translation_client")
    server.play(job("pending"), answer(503), job("completed"))
    assert client.wait("j1").wait_stats.failures == 1
    [line] = [r.getMessage() for r in caplog.records if "polls" in r.getMessage() and "learnt" in r.getMessage()]
    assert "job j1: completed" in line
    assert "polls: 3 (0 held, 1 failed), learnt by poll" in line


def test_an_answer_with_a_header_twice_is_read(client, server):
    """Headers that come twice are joined, as RFC 9110 says."""

    async def step(turn):
        headers = [("Preference-Applied", "respond-async"), ("Preference-Applied", "wait=1")]
        await turn.send(raw_answer(200, json.dumps(job_json("j1")).encode(), headers))

    server.play(step)
    assert client.wait("j1").wait_stats.held == 1
