"""Guessing passwords is slow, and nobody who has the right one is locked out."""

import asyncio
import base64
import logging
import threading

import httpx
import pytest
from server.tests.steady import Steady
from starlette.responses import PlainTextResponse

from translation_server.http.answers import as_asgi
from translation_server.middleware.basic_auth import BasicAuth
from translation_server.middleware.logins import Logins, network
from translation_server.middleware.users import Accounts


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = basic("admin", "secret")
ATTACKER, HONEST = ("192.0.2.1", 1000), ("198.51.100.7", 1000)


class Slow:
    """Users whose passwords take as long to check as the test wants; counts the checks."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.checked = []
        self._accounts = Accounts({"admin": "secret"})
        self.recall = self._accounts.recall

    async def check(self, authorization, given):
        self.checked.append(given)
        await self.go_on.wait()
        return await self._accounts.check(authorization, given)


@pytest.fixture
def steady():
    return Steady()


async def endpoint(scope, receive, send):
    await PlainTextResponse(scope["user"])(scope, receive, send)


@pytest.fixture
def get(steady):
    """Ask, from an address, with a header; one application for all that a test asks."""
    app = as_asgi(BasicAuth(endpoint, Logins(Accounts({"admin": "secret"}), monotonic=steady)))
    return ask(app)


def ask(app):
    async def get(client, authorization):
        transport = httpx.ASGITransport(app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as session:
            return await session.get("/jobs", headers={"Authorization": authorization})

    return get


async def test_guesses_are_slowed_down(get, steady):
    """Of a hundred guesses within two minutes, some are looked at; the others are told when to come again."""
    statuses = []
    for number in range(100):
        answer = await get(ATTACKER, basic("admin", str(number)))
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert "www-authenticate" not in answer.headers
            assert answer.json()["detail"] == "There were too many wrong logins; wait before the next."
        steady.now += 1.2
    assert (statuses[:10], statuses.count(401), set(statuses)) == ([401] * 10, 16, {401, 429})


async def test_honest_user_during_an_attack(get):
    """The right password comes in all the while: from elsewhere, and from the attacked address where it is known."""
    assert (await get(ATTACKER, RIGHT)).status_code == 200
    for number in range(100):
        await get(ATTACKER, basic("admin", str(number)))
        assert (await get(ATTACKER, RIGHT)).status_code == 200
        fresh = RIGHT.replace(" ", " " * (number + 2))  # never seen before
        assert (await get((f"198.51.100.{number}", 1), fresh)).status_code == 200


async def test_right_guess_is_not_found_during_a_pause(get, steady):
    """During a pause not even the right password is looked at, or guessing would go on; after it, it is."""
    for number in range(15):
        await get(ATTACKER, basic("admin", str(number)))
    assert (await get(ATTACKER, RIGHT)).status_code == 429
    steady.now += 60
    assert (await get(ATTACKER, RIGHT)).status_code == 200


async def test_other_ports_and_names_are_the_same_attacker(get):
    """Neither another port nor another user name gives an address a new start."""
    for number in range(10):
        assert (await get((ATTACKER[0], number), basic(str(number), "x"))).status_code == 401
    assert (await get((ATTACKER[0], 99), basic("eve", "x"))).status_code == 429


async def test_missing_and_malformed_credentials_are_no_guesses(get):
    """A browser that asks before it has a password, or a broken client, is not slowed down."""
    for _ in range(20):
        assert (await get(ATTACKER, "")).status_code == 401
        assert (await get(ATTACKER, "Basic x")).status_code == 401
    assert (await get(ATTACKER, RIGHT)).status_code == 200


async def test_attack_is_logged_once(get, caplog):
    """An attack is one line in the log, with the address, without what was typed."""
    for number in range(50):
        await get(ATTACKER, basic("canary-user", f"canary-{number}"))
    assert caplog.messages == ["many wrong logins from 192.0.2.1: further ones are slowed down"]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::1", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:3::1", 1), "2001:db8:1:3::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (None, "-"),
        (("unix", 0), "unix"),
        (("x" * 1000, 0), "x" * 64),
    ],
)
def test_network(client, expected):
    """A client is its IPv4 address, or the IPv6 network that it can take addresses from at will."""
    assert network(client) == expected


# At the same time


async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come about")


async def test_one_check_for_many_requests():
    """Many requests with the same header at once cost one check, and all get its result."""
    users = Slow()
    get = ask(BasicAuth(endpoint, users))
    requests = [asyncio.create_task(get(HONEST, RIGHT)) for _ in range(50)]
    await until(lambda: users.checked)
    users.go_on.set()
    assert {(await request).status_code for request in requests} == {200}
    assert len(users.checked) == 1


async def test_client_that_leaves_takes_nobody_along():
    """Whoever waits for the same check gets its result, although the one who asked first has left."""
    users = Slow()
    get = ask(BasicAuth(endpoint, users))
    first, second = [asyncio.create_task(get(HONEST, RIGHT)) for _ in range(2)]
    await until(lambda: users.checked)
    first.cancel()
    users.go_on.set()
    assert (await second).status_code == 200


async def test_guesses_at_the_same_time():
    """A hundred guesses at once are no more than a hundred in a row: most are not looked at."""
    users = Slow()
    get = ask(BasicAuth(endpoint, users))
    guesses = [asyncio.create_task(get(ATTACKER, basic("admin", str(number)))) for number in range(100)]
    await until(lambda: users.checked)
    users.go_on.set()
    statuses = [(await guess).status_code for guess in guesses]
    assert set(statuses) == {401, 429}
    assert len(users.checked) <= 12


async def test_few_checks_at_once():
    """No more than two passwords are hashed at once: the machine has other work."""
    users = Slow()
    get = ask(BasicAuth(endpoint, users))
    guesses = [asyncio.create_task(get((f"192.0.2.{number}", 1), basic("admin", str(number)))) for number in range(20)]
    await until(lambda: len(users.checked) == 2)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(users.checked) == 2
    users.go_on.set()
    assert {(await guess).status_code for guess in guesses} == {401}
    assert len(users.checked) == 20


async def test_too_many_logins_at_once():
    """When a hundred logins wait, further ones are told to come again; who is known is not held up."""
    users = Slow()
    get = ask(BasicAuth(endpoint, users))
    users.go_on.set()
    assert (await get(HONEST, RIGHT)).status_code == 200
    users.go_on.clear()
    guesses = [asyncio.create_task(get((f"192.0.2.{number}", 1), basic("admin", str(number)))) for number in range(100)]
    await until(lambda: len(users.checked) == 3)
    answer = await get(ATTACKER, basic("admin", "x"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert (await get(HONEST, RIGHT)).status_code == 200
    users.go_on.set()
    assert {(await guess).status_code for guess in guesses} == {401}


async def test_nothing_is_left_behind():
    """After the logins, none is under way, and no thread is left by checks that need none."""
    before = threading.active_count()
    logins = Logins(Accounts({"admin": "secret"}))
    get = ask(BasicAuth(endpoint, logins))
    for number in range(20):
        await get((f"192.0.2.{number}", 1), basic("admin", str(number)))
    assert (logins._under_way, threading.active_count()) == ({}, before)
