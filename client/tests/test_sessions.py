"""A session of the user's: used as it is, never closed, and what the client promises on it nevertheless."""

from __future__ import annotations

import asyncio
import base64
import time

import aiohttp
import pytest
import requests

from client.tests.sides import LATE, QUICK, timed
from client.tests.steps import after, answer, body_drips, head_drips, job, jobs, stalled, stream
from translation_client import (
    AsyncTranslationStatusClient,
    JobStatus,
    ProtocolError,
    StartError,
    TranslationStatusClient,
    WaitTimeoutError,
)


@pytest.fixture
def session():
    with requests.Session() as one:
        yield one


@pytest.fixture
def sync_client(session, server):
    session.headers["X-Gateway"] = "of the session"
    with TranslationStatusClient(server.url, "admin", "pw", session=session, **QUICK) as client:
        yield client


async def with_session(server, use, **keywords):
    """Use an asynchronous client that has a session of its user's, which must still be open afterwards."""
    async with aiohttp.ClientSession(headers={"X-Gateway": "of the session"}, **keywords) as session:
        async with AsyncTranslationStatusClient(server.url, "admin", "pw", session=session, **QUICK) as client:
            result = await use(client)
        assert not session.closed
        async with session.get(server.url + "/status/j1") as still_usable:
            assert still_usable.status == 200
        return result


def credentials(seen):
    return base64.b64decode(seen.headers["authorization"].split()[1]).decode()


def test_a_session_is_used_as_it_is_and_left_open(server, session, sync_client):
    """Its headers and cookies go along, the client's own headers win, and closing the client leaves it open."""
    session.headers["Accept"] = "text/html"
    session.auth = ("somebody", "else")
    server.play(job("pending", headers={"Set-Cookie": "route=7; Path=/"}), job("completed"))
    assert sync_client.wait_for_completion("j1") is JobStatus.COMPLETED
    first, second = server.polls
    assert first.headers["x-gateway"] == "of the session"
    assert first.headers["accept"] == "application/json, application/problem+json"
    assert credentials(first) == credentials(second) == "admin:pw"
    assert second.headers["cookie"] == "route=7"
    sync_client.close()
    assert session.get(server.url + "/status/j1", timeout=5).json()["status"] == "completed"
    assert server.connections == 1


async def test_a_session_is_used_as_it_is_and_left_open_async(server):
    """Its headers and cookies go along, and closing the client leaves it open."""
    server.play(job("pending", headers={"Set-Cookie": "route=7; Path=/"}), job("completed"))
    jar = aiohttp.CookieJar(unsafe=True)  # which takes cookies from addresses, too
    ended = await with_session(server, lambda client: client.wait_for_completion("j1"), cookie_jar=jar)
    assert ended is JobStatus.COMPLETED
    assert server.polls[0].headers["x-gateway"] == "of the session"
    assert server.polls[1].headers["cookie"] == "route=7"
    assert credentials(server.polls[1]) == "admin:pw"
    assert server.connections == 1


def test_a_netrc_of_the_session_is_not_believed(server, session, sync_client, tmp_path, monkeypatch):
    """Requests looks into a .netrc for every host; the client's own credentials are sent nevertheless."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert session.trust_env
    sync_client.get_status("j1")
    assert credentials(server.seen[0]) == "admin:pw"


@pytest.mark.filterwarnings("ignore:.* is deprecated and will be removed")
async def test_a_session_with_credentials_is_refused_async(server, tmp_path, monkeypatch):
    """Aiohttp takes no second credentials: refused when the client is made, not with each request."""
    expected = "session must have no credentials of its own"
    with pytest.raises(ValueError, match=expected):
        await with_session(server, lambda client: client.get_job("j1"), auth=aiohttp.BasicAuth("somebody", "else"))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(ValueError, match=expected):
        await with_session(server, lambda client: client.get_job("j1"), trust_env=True)
    assert (await with_session(server, lambda client: client.get_job("j1"))).job_id == "j1"


def test_a_redirect_is_not_followed_on_a_session(server, stranger, sync_client):
    """The credentials are for the base_url only, whatever the session does by itself."""
    server.play(answer(302, Location=stranger.url))
    with pytest.raises(ProtocolError, match="not followed"):
        sync_client.wait("j1")
    assert stranger.seen == []


async def test_a_redirect_is_not_followed_on_a_session_async(server, stranger):
    """Likewise, and a session that raises for a status does not do so here."""
    server.play(answer(302, Location=stranger.url), job("completed"))
    with pytest.raises(ProtocolError, match="not followed"):
        await with_session(server, lambda client: client.wait("j1"), raise_for_status=True)
    assert stranger.seen == []


ENDLESS = {"no answer": stalled, "head drips": head_drips, "body drips": body_drips}


@pytest.mark.parametrize("fault", ENDLESS.values(), ids=ENDLESS)
def test_the_deadline_holds_on_a_session(server, session, fault):
    """Whatever the session's connections do, the wait is over at its deadline, and no thread goes on after long."""
    server.play(fault)
    client = TranslationStatusClient(server.url, "admin", "pw", session=session)
    outcome, seconds = timed(client.wait, "j1", timeout=0.3)
    assert isinstance(outcome, WaitTimeoutError)
    assert 0.3 <= seconds <= 0.3 + LATE


@pytest.mark.parametrize("fault", ENDLESS.values(), ids=ENDLESS)
async def test_the_deadline_holds_on_a_session_async(server, fault):
    """Whatever limits of time the session has, the wait's own counts."""
    server.play(fault)
    began = time.monotonic()
    with pytest.raises(WaitTimeoutError):
        await with_session(server, lambda client: client.wait("j1", timeout=0.3))
    assert 0.3 <= time.monotonic() - began <= 0.3 + LATE


async def test_a_session_with_a_short_timeout_holds_long(server):
    """A session's total timeout would cut each held request, and a stream for good."""
    held = after(0.4, job("completed", headers={"Preference-Applied": "wait=30"}))
    server.play(held, job("completed"))
    timeout = aiohttp.ClientTimeout(total=0.1)
    ended = await with_session(server, lambda client: client.wait("j1"), timeout=timeout)
    assert ended.wait_stats.polls == 1


def test_a_start_given_up_on_a_session_may_have_created_a_job(server, session):
    """Of a foreign connection it is not known whether the request was sent, so the error claims nothing."""
    server.play(stalled, to="starts")
    client = TranslationStatusClient(server.url, "admin", "pw", session=session)
    with pytest.raises(StartError) as caught:
        client.start_job(timeout=0.3)
    assert caught.value.maybe_created


def test_many_jobs_are_waited_for_on_a_session(server, sync_client):
    """Streams and queries work as on connections of ours."""
    server.play(jobs("pending"), to="queries")
    server.play(stream("j1", "j2"), to="streams")
    assert [each.job_id for each in sync_client.wait_all(["j1", "j2"])] == ["j1", "j2"]
    assert [seen.headers["x-gateway"] for seen in server.seen] == ["of the session"] * 2


async def test_many_jobs_are_waited_for_on_a_session_async(server):
    """Streams and queries work as on connections of ours."""
    server.play(jobs("pending"), to="queries")
    server.play(stream("j1", "j2"), to="streams")
    ended = await with_session(server, lambda client: client.wait_all(["j1", "j2"]))
    assert [each.job_id for each in ended] == ["j1", "j2"]


def test_a_session_belongs_to_its_event_loop(server):
    """Used in another loop, or closed, it fails with a word about it instead of being tried until the deadline."""

    async def make():
        session = aiohttp.ClientSession()
        client = AsyncTranslationStatusClient(server.url, "admin", "pw", session=session, **QUICK)
        await client.get_status("j1")
        return client, session

    with asyncio.Runner() as first:
        client, session = first.run(make())
        with (
            asyncio.Runner() as second,
            pytest.raises(RuntimeError, match="the session that was given belongs to another event loop"),
        ):
            second.run(client.get_status("j1"))
        first.run(session.close())
        with pytest.raises(RuntimeError, match="the session that was given is closed"):
            first.run(client.get_status("j1"))
    assert len(server.seen) == 1


@pytest.mark.parametrize("wrong", [5, "session", requests, aiohttp.ClientSession])
def test_anything_else_is_no_session(side_class, wrong):
    """A session of the wrong library, or its class, is refused by name."""
    with pytest.raises(TypeError, match=r"session must be an? \w+\.\w+, or None, not "):
        side_class.client_class("http://127.0.0.1:1", "admin", "pw", session=wrong)


def test_verify_belongs_to_the_session_that_is_given(session):
    """Given both ways, nobody knows which counts."""
    with pytest.raises(ValueError, match="give verify in the session, or without a session, not both"):
        TranslationStatusClient("https://127.0.0.1:1", "admin", "pw", session=session, verify=False)
