"""Limits as decisions: so many requests, so many wrong logins, and what a limited answer says."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.tests.steady import Steady
from starlette.responses import PlainTextResponse

from translation_server.http.answers import as_asgi
from translation_server.http.problems import limit_headers
from translation_server.middleware.rate_limit import Allowance, FailureCounts, LoginThrottle, RateLimit

# The rate


def test_burst_then_rate():
    """After a pause the burst is free, then one request each interval, and never the burst again without a pause."""
    allowance = Allowance(10, 5)
    assert [allowance.spend(0.0) for _ in range(5)] == [0.0] * 5
    assert allowance.spend(0.0) == pytest.approx(0.1)
    assert allowance.spend(0.05) == pytest.approx(0.05)
    assert allowance.spend(0.1) == 0.0
    assert allowance.spend(0.1) == pytest.approx(0.1)
    assert [allowance.spend(100.0) for _ in range(5)] == [0.0] * 5
    assert allowance.spend(100.0) > 0


def test_refusals_cost_nothing():
    """Whoever is refused and comes at the time that was said is let in, however often they asked meanwhile."""
    allowance = Allowance(1, 1)
    allowance.spend(0.0)
    waits = [allowance.spend(second / 100) for second in range(99)]
    assert all(waits)
    assert allowance.spend(1.0) == 0.0


@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 1000),
    pauses=st.lists(st.floats(0, 10) | st.just(0.0), max_size=300),
)
def test_never_more_than_allowed(rate, burst, pauses):
    """However requests come, no stretch of time sees more than the burst and what comes in meanwhile."""
    allowance, now, taken = Allowance(rate, burst), 0.0, 0
    for pause in pauses:
        now += pause
        wait = allowance.spend(now)
        taken += not wait
        if wait:
            assert 0 < wait <= 1 / rate + 1e-6
        assert taken <= burst + now * rate + 1e-6 * len(pauses) + 1e-6


@pytest.mark.parametrize("rate", [5e-324, 1e-9, 1e9])
@pytest.mark.parametrize("burst", [1, 10**9])
def test_extreme_rates(rate, burst):
    """Every rate and burst the settings allow can be told in a header."""
    allowance = Allowance(rate, burst)
    for _ in range(3):
        headers = limit_headers("requests", burst, retry_after=allowance.spend(0.0), window=burst / max(rate, 1e-9))
        assert 1 <= int(headers["Retry-After"]) <= 10**9


def limited(steady, rate=2, burst=3):
    async def app(scope, receive, send):
        await PlainTextResponse("ok")(scope, receive, send)

    layer = as_asgi(RateLimit(app, rate, burst, monotonic=steady))

    async def with_user(scope, receive, send):
        user = dict(scope["headers"]).get(b"user")
        if user:
            scope["user"] = user.decode()
        await layer(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(with_user), base_url="http://server")


async def test_too_many_requests():
    """A user who asks too much gets 429, a problem, and when to come again in the standard headers."""
    async with limited(Steady()) as client:
        answers = [await client.get("/jobs", headers={"user": "admin"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    last = answers[-1]
    assert last.headers["content-type"] == "application/problem+json"
    assert last.json()["detail"] == "You make more requests than allowed."
    assert last.headers["retry-after"] == "1"
    assert last.headers["ratelimit-policy"] == '"requests";q=3;w=2'
    assert last.headers["ratelimit"] == '"requests";r=0;t=1'


async def test_rate_is_per_user():
    """One user's requests take nothing from another's, and those of nobody are not counted."""
    steady = Steady()
    async with limited(steady) as client:
        for _ in range(10):
            await client.get("/jobs", headers={"user": "admin"})
            assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/jobs", headers={"user": "eve"})).status_code == 200
        steady.now += 0.5
        assert (await client.get("/jobs", headers={"user": "admin"})).status_code == 200


def test_limit_headers():
    """The headers name the limit, the quota, its unit, and the whole seconds, rounded up, at least one."""
    assert limit_headers("waiters", 7, retry_after=0.0, unit="concurrent-requests") == {
        "Retry-After": "1",
        "RateLimit-Policy": '"waiters";q=7;qu="concurrent-requests"',
        "RateLimit": '"waiters";r=0;t=1',
    }
    assert limit_headers("pending-jobs", 7, retry_after=2.1)["RateLimit"] == '"pending-jobs";r=0;t=3'


# Wrong logins


def fail(throttle, times, address="a", name="admin", now=0.0):
    return [throttle.failed(address, name, now) for _ in range(times)]


def test_pauses_double():
    """Ten wrong logins are free; then the pause is a second, doubles with each, and stays at a minute."""
    throttle = LoginThrottle()
    assert fail(throttle, 9) == [False] * 9
    assert throttle.wait("a", "admin", 0.0) == 0.0
    waits = []
    for number in range(10):
        first = throttle.failed("a", "admin", 0.0)
        assert first == (number == 0)
        waits.append(throttle.wait("a", "admin", 0.0))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_pause_passes():
    """The pause counts from the last wrong login, not from attempts that were refused."""
    throttle = LoginThrottle()
    fail(throttle, 12)
    assert [throttle.wait("a", "admin", moment) for moment in (0, 1, 3.5, 4, 5)] == [4, 3, 0.5, 0, 0]


def test_other_addresses_are_free():
    """Whatever one address did, and whatever was tried for a name: an address without wrong logins may try."""
    throttle = LoginThrottle()
    fail(throttle, 1000)
    assert throttle.wait("b", "admin", 0.0) == 0.0


def test_many_addresses_on_one_name():
    """Addresses that share the work on one name are slowed down like one; for other names they are not."""
    throttle = LoginThrottle()
    for number in range(60):
        assert throttle.wait(f"address {number}", "admin", 0.0) == 0.0
        throttle.failed(f"address {number}", "admin", 0.0)
    assert throttle.wait("address 3", "admin", 0.0) == 60
    assert throttle.wait("address 3", "eve", 0.0) == 0.0
    assert throttle.wait("address 3", "admin", 60.0) == 0.0


def test_all_is_forgotten():
    """A quarter of an hour after the last wrong login, nothing is held against anybody."""
    throttle = LoginThrottle()
    fail(throttle, 100)
    assert throttle.wait("a", "admin", 899.0) == 0.0
    fail(throttle, 1, now=899.0)
    assert throttle.wait("a", "admin", 899.0) == 60.0
    fail(throttle, 1, now=2000.0)
    assert throttle.wait("a", "admin", 2000.0) == 0.0


def test_memory_is_bounded():
    """However many addresses and names there are, the oldest are forgotten first."""
    counts = FailureCounts(free=1, most=100)
    counts.add("first", 0.0)
    for number in range(99):
        counts.add(str(number), 0.0)
    counts.add("first", 1.0)
    counts.add("one more", 1.0)
    assert len(counts) == 100
    assert (counts.last("first", 1.0), counts.last("0", 1.0), counts.last("1", 1.0)) == (1.0, None, 0.0)
