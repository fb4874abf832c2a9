"""The password is nowhere but in the one header of the request; errors travel between processes, without it."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from urllib.parse import quote

import pytest

import translation_client
from client.tests.sides import QUICK, timed
from client.tests.steps import (
    answer,
    closed,
    endless_head,
    half_a_body,
    job,
    no_gzip,
    no_http,
    reset,
    stalled,
    stream,
)
from translation_client import Job, JobStatus, TranslationClientError, WaitStats

CANARY = "cañary-is-singing"
HEADER = base64.b64encode(f"admin:{CANARY}".encode()).decode()
FORBIDDEN = [CANARY, "is-singing", HEADER, "Authorization", "Basic "]

FAULTS = {
    "no fault": job("completed"),
    "reset": reset,
    "closed": closed,
    "half a body": half_a_body,
    "no answer": stalled,
    "no HTTP": no_http,
    "endless head": endless_head,
    "not the gzip it says": no_gzip,
    "401": answer(401, WWW_Authenticate="Basic"),
    "503": answer(503),
    "redirect": answer(302, Location="http://127.0.0.1:1/"),
    "another job": job("completed", job_id="j2"),
    "broken stream": stream(then=no_http),
}
ENDLESS = (stalled, endless_head)  # only the deadline ends them, maybe before a slow machine has sent the request


def all_of(error):
    """The error and everything that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def everything_about(error):
    """All that a log, a debugger or another process could be shown of an error."""
    yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()
    for each in all_of(error):
        yield from (str(each), repr(each), repr(vars(each)), repr(each.args), repr(pickle.dumps(each)))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("method", ["wait", "wait_all", "start_job", "get_job"])
def test_the_password_appears_nowhere(make_side, server, caplog, fault, method):
    """Neither logs at DEBUG level, nor errors, nor tracebacks with all local variables, nor pickles contain it."""
    caplog.set_level(logging.DEBUG)
    for kind in ("polls", "starts", "streams", "queries"):
        server.play(fault, to=kind)
    timeout = 0.2 if fault in ENDLESS else 30.0
    client = make_side(server.url, "admin", CANARY, **{**QUICK, "timeout": timeout, "max_retries": 1})
    arguments = {"wait": ["j1"], "get_job": ["j1"], "wait_all": [["j1"]], "start_job": []}[method]
    outcome, _ = timed(getattr(client, method), *arguments)
    seen = [caplog.text, repr(client.client), repr(vars(client.client)), repr(outcome)]
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, TranslationClientError)
        seen += everything_about(outcome)
    text = "\n".join(seen)
    assert [words for words in FORBIDDEN if words in text] == []
    assert fault in ENDLESS or server.seen
    assert {each.headers["authorization"] for each in server.seen} <= {f"Basic {HEADER}"}


def test_the_password_of_a_proxy_appears_nowhere(make_side, stranger, caplog, monkeypatch):
    """A proxy that refuses to connect is told of without the credentials it was offered, and without the server's."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("https_proxy", stranger.url.replace("//", f"//admin:{quote(CANARY)}@"))
    stranger.play(answer(407, Proxy_Authenticate="Basic"))
    client = make_side("https://example.invalid", "admin", CANARY, **{**QUICK, "max_retries": 1})
    outcome, _ = timed(client.wait, "j1")
    text = "\n".join([caplog.text, *everything_about(outcome)])
    assert "407" in str(outcome)
    assert [words for words in (*FORBIDDEN, quote(CANARY)) if words in text] == []
    assert {(seen.method, "proxy-authorization" in seen.headers) for seen in stranger.seen} == {("CONNECT", True)}


def test_a_client_cannot_be_pickled(make_side):
    """A client stays in its process, with its password and its connections."""
    with pytest.raises(TypeError, match="because of the password"):
        pickle.dumps(make_side("http://127.0.0.1:1", "admin", CANARY).client)


def errors(kind=TranslationClientError):
    """The tree of errors."""
    yield kind
    for each in kind.__subclasses__():
        yield from errors(each)


@pytest.mark.parametrize("kind", list(errors()), ids=lambda kind: kind.__name__)
def test_errors_can_be_pickled_with_all_they_say(kind):
    """Each error of the tree is public, and comes out of a pickle with its message and every attribute."""
    assert getattr(translation_client, kind.__name__) is kind
    error = kind("job j1: no luck")
    for name in {**vars(error), "code": 0, "timeout": 0, "last_error": 0, "retry_after": 0, "pending": 0}:
        setattr(error, name, f"the {name}")
    error.last_job, error.wait_stats = Job("j1", JobStatus.PENDING), WaitStats(polls=3)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again), vars(again)) == (kind, "job j1: no luck", vars(error))


def test_an_error_of_a_real_wait_can_be_pickled(client, server):
    """So can one with a last failure and a last job in it."""
    server.play(job("pending"), reset)
    outcome, _ = timed(client.wait, "j1", timeout=0.2)
    again = pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own
    assert (str(again), again.last_job, again.polls) == (str(outcome), outcome.last_job, outcome.polls)
    assert (repr(again.last_error), again.timeout) == (repr(outcome.last_error), 0.2)
