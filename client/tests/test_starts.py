"""Starting: exactly one job, whatever answers are lost, and no doubt left about it where it fails."""

from __future__ import annotations

import pytest

from client.tests.steps import answer, closed, half_a_body, job, reset, stalled
from translation_client import StartError

LOST = {
    "reset": reset,
    "closed without an answer": closed,
    "half a body": half_a_body,
    "HTML 200": answer(200, b"<html></html>"),
    "502": answer(502),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_lost_answer_to_a_start_is_asked_for_again_with_the_same_key(client, server, fault):
    """However often the answer is lost, every attempt of one start carries one key; another start has another."""
    server.play(*[fault] * 6, job("pending", 202, job_id="j1"), to="starts")
    assert client.start_job(video_length=10) == "j1"
    keys = [seen.headers["idempotency-key"] for seen in server.seen]
    assert (len(keys), len(set(keys))) == (7, 1)
    assert len({seen.body for seen in server.seen}) == 1
    client.start_job()
    assert server.seen[-1].headers["idempotency-key"] not in keys


@pytest.mark.parametrize(
    ("fault", "maybe"),
    [(closed, True), (stalled, True), (answer(503), True), (answer(429), False)],
    ids=["closed", "stalled", "503", "429"],
)
def test_a_start_given_up_says_whether_a_job_may_exist(make_side, server, fault, maybe):
    """The error of a start carries the key to try again with, and whether a request may have been acted on."""
    server.play(fault, to="starts")
    client = make_side(server.url, "admin", "pw", initial_delay=0.02, max_delay=0.05, max_retries=1)
    with pytest.raises(StartError) as caught:
        client.start_job(timeout=1.0 if fault is stalled else 10.0)
    assert caught.value.maybe_created is maybe
    assert caught.value.idempotency_key in server.seen[-1].headers["idempotency-key"]


def test_a_start_at_a_closed_door_created_nothing(make_side, closed_port):
    """Where nobody listens, no job was started, and the error says so."""
    client = make_side(f"http://127.0.0.1:{closed_port}", "admin", "pw", initial_delay=0.02, max_delay=0.05)
    with pytest.raises(StartError, match=r"no job was started.*(connection refused|no connection within)") as caught:
        client.start_job(timeout=0.2)
    assert caught.value.maybe_created is False
