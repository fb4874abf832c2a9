"""What holds for every wait: properties tried by the thousand, in virtual time."""

from __future__ import annotations

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from client.tests.virtual import LATE, ROUNDING, TRANSIENT, Server, refused, status, wait
from translation_client import WaitTimeoutError
from translation_client._wire.responses import Response

faults = st.tuples(
    st.floats(0, 40), st.floats(0.1, 30), st.sampled_from([*TRANSIENT.values(), status(503, retry_after="2")])
).map(lambda f: (f[0], f[0] + f[1], f[2]))
servers = st.builds(
    Server,
    ends=st.floats(0, 80),
    hint=st.none() | st.floats(0, 100),
    long_poll=st.booleans(),
    confirms_looks=st.booleans(),
    max_wait=st.floats(1, 60),
    round_trip=st.floats(0.0005, 0.04),
    cut_after=st.just(math.inf) | st.floats(0.5, 30),
    faults=st.lists(faults, max_size=4),
)


@settings(max_examples=1000, deadline=None)
@given(server=servers, timeout=st.floats(0, 90), seed=st.integers(0, 999), look_first=st.booleans())
@example(server=Server(ends=1.0), timeout=1.0, seed=0, look_first=False)
def test_promises_hold_whatever_happens(server, timeout, seed, look_first):
    """Under any mix of faults a wait is over by its deadline, never early, and asks nothing after the end."""
    run = wait(server, timeout=timeout, seed=seed, facts={"look_first": look_first})
    assert run.over <= timeout + LATE
    if run.error is not None:
        assert isinstance(run.error, WaitTimeoutError)
        early = "Retry-After" in str(run.error)
        assert early or run.over >= timeout - ROUNDING
        assert early or timeout - 2.0 <= run.moments[-1] <= timeout + 0.05
    else:
        assert run.job.status == "completed"
        assert run.over >= server.ends
    assert sum(t > server.ends and not _faulty(server, t) for t in run.moments) <= 1
    assert len(run.moments) <= 60 + 12 * timeout, "no tight loop"


def _faulty(server, t):
    return any(begin <= t < end for begin, end, _ in server.faults)


@settings(max_examples=300, deadline=None)
@given(pauses=st.lists(st.integers(0, 9), min_size=1, max_size=6), code=st.sampled_from([429, 503]), seed=st.integers())
def test_no_request_ever_comes_before_retry_after_is_over(pauses, code, seed):
    """Whatever a failing server asks for, no request undercuts it (P7)."""
    asked, todo = [], list(pauses)

    def busy(_request, t):
        pause = todo.pop(0)
        asked.append((t, pause))
        if not todo:
            server.faults.clear()
        return Response(code, {"retry-after": str(pause)}, b""), 0.001

    server = Server(ends=1.0, faults=[(0, math.inf, busy)])
    run = wait(server, seed=seed)
    assert run.job.status == "completed"
    assert len(asked) == len(pauses)
    for t, pause in asked:
        assert not [m for m in run.moments if t < m < t + pause]


def test_thousand_clients_in_an_outage_are_never_in_step():
    """In a total outage a thousand clients add little load and do not come back in step (P8)."""
    second = [0] * 61
    for seed in range(1000):
        for moment in wait(Server(faults=[(0, math.inf, refused)]), timeout=60.0, seed=seed).moments[1:-1]:
            second[int(moment)] += 1
    later = second[15:59]
    assert sum(later) / len(later) <= 1000 / 4, "on average less than one request per client in four seconds"
    assert max(later) <= 1.5 * min(later), "spread evenly, not in waves"
