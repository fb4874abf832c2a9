"""Connections that end: because the client leaves, its user is removed, or the server stops."""

import contextlib
import random
import time

import pytest
from server.tests.http.on_the_wire.conftest import LONG, USERS, basic

LEAVING = ["close", "reset"]


@pytest.mark.parametrize("leave", LEAVING)
@pytest.mark.parametrize(("behind", "path"), [(0, ""), (1, "/status/{}"), (1, "/status/{}?wait=60"), (50, "/start")])
def test_client_leaves_with_a_held_request(wire, leave, behind, path):
    """A held request is given up within a second after its client has left, also with others behind it.

    granian (hyper) reads nothing while a request waits behind the one that is held, and so does not notice: there it is
    given up once its wait is over, which `MAX_WAIT` bounds.
    """
    is_noticed = not behind or wire.name != "granian"
    job_id = wire.new_job()
    another = wire.start(**LONG) if path == "/start" else wire.request("GET", path.format(job_id))
    before = wire.held()
    peer = wire.connect()
    peer.send(wire.request("GET", f"/status/{job_id}?wait={60 if is_noticed else 1}"), *[another] * behind)
    wire.until(lambda: wire.held() == before + 1)
    getattr(peer, leave)()
    assert wire.until(lambda: wire.held() == before) < (1.0 if is_noticed else 2.5)


@pytest.mark.parametrize("leave", LEAVING)
def test_client_leaves_in_the_middle_of_two_starts(wire, leave):
    """Who leaves while starts are read or answered leaves no traceback, no 5xx, and a key that still is one job."""
    choices = random.Random(leave)  # noqa: S311 - repeatable
    for number in range(60):
        key = f"Idempotency-Key: {leave}-{number}-{time.time_ns()}"
        first = wire.start(key, video_length=number + 1, **LONG)
        both = first + wire.start(video_length=1, **LONG)
        peer = wire.connect()
        peer.send_more(both[: choices.choice([choices.randrange(len(both)), len(both), len(first), len(first) + 1])])
        getattr(peer, leave)()
        one, two = wire.ask(first, first)
        assert (one.status, one.json()["video_length"]) == (202, number + 1)
        assert two.json()["job_id"] == one.json()["job_id"]


def test_removed_user_loses_what_is_open(own_wire):
    """Streams and held requests of a user who is removed, or whose password changes, end within five seconds."""
    wire = own_wire
    peers = {}
    for user in USERS:
        auth = basic(user, "secret")
        job_id = wire.new_job(auth)
        held, stream = wire.connect(), wire.connect()
        held.send(wire.request("GET", f"/status/{job_id}?wait=60", auth=auth))
        stream.send(wire.request("GET", "/events", auth=auth))
        peers[user] = held, stream
    wire.until(lambda: wire.held() == 2 * len(USERS))
    begun = time.monotonic()
    wire.set_users({"eve": "secret", "changer": "another"})
    for user in ("leaver", "changer"):
        held, stream = peers[user]
        with contextlib.suppress(EOFError):  # it may also be closed without an answer
            assert held.answer().status == 401
        assert b"event: job" not in stream.answer().body  # it has ended, as a whole
    assert time.monotonic() - begun < 5.0
    assert wire.held() == 2


@pytest.mark.parametrize("goes_on", [True, False])
def test_server_stops_while_a_body_arrives(own_wire, goes_on):
    """A start whose body comes too late is refused with 503 and `Retry-After`, or closed; it is never a bare 500."""
    wire = own_wire
    whole = wire.start(video_length=42.5, **LONG)
    peer = wire.connect()
    peer.send(whole[:-10])
    wire.until(lambda: wire.held() == 0)  # an answer behind it: it has been read
    begun = time.monotonic()
    next(wire.server.processes()).terminate()
    if goes_on:
        wire.until(lambda: not is_listening(wire))
        with contextlib.suppress(ConnectionError):  # it was closed
            peer.send_more(whole[-10:])
    try:
        answer = peer.answer()
    except EOFError:
        answer = None
    if answer is not None and answer.status != 202:
        assert answer.status == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
    wire.server.stop()
    assert time.monotonic() - begun < 10.0
    said = wire.server.said()
    assert "Traceback" not in said
    assert " 500 " not in said


def is_listening(wire) -> bool:
    """Whether new connections are taken."""
    try:
        wire.connect()
    except ConnectionError:
        return False
    return True
