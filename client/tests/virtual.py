"""A world in virtual time: a server that is a function of the moment, and a driver whose clock is the test's."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from translation_client import Job, PollingConfig
from translation_client._core.flow import Notify, Reply, Send, Sleep
from translation_client._core.wait import Wait
from translation_client._wire.failures import Transient
from translation_client._wire.responses import Response

BEGIN = 1000.0  # the monotonic clock does not begin at 0
EPOCH = 1_700_000_000.0
LATE = 0.1
ROUNDING = 1e-6  # moments are sums of floats


@dataclass
class Server:
    """Answers as a function of the time; every fault is a window of time or a number of requests."""

    ends: float = 5.0
    outcome: str = "completed"
    hint: float | None = None
    long_poll: bool = False
    confirms_looks: bool = True  # as `wait=0`, so that a client learns that it can hold
    max_wait: float = 60.0
    round_trip: float = 0.001
    cut_after: float = math.inf
    speed: float = 1.0  # seconds of its clock in one of ours
    faults: list = field(default_factory=list)  # (from, to, make(request, t) -> (result, took))
    requests: list = field(default_factory=list)  # (moment, request)
    extra: dict = field(default_factory=dict)

    def job(self, t):
        ended = t >= self.ends
        return {
            "job_id": "j1",
            "status": self.outcome if ended else "pending",
            "created_at": iso(0),
            "ended_at": iso(self.ends * self.speed) if ended else None,
            "elapsed_time": min(t, self.ends) * self.speed,
            "progress": 1.0 if ended else 0.1,
            **({"poll_after": self.hint} if self.hint is not None and not ended else {}),
            **self.extra,
        }

    def serve(self, request, t):
        """The result, and the seconds it takes."""
        self.requests.append((t, request))
        for begin, end, make in self.faults:
            if begin <= t < end:
                return make(request, t)
        if self.long_poll and (request.hold or (self.confirms_looks and "Prefer" in request.headers)):
            held = min(request.hold / self.speed, self.max_wait / self.speed, max(self.ends - t, 0.0))
            if held > self.cut_after:
                return Transient(ConnectionError("cut")), self.cut_after
            applied = f"wait={min(request.hold, self.max_wait):g}"
            return ok(self.job(t + held), **{"preference-applied": applied}), held + self.round_trip
        return ok(self.job(t + self.round_trip / 2)), self.round_trip


def iso(t):
    return datetime.fromtimestamp(EPOCH + t, UTC).isoformat()


def ok(content, **headers):
    return Response(200, {"date": "Tue, 14 Nov 2023 22:13:20 GMT", **headers}, json.dumps(content).encode())


def status(code, took=0.001, body=b"", **headers):
    """A fault: this status code."""
    return lambda _request, _t: (Response(code, {k.replace("_", "-"): v for k, v in headers.items()}, body), took)


def stall(_request, _t):
    return Transient(ConnectionError("never")), math.inf


def refused(_request, _t):
    return Transient(ConnectionError("connection refused"), maybe_received=False), 0.0005


@dataclass
class Run:
    server: Server
    job: Job | None = None
    error: Exception | None = None
    over: float = 0.0
    told: list = field(default_factory=list)

    @property
    def moments(self):
        return [t for t, _ in self.server.requests]


def wait(server, *, seed=0, job_id="j1", facts=None, **polling):
    """Drive one wait against the server; time passes only as the actions say."""
    now = BEGIN
    run = Run(server)
    chance = random.Random(seed).random  # noqa: S311 - to be repeated, not to be secret
    flow = Wait(job_id, PollingConfig(**polling), now=now, randomness=chance, **(facts or {})).run()
    try:
        action = next(flow)
        for _ in range(100_000):
            result = None
            match action:
                case Send(request, deadline):
                    result, took = server.serve(request, now - BEGIN)
                    if now + took > deadline:
                        result = Transient(TimeoutError("no answer in time"))
                    now = min(now + took, max(deadline, now))
                case Sleep(until):
                    assert until > now, "a sleep must lead forward"
                    now = until
                case Notify(event, job):
                    run.told.append((event, job.status, now - BEGIN))
            action = flow.send(Reply(now, result))
        pytest.fail("the wait did not come to an end")
    except StopIteration as stop:
        run.job = stop.value
    except Exception as error:  # noqa: BLE001 - whatever ended it is what the test looks at
        run.error = error
    run.over = now - BEGIN
    return run


def gaps(run):
    """The times between the requests."""
    return [later - earlier for earlier, later in pairwise(run.moments)]


TRANSIENT = {
    **{str(code): status(code) for code in (408, 425, 429, 500, 501, 502, 503, 504, 599)},
    "html 502": status(502, body=b"<html>Bad Gateway</html>"),
    "html 200": status(200, body=b"<html>Please log in</html>"),
    "empty 200": status(200),
    "truncated": status(200, body=b'{"job_id": "j1", "sta'),
    "NaN": status(200, body=b'{"job_id": "j1", "status": "completed", "progress": NaN}'),
    "list": status(200, body=b"[]"),
    "no status": status(200, body=b'{"job_id": "j1"}'),
    "status of another kind": status(200, body=b'{"job_id": "j1", "status": 3}'),
    "another job": status(200, body=b'{"job_id": "j2", "status": "completed"}'),
    "deep": status(200, body=b"[" * 100_000),
    "refused": refused,
    "stall": stall,
    "not utf-8": status(200, body=b'{"job_id": "\xff", "status": "completed"}'),
}
