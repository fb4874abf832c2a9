"""A whole answer is, to the byte, what uvicorn makes of its head and its body."""

import asyncio
import re
import threading
from functools import partial
from queue import Queue

import pytest
from server.tests.test_connections import guarded
from server.tests.wire import PATIENCE, connect, read_reply, serving, until_closed
from starlette.middleware.gzip import GZipMiddleware

from translation_server import cycle
from translation_server.cycle import DONE, TRANSPORT, WHOLE, Cycle, cycle_of, whole_of
from translation_server.http.routing import Answer
from translation_server.middleware.access import Access

JSON = (b"content-type", b"application/json")
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"x" * 3_000_000  # more than sockets hold


class App:
    """Gives one answer, whole if that is offered; notes what was offered."""

    def __init__(self, answer, find=whole_of):
        self.answer = answer
        self.find = find
        self.offered = []

    async def __call__(self, scope, receive, send):
        scope[WHOLE] = self.find(send)
        self.offered.append(scope[WHOLE] is not None)
        await self.answer(scope, receive, send)


def replies(app, request, number=1):
    """All that comes back for so many such requests, and a last one that ends the connection."""
    with guarded(app, seconds=PATIENCE, access_log=False) as port, connect(port) as connection:
        connection.sendall(request * number + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = until_closed(connection)
    return re.sub(rb"date: [^\r]*", b"date: now", received)


@pytest.fixture
def count(monkeypatch):
    """How many answers went out whole."""
    whole = []
    send = Cycle.send_whole

    def counting(self, *answer):
        whole.append(send(self, *answer))
        return whole[-1]

    monkeypatch.setattr(Cycle, "send_whole", counting)
    return lambda: sum(whole)


@pytest.mark.parametrize(
    ("request_line", "status", "body", "whole"),
    [
        ("GET / HTTP/1.1", 200, b'{"a":1}', 3),
        ("POST / HTTP/1.1", 202, b"", 3),
        ("GET / HTTP/1.1", 304, b"", 3),
        ("GET / HTTP/1.1", 200, LARGE, 3),
        ("HEAD / HTTP/1.1", 200, b"1234", 0),
        ("GET / HTTP/1.0", 200, b"1234", 0),
    ],
)
def test_it_is_what_uvicorn_makes_of_two_messages(count, request_line, status, body, whole):
    """Any status and body, several requests on one connection; the last one of which closes it."""
    answer = Answer(body, [JSON, (b"ETag", b'"1"')], status)
    request = f"{request_line}\r\nHost: x\r\n\r\n".encode()
    number = 1 if "1.0" in request_line else 3
    expected = replies(App(answer, find=lambda _: None), request, number)
    assert count() == 0
    app = App(answer)
    assert replies(app, request, number) == expected
    assert expected.count(b"HTTP/1.1 ") == (1 if "1.0" in request_line else 4)
    assert all(app.offered)
    assert count() == whole or body == LARGE  # who does not read is waited for, as ever


TARGETS = [
    *(
        "/",
        "/a/b?c=d&e",
        "/a?",
        "/a?b?c",
        "/%C3%A9%20?%20",
        "//a//b?c",
        "/a%3Fb",
        "/a;b=c,d:e@f!$&'()*+",
        "/a#b",
        "/?#a",
    ),
    *("http://y/a?b", "http://y:80/", "*", "http://y", "y:80", "/a b", "/\x7f", "/\xe9", "a", "?a", "#"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_request_is_what_uvicorn_makes_of_it(target):
    """Whatever form its target has; and refused where uvicorn refuses it."""
    scopes = []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            scopes.append({name: value for name, value in scope.items() if name not in {"client", "server", TRANSPORT}})
            await Answer(b"", [JSON])(scope, receive, send)

    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nConnection: close\r\n\r\n".encode("latin-1")
    told = []
    for server in (serving, partial(guarded, seconds=PATIENCE)):
        lifespan = "off" if server is serving else "on"
        with server(app, root_path="/root", lifespan=lifespan) as port, connect(port) as connection:
            connection.sendall(request)
            told.append(until_closed(connection)[:12])
    assert told[0] == told[1]
    assert told[0] in {b"HTTP/1.1 200", b"HTTP/1.1 400"}
    assert scopes[: len(scopes) // 2] == scopes[len(scopes) // 2 :]
    assert len(scopes) == 2 * (told[0] == b"HTTP/1.1 200")


@pytest.mark.parametrize("limit", [1, 2])
def test_the_limit_of_uvicorn_holds(limit):
    """Its 503 comes where so many connections are open."""
    with (
        guarded(App(Answer(b"", [JSON])), seconds=PATIENCE, limit_concurrency=limit) as port,
        connect(port) as connection,
    ):
        connection.sendall(GET)
        assert read_reply(connection).status == (503 if limit == 1 else 200)


@pytest.mark.parametrize("header", [(b"a", b"1\r\nb: 2"), (b"a\r\nb", b"1"), (b"a", b"1\n2"), (b"a:", b"1")])
def test_no_header_ends_itself(header):
    """What would be two headers, or a body, is an error of the server, as uvicorn has it."""
    received = replies(App(Answer(b"", [header])), GET)
    assert received.startswith(b"HTTP/1.1 500 ")
    assert b"b: 2" not in received


def test_layers_of_others_get_two_messages(count):
    """A layer around the server that knows nothing of whole answers works as with any application."""
    layered = GZipMiddleware(Access(Answer(b"x" * 1000, [JSON])), minimum_size=1)
    received = replies(layered, b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    assert b"content-encoding: gzip" in received
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert count() == 0


def test_the_server_itself_uses_it(count):
    """Its outermost layer offers it."""
    assert b"x-request-id" in replies(Access(Answer(b"", [JSON])), GET)
    assert count() == 1


def test_checked_headers_are_remembered_within_limits(monkeypatch):
    """However many there are."""
    monkeypatch.setattr(cycle, "_LINES", lines := {})
    monkeypatch.setattr(cycle, "_MOST_LINES", 2)
    for number in range(5):
        headers = [JSON, (b"retry-after", b"%d" % number)]
        assert b"retry-after: %d" % number in replies(App(Answer(b"", headers)), GET)
        assert len(lines) <= 2


def test_what_is_new_each_time_is_not_remembered(monkeypatch):
    """It comes once or seldom, and would push out the others."""
    monkeypatch.setattr(cycle, "_LINES", lines := {})
    replies(App(Answer(b"", [JSON, (b"x-request-id", b"7"), (b"etag", b'"7"')])), GET)
    assert {name for name, _ in lines} >= {b"content-type", b"content-length"}
    assert {name for name, _ in lines}.isdisjoint({b"x-request-id", b"etag"})


def test_who_does_not_read_is_not_answered():
    """Thirty large answers do not fill the server's memory; they come when they are read."""
    app = App(Answer(LARGE, [JSON]))
    with guarded(app, seconds=PATIENCE, access_log=False) as port, connect(port) as connection:
        connection.sendall(GET * 30)
        for _ in range(5):  # meanwhile the server has had its turn
            with connect(port) as other:
                other.sendall(GET)
                assert len(read_reply(other).body) == len(LARGE)
        assert len(app.offered) - 5 < 5
        assert len(read_reply(connection).body) == len(LARGE)


class Resting:
    """Rests, and says how that ended."""

    def __init__(self):
        self.ended = Queue()
        self.roused = threading.Event()

    async def __call__(self, scope, receive, send):
        cycle = cycle_of(receive)
        if scope["path"] == "/wait":
            asyncio.get_running_loop().run_in_executor(None, self._rouse, cycle, asyncio.get_running_loop())
            self.ended.put(await cycle.rest())
        elif scope["path"] == "/cancelled":
            try:
                await asyncio.wait_for(cycle.rest(), 0.01)
            except TimeoutError:
                self.ended.put(None)
        await Answer(b"told", [JSON])(scope, receive, send)

    def _rouse(self, cycle, loop):
        self.roused.wait(PATIENCE)
        loop.call_soon_threadsafe(cycle.rouse)


@pytest.mark.parametrize("body", [b"", b"x" * 1_000_000])
def test_a_connection_rests_until_it_is_roused(body):
    """Whatever its client sends meanwhile: a body that nobody wants, and further requests, which are answered then."""
    app = Resting()
    with guarded(app, seconds=PATIENCE) as port, connect(port) as connection:
        head = f"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert app.ended.empty()
        app.roused.set()
        assert until_closed(connection).count(b"told") == 2
        assert app.ended.get(timeout=PATIENCE) is False


@pytest.mark.parametrize("length", [0, 1_000_000])
def test_a_connection_rests_until_its_client_leaves(length):
    """Which is noticed at once, also behind a body that nobody wants."""
    app = Resting()
    with guarded(app, seconds=PATIENCE) as port:
        with connect(port) as connection:
            head = f"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode() + b"x" * length)
        assert app.ended.get(timeout=PATIENCE) is True
        app.roused.set()


def test_a_rest_can_be_cancelled():
    """By who waits for something else as well; the answer still gets out."""
    app = Resting()
    with guarded(app, seconds=PATIENCE) as port, connect(port) as connection:
        connection.sendall(b"GET /cancelled HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(connection).body == b"told"
        assert app.ended.get(timeout=PATIENCE) is None


def test_only_the_connection_itself_rests():
    """Not where a layer stands before it that has to see what is received, nor a client that waits for a word."""
    found = []

    async def app(scope, receive, send):
        async def layer():
            return await receive()

        found.append((cycle_of(receive) is None, cycle_of(layer) is None))
        await Answer(b"", [JSON])(scope, receive, send)

    with guarded(app, seconds=PATIENCE) as port:
        for more in ("", "Content-Length: 1\r\nExpect: 100-continue\r\n"):
            with connect(port) as connection:
                connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
                read_reply(connection)
    assert found == [(False, True), (True, True)]


class Quick:
    """Answers before it returns, if it can; otherwise in a task, and notes that."""

    def __init__(self, answer):
        self.answer = answer
        self.tasks = []

    def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            scope[WHOLE] = whole_of(send)
            if self.answer.send_whole(scope):
                return DONE
            self.tasks.append(scope["path"])
        return self.answer(scope, receive, send)


@pytest.mark.parametrize("more", ["", "Expect: 100-continue\r\nContent-Length: 1\r\n"])
def test_an_application_that_has_answered_when_it_returns_gets_no_task(more):
    """On one connection as often as wanted, also behind one another; the last request has a task, as it ends it."""
    answer = Answer(b'{"a":1}', [JSON])
    request = f"GET / HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode() + (b"x" if more else b"")
    app = Quick(answer)
    assert replies(app, request, 20) == replies(App(answer), request, 20)
    assert app.tasks == ["/"]


def test_an_application_may_answer_a_request_whose_body_never_comes():
    """And the connection is of use as before, once it has come."""
    app = Quick(Answer(b"told", [JSON]))
    with guarded(app, seconds=PATIENCE, access_log=False) as port, connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbegin")
        assert read_reply(connection).body == b"told"
        connection.sendall(b"x" * 99_995 + GET)
        assert read_reply(connection).body == b"told"
    assert app.tasks == []


def test_an_application_that_fails_before_it_returns_fails_as_any_other():
    """500, and the connection is closed; others go on."""

    def app(scope, receive, send):
        if scope["path"] == "/fail":
            raise RuntimeError("why")
        return Answer(b"told", [JSON])(scope, receive, send)

    with guarded(app, seconds=PATIENCE) as port, connect(port) as connection:
        connection.sendall(b"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until_closed(connection).startswith(b"HTTP/1.1 500 ")
        assert b"told" in replies(app, GET)


async def test_what_is_done_can_be_awaited():
    """As often as anybody likes: it is an answer to whoever knows nothing of it."""
    assert await DONE is None
    assert await DONE is None
