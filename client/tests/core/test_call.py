"""A request that is repeated until it is answered, in virtual time."""

from __future__ import annotations

import math
import random

import pytest

from client.tests.virtual import BEGIN, ROUNDING, TRANSIENT, ok, refused, stall, status
from translation_client import AuthenticationError, PollingConfig, StartError, StatusUnavailableError
from translation_client._core.call import Call, call_given_up, get_given_up, start_given_up
from translation_client._core.flow import Reply, Send
from translation_client._wire.failures import Transient
from translation_client._wire.requests import start_request
from translation_client._wire.responses import read_job

KEY = "key-1"
JOB = {"job_id": "j1", "status": "pending"}


def nobody_there(_request, _t):
    error = ConnectionError("connection refused")
    error.__cause__ = ConnectionRefusedError()
    return Transient(error, maybe_received=False), 0.0005


class Start:
    """One start against faults that are functions of the time, and what became of it."""

    def __init__(self, *faults, given_up=None, **polling):
        self.requests, self.job, self.error, now = [], None, None, BEGIN
        chance = random.Random(0).random  # noqa: S311 - to be repeated
        flow = Call(
            start_request(idempotency_key=KEY),
            read_job,
            PollingConfig(**polling),
            now=now,
            randomness=chance,
            given_up=given_up or start_given_up(KEY, "http://server"),
        ).run()
        try:
            action = next(flow)
            while True:
                result = None
                if isinstance(action, Send):
                    t = now - BEGIN
                    self.requests.append((t, action.request))
                    fault = next((make for begin, end, make in faults if begin <= t < end), None)
                    result, took = fault(action.request, t) if fault else (ok(JOB), 0.001)
                    if now + took > action.deadline:
                        result = Transient(TimeoutError("no answer in time"))
                    now = min(now + took, max(action.deadline, now))
                else:
                    now = max(action.until, now)
                action = flow.send(Reply(now, result))
        except StopIteration as stop:
            self.job = stop.value
        except Exception as error:  # noqa: BLE001 - whatever ended it is what the test looks at
            self.error = error
        self.over = now - BEGIN


@pytest.mark.parametrize("name", sorted(TRANSIENT.keys() - {"another job"}))
def test_lost_answers_are_asked_for_again_with_the_same_key(name):
    """However many answers to a start are lost, every attempt carries the same key, and one ends it."""
    start = Start((0, 30, TRANSIENT[name]))
    assert start.job.job_id == "j1"
    assert len(start.requests) > 2
    assert {request.headers["Idempotency-Key"] for _, request in start.requests} == {f'"{KEY}"'}


@pytest.mark.parametrize(
    ("fault", "maybe"), [(refused, False), (status(429), False), (status(502), True), (stall, True)]
)
def test_giving_up_says_whether_a_job_may_exist(fault, maybe):
    """StartError carries the key to try again with, and whether a job may have been started."""
    start = Start((0, math.inf, fault), timeout=20.0)
    assert isinstance(start.error, StartError)
    assert (start.error.idempotency_key, start.error.maybe_created) == (KEY, maybe)
    assert start.error.__cause__ is not None
    assert 20.0 - ROUNDING <= start.over <= 20.1
    assert ("not known whether" in str(start.error)) is maybe


@pytest.mark.parametrize(
    ("faults", "asks"),
    [
        ([(0, math.inf, nobody_there)], True),
        ([(0, 1, status(503)), (1, math.inf, nobody_there)], False),
        ([(0, math.inf, status(429))], False),
        ([(0, math.inf, refused)], False),
    ],
    ids=["never there", "there before", "refuses politely", "another reason"],
)
def test_only_where_nobody_was_ever_there_it_is_asked_whether_the_server_runs(faults, asks):
    """The advice stands only where it can be the answer."""
    start = Start(*faults, timeout=5.0)
    assert ("is the server running there?" in str(start.error)) is asks


def test_max_retries_limits_a_start_too():
    """max_retries repetitions are made, and no more."""
    start = Start((0, math.inf, status(500)), max_retries=2)
    assert isinstance(start.error, StartError)
    assert len(start.requests) == 3


def test_retry_after_is_obeyed_or_quoted():
    """A pause the server asks for is kept, or, beyond the timeout, ends the start at once."""
    assert Start((0, 1, status(503, retry_after="7"))).requests[1][0] >= 7.0
    start = Start((0, 1, status(503, retry_after="700")), timeout=60.0)
    assert "700 s (Retry-After)" in str(start.error)
    assert start.over < 1.0


def test_refusals_are_not_repeated():
    """Wrong credentials are one request and a typed error."""
    start = Start((0, math.inf, status(401)))
    assert type(start.error) is AuthenticationError
    assert len(start.requests) == 1


def test_other_calls_give_up_with_status_unavailable():
    """A cancellation or a list that is never answered raises StatusUnavailableError, saying what is not known."""
    start = Start((0, math.inf, stall), given_up=call_given_up("job j1: unknown", "http://server", "j1"), timeout=5.0)
    assert isinstance(start.error, StatusUnavailableError)
    assert str(start.error).startswith("job j1: unknown: not answered within 5 s")


def test_single_poll_raises_what_the_server_said():
    """A poll that is not repeated raises the server's own failure, or StatusUnavailableError where it said nothing."""
    once = {"given_up": get_given_up("j1", "http://server"), "max_retries": 0}
    assert Start((0, math.inf, status(503)), **once).error.status_code == 503
    silent = Start((0, math.inf, stall), **once)
    assert isinstance(silent.error, StatusUnavailableError)
    assert silent.error.job_id == "j1"
