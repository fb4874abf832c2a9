"""The wait for many jobs, in virtual time: one stream, one query, and what happens when either fails."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client.tests.virtual import BEGIN, LATE, ROUNDING, iso, ok, status
from translation_client import Job, JobNotFoundError, JobStatus, PollingConfig, StatusUnavailableError, WaitTimeoutError
from translation_client._core.flow import Event, Found, Notify, Open, Receive, Reply, Send, Sleep
from translation_client._core.wait_many import WaitForMany
from translation_client._wire.events import ServerEvent
from translation_client._wire.failures import Transient
from translation_client._wire.responses import Response

HEAD = Response(200, {"content-type": "text/event-stream; charset=utf-8"}, b"")
ROUND_TRIP = 0.001


@dataclass
class Server:
    """Jobs that end at given moments, a stream of their ends, and windows of time in which things fail."""

    ends: dict
    breaks: list = field(default_factory=list)  # moments at which an open stream breaks
    down: list = field(default_factory=list)  # (from, to, failure): no answer but this
    no_stream: Response | None = None
    forgetful: bool = False  # knows no Last-Event-ID
    silent_from: float = math.inf  # a stream opened before says nothing after, not even that it lives
    requests: list = field(default_factory=list)
    known_from: dict = field(default_factory=dict)

    def failure(self, t):
        return next((make(None, t)[0] for begin, end, make in self.down if begin <= t < end), None)

    def open(self, request, t):
        self.requests.append((t, "open", request))
        self.silent_from = self.silent_from if t < self.silent_from else math.inf
        if self.no_stream is not None:
            return self.no_stream
        if self.forgetful and "Last-Event-ID" in request.headers:
            return Response(422, {}, b"{}")
        return self.failure(t) or HEAD

    def query(self, request, t):
        self.requests.append((t, "query", request))
        ids = json.loads(request.body)["job_ids"]
        jobs = [self.job(i, t) for i in ids if i in self.ends and t >= self.known_from.get(i, 0)]
        return self.failure(t) or ok({"jobs": jobs})

    def job(self, job_id, t):
        end = self.ends[job_id]
        return {
            "job_id": job_id,
            "status": "completed" if t >= end else "pending",
            "created_at": iso(0),
            "ended_at": iso(end) if t >= end else None,
            "elapsed_time": min(t, end),
        }

    def events(self, after, until):
        """What the stream tells of ends after one moment and up to another, and when the first of it comes."""
        found = sorted((end, i) for i, end in self.ends.items() if after < end <= until)
        if not found:
            return None
        first = found[0][0]
        return first, [ServerEvent("job", json.dumps(self.job(i, end)), repr(end)) for end, i in found if end == first]


@dataclass
class Run:
    found: list = field(default_factory=list)  # (moment, job)
    told: list = field(default_factory=list)  # (job_id, status), as on_status_change would hear of it
    told_at: list = field(default_factory=list)
    left: dict | None = None
    error: Exception | None = None
    over: float = 0.0


def ask(server, request, now, deadline):
    """When a query is over and what came of it: an answer that takes longer than there is time does not come."""
    answer = server.query(request, now - BEGIN + ROUND_TRIP / 2)
    if now + ROUND_TRIP > deadline:
        return max(deadline, now), Transient(TimeoutError("not answered in time"))
    return now + ROUND_TRIP, answer


def wait(server, job_ids=None, *, seed=0, fresh_until=None, known=(), **polling):
    now, told, run = BEGIN, math.inf, Run()
    chance = random.Random(seed).random  # noqa: S311 - to be repeated, not to be secret
    config, fresh = PollingConfig(**polling), {i: BEGIN + t for i, t in (fresh_until or {}).items()}
    ids = server.ends if job_ids is None else job_ids
    flow = WaitForMany(ids, config, now=now, randomness=chance, fresh_until=fresh, known=known).run()
    try:
        action = next(flow)
        for _ in range(20_000):
            result = None
            match action:
                case Open(request, deadline):
                    result = server.open(request, now - BEGIN)
                    told = float(request.headers.get("Last-Event-ID") or now - BEGIN)
                    now = min(now + ROUND_TRIP, max(deadline, now))
                case Send(request, deadline):
                    now, result = ask(server, request, now, deadline)
                case Receive(until):
                    now, told, result = receive(server, now, told, until)
                case Sleep(until):
                    now = max(until, now)
                case Notify(Event.CHANGE, job):
                    run.told.append((job.job_id, job.status))
                    run.told_at.append(now - BEGIN)
                case Found(job):
                    run.found.append((now - BEGIN, job))
            action = flow.send(Reply(now, result))
        pytest.fail("the wait did not come to an end")
    except StopIteration as stop:
        run.left = stop.value
    except Exception as error:  # noqa: BLE001 - whatever ended it is what the test looks at
        run.error = error
    run.over = now - BEGIN
    return run


def receive(server, now, told, until):
    """What an open stream gives next: events, a heartbeat every 15 s, a break, or nothing."""
    t, limit = now - BEGIN, min(until - BEGIN, now - BEGIN + 15.0)
    if t >= server.silent_from:
        return until, told, None
    breaks = min((b for b in server.breaks if b > t), default=math.inf)
    next_events = server.events(told, min(limit, breaks))
    if next_events is not None:
        moment, events = next_events
        return max(now, BEGIN + moment), moment, events
    if breaks <= limit:
        return BEGIN + breaks, told, Transient(ConnectionError("the event stream ended"))
    if limit < until - BEGIN:
        return BEGIN + limit, told, ()
    return BEGIN + limit, told, None


def test_pending_jobs_are_told_at_first_sight_and_all_at_their_end():
    """on_status_change hears of each job when it is first seen, once, and again when it has ended."""
    run = wait(Server({"a": -1.0, "b": 5.0}, breaks=[3.0], down=[(3.0, 4.0, status(502))]))
    assert run.told == [("a", "completed"), ("b", "pending"), ("b", "completed")]


def test_jobs_started_here_are_told_before_anything_is_asked():
    """The answers to the starts are the first sight, told once; of one that had ended the query tells the end."""
    known = [(Job(job_id, status), BEGIN) for job_id, status in [("a", JobStatus.PENDING), ("b", JobStatus.COMPLETED)]]
    run = wait(Server({"a": 5.0, "b": -1.0, "c": 5.0}), known=known)
    assert run.told[:3] == [("a", "pending"), ("b", "completed"), ("c", "pending")]
    assert run.told_at[:3] == [0.0, pytest.approx(2 * ROUND_TRIP), pytest.approx(2 * ROUND_TRIP)]
    assert len(run.told) == 5


def test_without_a_stream_it_is_known_what_was_told():
    """Whoever waits for the jobs that are left need not tell again that those started here are pending."""
    known = [(Job("a", JobStatus.PENDING), BEGIN)]
    assert wait(Server({"a": 1.0, "b": 2.0}, no_stream=ok({})), known=known).left == {"a": True, "b": False}


def test_a_deadline_that_has_passed_leaves_time_to_tell_first_sight():
    """A wait for many that only looks tells the status of each job."""
    assert wait(Server({"a": 1.0}), timeout=0).told == [("a", "pending")]


def test_thousand_jobs_take_two_requests_and_no_delay():
    """A thousand jobs are one stream and one query, each told at its end, in the order of ending."""
    chance = random.Random(1)  # noqa: S311 - to be repeated
    server = Server({f"j{n}": chance.uniform(0, 60) for n in range(1000)})
    run = wait(server)
    assert [kind for _, kind, _ in server.requests] == ["open", "query"]
    assert [job.job_id for _, job in run.found] == sorted(server.ends, key=server.ends.get)
    assert all(moment - server.ends[job.job_id] <= 0.01 for moment, job in run.found)
    assert run.left == {}


def test_jobs_that_had_ended_before_are_told_by_the_query_in_order():
    """Jobs that ended before the wait began come first, in the order of their ending."""
    server = Server({"b": -1.0, "a": -2.0, "c": 5.0})
    run = wait(server, ["c", "b", "a"])
    assert [job.job_id for _, job in run.found] == ["a", "b", "c"]
    assert [job.wait_stats.learnt_by for _, job in run.found] == ["query", "query", "stream"]


def test_a_stream_that_falls_silent_is_opened_anew():
    """Where three heartbeats were missed nobody is there any more; what ended meanwhile is told by the next stream."""
    server = Server({"a": 1.0, "b": 60.0, "c": 120.0}, silent_from=10.0)
    run = wait(server, timeout=600.0)
    assert [job.job_id for _, job in run.found] == ["a", "b", "c"]
    assert run.found[1][0] <= 10.0 + 15.0 + 45.0 + 1.0
    assert len([kind for _, kind, _ in server.requests if kind == "open"]) == 2


def test_a_broken_stream_is_resumed_after_the_last_event():
    """After a break the stream goes on from the last event, without a new query, and nothing is missed."""
    server = Server({"a": 1.0, "b": 5.0, "c": 30.0}, breaks=[4.9], down=[(4.9, 8.0, status(502))])
    run = wait(server)
    assert [job.job_id for _, job in run.found] == ["a", "b", "c"]
    assert sum(kind == "query" for _, kind, _ in server.requests) == 1
    assert server.requests[-1][2].headers["Last-Event-ID"] == "1.0"


def test_a_stream_that_breaks_before_its_first_event_is_asked_anew():
    """Without an event to resume from, a new query tells what was missed."""
    server = Server({"a": 5.0, "b": 30.0}, breaks=[4.0], down=[(4.0, 9.0, status(503))])
    run = wait(server)
    assert [job.job_id for _, job in run.found] == ["a", "b"]


def test_a_server_that_forgot_the_last_event_is_asked_anew():
    """A refused Last-Event-ID leads to a fresh stream and a query, not to an error."""
    server = Server({"a": 1.0, "b": 5.0, "c": 30.0}, breaks=[4.9], down=[(4.9, 8.0, status(502))], forgetful=True)
    assert [job.job_id for _, job in wait(server).found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "answer", [Response(404, {}, b""), Response(405, {}, b""), Response(501, {}, b""), ok({"hello": 1})]
)
def test_without_a_stream_the_jobs_are_left_to_single_waits(answer):
    """A server that offers no stream leaves all jobs to be waited for one by one."""
    assert wait(Server({"a": 1.0, "b": 2.0}, no_stream=answer)).left == {"a": False, "b": False}


def test_a_proxy_that_ends_every_stream_at_once_is_given_up():
    """Where streams end as soon as they open, time and again, the jobs are waited for one by one."""
    server = Server({"a": 60.0}, breaks=[t / 100 for t in range(1, 10_000)])
    assert wait(server).left == {"a": True}, "its first sight was told by the query"
    assert len(server.requests) <= 10


def test_an_unknown_job_is_named():
    """A job the server does not know ends the wait with its name, at once."""
    run = wait(Server({"a": 60.0}), ["a", "nobody"])
    assert type(run.error) is JobNotFoundError
    assert run.error.job_id == "nobody"
    assert run.over < 0.1


def test_a_job_started_moments_ago_may_be_unknown_at_first():
    """A job this client has just started is asked for again for a few seconds."""
    server = Server({"a": 20.0, "b": 0.5}, known_from={"b": 1.0})
    run = wait(server, ["a", "b"], fresh_until={"b": 5.0})
    assert [job.job_id for _, job in run.found] == ["b", "a"]


def test_a_started_job_that_stays_unknown_is_an_error():
    """After those seconds it is unknown."""
    run = wait(Server({"a": 60.0}), ["a", "b"], fresh_until={"b": 5.0})
    assert type(run.error) is JobNotFoundError
    assert 5.0 <= run.over <= 6.0


def test_the_deadline_names_what_is_left():
    """At the deadline, after a last look, the ids that have not ended are in the error."""
    server = Server({"a": 1.0, "b": 100.0, "c": 100.0})
    run = wait(server, timeout=10.0)
    assert isinstance(run.error, WaitTimeoutError)
    assert run.error.pending == ("b", "c")
    assert 10.0 - ROUNDING <= run.over <= 10.0 + LATE
    assert server.requests[-1][1] == "query"
    assert [job.job_id for _, job in run.found] == ["a"]


def test_max_retries_ends_it():
    """More consecutive failures than max_retries end the wait with their cause."""
    run = wait(Server({"a": 1.0}, down=[(0, math.inf, status(500))]), max_retries=2)
    assert isinstance(run.error, StatusUnavailableError)
    assert run.error.polls == 3
    assert run.error.__cause__.status_code == 500


def test_retry_after_beyond_the_deadline_raises_at_once():
    """A pause beyond the deadline ends the wait at once, and is quoted."""
    run = wait(Server({"a": 1.0}, down=[(0, math.inf, status(503, retry_after="900"))]), timeout=60.0)
    assert isinstance(run.error, WaitTimeoutError)
    assert "900 s (Retry-After)" in str(run.error)
    assert run.over < 0.1


def test_no_jobs_take_no_request():
    """Waiting for nothing is over at once."""
    server = Server({})
    assert wait(server).left == {}
    assert not server.requests


@settings(max_examples=400, deadline=None)
@given(
    ends=st.lists(st.floats(-5, 60), min_size=1, max_size=20),
    breaks=st.lists(st.floats(1, 60), max_size=4),
    down=st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 10)), max_size=3),
    timeout=st.floats(0, 90),
    seed=st.integers(0, 999),
)
@example(ends=[1e-05], breaks=[], down=[], timeout=4e-13, seed=0)  # over before the answer can come
def test_nothing_is_missed_and_nothing_told_twice(ends, breaks, down, timeout, seed):
    """Whatever breaks, every job is told once, after its end, or is named as pending at the deadline."""
    windows = [(begin, begin + length, status(502)) for begin, length in down]
    server = Server({f"j{n}": end for n, end in enumerate(ends)}, breaks=breaks, down=windows)
    run = wait(server, timeout=timeout, seed=seed)
    told = [job.job_id for _, job in run.found]
    assert len(told) == len(set(told))
    assert all(moment >= server.ends[job.job_id] - ROUNDING for moment, job in run.found)
    assert run.over <= timeout + LATE
    if run.error is None:
        assert set(told) | set(run.left) == set(server.ends)
    else:
        assert isinstance(run.error, WaitTimeoutError)
        assert set(told) | set(run.error.pending) == set(server.ends)
        assert run.over >= timeout - ROUNDING
