"""The deadline: no call ends after it, whatever the network does, and no wait gives up before it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time

import pytest

from client.tests.scripted import ScriptedServer
from client.tests.sides import LATE, timed
from client.tests.steps import (
    after,
    body_drips,
    body_stalled,
    closed,
    endless_body,
    endless_head,
    endless_heads,
    gzip_bomb,
    head_drips,
    job,
    stalled,
)
from translation_client import JobStatus, StartError, StatusUnavailableError, WaitTimeoutError

TIMEOUT = 0.25

FAULTS = {
    "pending": job("pending"),
    "pending, slowly": after(0.2, job("pending")),
    "closed": closed,
    "no answer": stalled,
    "head drips": head_drips,
    "body drips": body_drips,
    "body stalled": body_stalled,
    "endless 100 Continue": endless_heads,
    "endless head": endless_head,
    "endless body": endless_body,
    "gzip bomb": gzip_bomb(1024),
}


@pytest.fixture
def black_hole():
    """A port where connections are neither accepted nor refused: the queue of a socket that accepts none is full."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(4):
            caller = sockets.enter_context(socket.socket())
            caller.setblocking(False)  # noqa: FBT003 - its only parameter
            caller.connect_ex(address)
        yield address[1]


@pytest.fixture
def hanging_resolver(monkeypatch):
    """A resolver that does not answer before the test is over."""
    over = threading.Event()
    ask = socket.getaddrinfo

    def hang(host, *arguments, **keywords):
        if host == "slow.example":
            over.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return ask(host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield
    over.set()


def assert_in_time(seconds):
    assert TIMEOUT <= seconds <= TIMEOUT + LATE


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_wait_ends_at_its_deadline_under_every_fault(make_side, server, fault):
    """A wait is over neither before its deadline nor more than 0.1 s after; then nothing more is asked."""
    server.play(fault)
    outcome, seconds = timed(make_side(server.url, "admin", "pw").wait, "j1", timeout=TIMEOUT)
    assert isinstance(outcome, WaitTimeoutError)
    assert_in_time(seconds)
    time.sleep(0.15)
    assert len(server.seen) <= outcome.polls


CALLS = {
    "wait": (WaitTimeoutError, ["j1"]),
    "wait_for_completion": (WaitTimeoutError, []),
    "wait_all": (WaitTimeoutError, [["j1", "j2"]]),
    "as_completed": (WaitTimeoutError, [["j1", "j2"]]),
    "start_job": (StartError, []),
    "get_job": (StatusUnavailableError, ["j1"]),
    "get_status": (StatusUnavailableError, []),
    "cancel_job": (StatusUnavailableError, ["j1"]),
    "list_jobs": (StatusUnavailableError, []),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_ends_at_the_deadline(make_side, server, name):
    """The timeout holds for everything a client can be asked, not for waits only."""
    server.play(body_drips)
    server.play(body_drips, to="starts")
    kind, arguments = CALLS[name]
    outcome, seconds = timed(getattr(make_side(server.url, "admin", "pw", timeout=TIMEOUT), name), *arguments)
    assert isinstance(outcome, kind)
    assert_in_time(seconds)


@pytest.mark.parametrize("name", ["wait", "as_completed", "start_job"])
def test_a_connection_that_is_never_made_ends_at_the_deadline(make_side, black_hole, name):
    """Setting up a connection counts as well."""
    kind, arguments = CALLS[name]
    client = make_side(f"http://127.0.0.1:{black_hole}", "admin", "pw", timeout=TIMEOUT)
    outcome, seconds = timed(getattr(client, name), *arguments)
    assert isinstance(outcome, kind)
    assert_in_time(seconds)


@pytest.mark.parametrize("name", ["wait", "as_completed", "start_job"])
def test_a_name_that_is_never_resolved_ends_at_the_deadline(make_side, hanging_resolver, name):  # noqa: ARG001 - it ends first
    """Resolving the name counts as well; nobody waits for the resolver, not even the end of the event loop."""
    kind, arguments = CALLS[name]
    client = make_side("http://slow.example:8000", "admin", "pw", timeout=TIMEOUT)
    outcome, seconds = timed(getattr(client, name), *arguments)
    assert isinstance(outcome, kind)
    assert_in_time(seconds)
    _, seconds = timed(client.end)
    assert seconds < LATE


def test_a_dead_address_does_not_hide_a_live_one(make_side, server, black_hole, monkeypatch):
    """A name with several addresses is tried at all of them, and soon enough at each."""
    monkeypatch.setattr("translation_client._sync.transport._CONNECTING", 0.2)

    def resolve(_host, _port, *_, **__):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))
            for port in (black_hole, server.port)
        ]

    client = make_side("http://two.example:8000", "admin", "pw")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    outcome, seconds = timed(client.wait_for_completion, "j1", timeout=3)
    assert (outcome, seconds < 1.0) == (JobStatus.COMPLETED, True)


def test_a_name_that_cannot_be_resolved_is_transient(make_side, monkeypatch):
    """A resolver that fails is a failure like any other, and named as such."""

    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    client = make_side("http://nowhere.example:8000", "admin", "pw", initial_delay=0.02, max_delay=0.05, max_retries=1)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(StatusUnavailableError, match="the server's name could not be resolved"):
        client.wait("j1")
    with pytest.raises(StartError, match="no job was started"):
        client.start_job()


def test_a_job_that_ends_just_before_the_deadline_is_found(make_side, server):
    """The last look at the deadline finds what ended since the poll before."""
    server.play(job("pending"), job("completed"))
    client = make_side(server.url, "admin", "pw", initial_delay=20, max_delay=20)
    outcome, seconds = timed(client.wait_for_completion, "j1", timeout=TIMEOUT)
    assert (outcome, len(server.polls)) == (JobStatus.COMPLETED, 2)
    assert seconds <= TIMEOUT + LATE


def test_each_of_many_has_its_last_look(make_side, server):
    """Where there is no stream, a request that was cut off at the deadline takes no other's place."""
    server.play(body_drips, body_drips, job("completed"))
    found = make_side(server.url, "admin", "pw").wait_all(["j1", "j2"], timeout=TIMEOUT)
    assert [each.job_id for each in found] == ["j1", "j2"]


@pytest.mark.parametrize("status", ["pending", "completed"])
def test_no_time_is_one_look(make_side, server, status):
    """timeout=0 asks once: a job that has ended is returned, any other is a timeout."""
    server.play(job(status))
    outcome, seconds = timed(make_side(server.url, "admin", "pw").wait, "j1", timeout=0)
    assert len(server.polls) == 1
    assert isinstance(outcome, WaitTimeoutError) == (status == "pending")
    assert seconds <= LATE


def test_the_wall_clock_may_jump(make_side, server, monkeypatch):
    """A clock that is set back and forth by hours meanwhile ends no wait early and prolongs none."""
    jumps = itertools.cycle([0, -3600, 7200, -1e8])
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    client = make_side(server.url, "admin", "pw", initial_delay=0.02, max_delay=0.05)
    server.play(job("pending"), job("pending"), job("completed"))
    assert client.wait_for_completion("j1") is JobStatus.COMPLETED
    server.play(job("pending"))
    outcome, seconds = timed(client.wait, "j1", timeout=TIMEOUT)
    assert isinstance(outcome, WaitTimeoutError)
    assert_in_time(seconds)


def test_an_outage_shorter_than_the_deadline_is_ridden_out(make_side):
    """A server that comes back after a while is found."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        back = ScriptedServer(port=taken.getsockname()[1])
    timer = threading.Timer(0.3, back.__enter__)
    client = make_side(back.url, "admin", "pw", initial_delay=0.02, max_delay=0.05)
    timer.start()
    try:
        job_ = client.wait("j1", timeout=10)
        assert (job_.status, job_.wait_stats.failures > 2) == (JobStatus.COMPLETED, True)
    finally:
        timer.join()
        back.__exit__()
