"""Slow, endless and too many connections: closed, while honest ones are served. All over real sockets."""

import asyncio
import base64
import contextlib
import select
import socket
import threading
import time

import pytest
from server.tests.wire import PATIENCE, connect, exchange, problem, read_reply, serving, until_closed

from translation_server.guard import guard
from translation_server.middleware.basic_auth import BasicAuth
from translation_server.middleware.users import Accounts

QUICKLY = 0.2  # seconds a request may take here
GET = b"GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class App:
    """Answers at once; `/read` after the body, `/held` when told to, `/large` with more than a socket holds."""

    def __init__(self) -> None:
        self.bodies = []
        self.headers = []
        self.held = threading.Semaphore(0)
        self.answered = threading.Semaphore(0)
        self.go_on = threading.Event()

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "http"
        self.headers.append(scope["headers"])
        if scope["path"] == "/read":
            await self._read(receive)
        if scope["path"] == "/held":
            self.held.release()
            await asyncio.to_thread(self.go_on.wait, PATIENCE)
        length = b"%d" % len(scope["path"])
        headers = [] if scope["path"] == "/large" else [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(50 if scope["path"] == "/large" else 0):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
        self.answered.release()

    async def _read(self, receive):
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)


@pytest.fixture
def app():
    return App()


@contextlib.contextmanager
def guarded(app, most=1000, seconds=QUICKLY, **options):
    """Serve an app whose connections are guarded."""

    async def live(receive, send):
        assert guard(receive.__self__.config, most, request_time=seconds, stalled_time=seconds)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def and_guard(scope, receive, send):
        return live(receive, send) if scope["type"] == "lifespan" else app(scope, receive, send)

    # uvicorn's layer for proxies, which is in front by default, would make a task of each request.
    with serving(and_guard, **{"proxy_headers": False, **options}) as port:
        yield port


@pytest.fixture
def port(app):
    """Return the port of a server that waits for nobody."""
    with guarded(app) as port:
        yield port


@pytest.fixture
def patient(app):
    """Return the port of a server that waits as long as a slow machine may take."""
    with guarded(app, seconds=PATIENCE) as port:
        yield port


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def pour(connection, piece: bytes, pause: float = 0.0) -> bytes:
    """Send a piece again and again until the other side closes the connection, which it must; return what it said.

    Of what it said a flood may leave nothing: what it did not read makes its close a reset, and a reset overtakes.
    """
    received, deadline = b"", time.monotonic() + PATIENCE
    connection.settimeout(0)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while time.monotonic() < deadline:
            readable, writable, _ = select.select([connection], [connection], [], 0.1)
            if readable and not (chunk := connection.recv(65536)):
                return received
            received += chunk if readable else b""
            if writable:
                connection.send(piece)
            time.sleep(pause)
        raise AssertionError("the connection stays open")
    return received


# Time


@pytest.mark.parametrize("piece", [b"", b"x"], ids=["silence", "drip"])
@pytest.mark.parametrize("begin", [b"GET /jobs", b"GET /jobs HTTP/1.1\r\nHost: x\r\nX: "])
def test_slow_head(port, begin, piece):
    """A head that does not arrive in time is answered with 408, whether nothing more comes or a byte now and then."""
    with connect(port) as connection:
        connection.sendall(begin)
        received = pour(connection, piece, 0.01)
    assert statuses(received) == [408]
    assert problem(received)["detail"] == "The request did not arrive in time."


def test_silent_connection(port):
    """A connection on which nothing is asked is closed, without a word that nobody waits for."""
    with connect(port) as connection:
        assert until_closed(connection) == b""


@pytest.mark.parametrize("before", [b"", GET], ids=["at first", "after a request"])
def test_empty_lines(port, before):
    """Empty lines, which may come before a request, are no way to keep a connection for nothing."""
    with connect(port) as connection:
        connection.sendall(before)
        if before:
            assert read_reply(connection).status == 200
        assert pour(connection, b"\r\n", 0.01) == b""


def test_idle_after_a_late_body(app):
    """A connection that is idle once the unwanted body has come to its end is closed like any other."""
    with guarded(app, timeout_keep_alive=1) as port, connect(port) as connection:
        connection.sendall(b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx")
        assert read_reply(connection).status == 200
        connection.sendall(b"x")
        assert until_closed(connection) == b""


def test_slow_head_of_a_later_request(port):
    """The second request on a connection has no more time than the first."""
    with connect(port) as connection:
        connection.sendall(GET)
        assert read_reply(connection).status == 200
        connection.sendall(GET[:6])
        assert statuses(pour(connection, b"x", 0.01)) == [408]


@pytest.mark.parametrize(
    "begin",
    [CHUNKED.replace(b"jobs", b"read") + b"1\r\nx\r\n", b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"],
)
def test_slow_body(app, port, begin):
    """A body that does not arrive in time, which an application waits for, is answered with 408."""
    with connect(port) as connection:
        connection.sendall(begin)
        assert statuses(until_closed(connection)) == [408]
    assert app.bodies == []


@pytest.mark.parametrize("piece", [b"1\r\nx\r\n", b"ffff\r\n" + b"x" * 65535 + b"\r\n"], ids=["drip", "flood"])
def test_endless_body_that_nobody_reads(port, piece):
    """A client that goes on sending after it was answered is cut off, and hears nothing but its answer."""
    with connect(port) as connection:
        connection.sendall(CHUNKED)
        received = pour(connection, piece, 0.001)
    assert statuses(received) == [200]
    assert received.endswith(b"/jobs")


def test_endless_body_without_credentials(app):
    """Without credentials an endless body gets its 401, and is cut off."""
    with guarded(BasicAuth(app, Accounts({}))) as port, connect(port) as connection:
        connection.sendall(CHUNKED)
        assert statuses(pour(connection, b"ffff\r\n" + b"x" * 65535 + b"\r\n")) == [401]
    assert app.headers == []


def test_body_in_time(patient):
    """A body that nobody wanted but that ends in time costs nothing: the connection goes on."""
    with connect(patient) as connection:
        connection.sendall(
            b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000 + GET
        )
        with connection.makefile("rb") as stream:
            assert [read_reply(Stream(stream)).status for _ in range(2)] == [200, 200]


def test_held_request(app, port):
    """A request that was received in time may be answered as late as the application wants."""
    with connect(port) as connection:
        connection.sendall(GET.replace(b"jobs", b"held"))
        assert app.held.acquire(timeout=PATIENCE)
        with connect(port) as other:  # the time that a request has passes
            assert until_closed(other) == b""
        app.go_on.set()
        assert read_reply(connection).body == b"/held"


def test_client_that_does_not_read(app, port):
    """A client that asks for much and reads nothing is cut off."""
    with connect(port) as connection:
        connection.sendall(GET.replace(b"jobs", b"large"))
        assert app.answered.acquire(timeout=PATIENCE)
        assert len(until_closed(connection)) < 50_000_000


def test_client_that_reads_in_the_end(app, patient):
    """A client that only takes its time to read gets everything."""
    with connect(patient) as connection:
        connection.sendall(GET.replace(b"jobs", b"large").replace(b"Host", b"Connection: close\r\nHost"))
        time.sleep(0.05)  # long enough for the sockets to be full
        assert len(until_closed(connection)) > 50_000_000
    assert app.answered.acquire(timeout=PATIENCE)


# Memory


def test_large_head(app, patient):
    """A head of 64 KiB is read, however it comes; a larger one is answered with 431."""
    name = b"GET /jobs HTTP/1.1\r\nHost: x\r\nX: "
    for size, status in ((65_000, 200), (66_000, 431), (200_000, 431)):
        for pieces in (1, 2, 7):
            head = name + b"x" * (size - len(name)) + b"\r\n\r\n"
            step = len(head) // pieces + 1
            with connect(patient) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    for start in range(0, len(head), step):
                        connection.sendall(head[start : start + step])
                        time.sleep(0.005)
                assert read_reply(connection).status == status
    assert max(len(dict(headers).get(b"x", b"")) for headers in app.headers) < 65_536


@pytest.mark.parametrize(
    "piece",
    [b"x" * 65_536, b"X: y\r\n" * 1000],
    ids=["one header", "many headers"],
)
@pytest.mark.parametrize("begin", [b"GET /jobs HTTP/1.1\r\nX: ", CHUNKED + b"0\r\nX: "], ids=["head", "trailer"])
def test_endless_headers(app, begin, piece):
    """Headers without end, before or after the body, are cut off long before they fill the memory."""
    with guarded(app, seconds=PATIENCE) as port, connect(port) as connection:
        connection.sendall(begin)
        received = pour(connection, piece)
    assert statuses(received) in ([431], [200], [])
    assert sum(map(len, app.headers)) < 100_000


def test_many_headers(patient):
    """A hundred headers are read; more are answered with 431."""
    for count, status in ((100, 200), (101, 431)):
        head = b"GET /jobs HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(count)) + b"\r\n"
        assert exchange(patient, head).status == status


def test_small_chunks(app, patient):
    """A body in chunks of one byte is a body like any other."""
    with connect(patient) as connection:
        connection.sendall(CHUNKED.replace(b"jobs", b"read") + b"1\r\nx\r\n" * 60_000 + b"0\r\n\r\n")
        assert read_reply(connection).status == 200
    assert app.bodies == [b"x" * 60_000]


def test_pipelining(patient):
    """Requests that are sent before the answers are answered in their order."""
    with connect(patient) as connection:
        connection.sendall(b"".join(GET.replace(b"jobs", b"%d" % number) for number in range(50)))
        with connection.makefile("rb") as stream:
            bodies = [read_reply(Stream(stream)).body for _ in range(50)]
    assert bodies == [b"/%d" % number for number in range(50)]


class Stream:
    """One stream for many answers: each `makefile` would take bytes that the next needs."""

    def __init__(self, stream):
        self._stream = stream

    def makefile(self, _mode):
        return contextlib.nullcontext(self._stream)


def test_endless_pipelining(app, patient):
    """More than a hundred requests that wait for their turn are too many, and none of them is begun."""
    with connect(patient) as connection:
        connection.sendall(GET.replace(b"jobs", b"held"))
        assert app.held.acquire(timeout=PATIENCE)
        connection.sendall(GET * 1000)
        assert until_closed(connection) == b""
    app.go_on.set()
    assert len(app.headers) == 1


# What is no HTTP


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        CHUNKED.replace(b"jobs", b"read") + b"zz\r\n",
    ],
)
def test_garbage(patient, garbage):
    """What is not HTTP/1.1 gets a problem, and its connection is closed."""
    with connect(patient) as connection:
        connection.sendall(garbage)
        received = until_closed(connection)
    assert statuses(received) == [400]
    assert problem(received)["detail"] == "This is not HTTP/1.1."


def test_garbage_after_a_request(app, patient):
    """Garbage behind a request that is not answered yet closes the connection, without a false answer."""
    with connect(patient) as connection:
        connection.sendall(GET.replace(b"jobs", b"held"))
        assert app.held.acquire(timeout=PATIENCE)
        connection.sendall(b"\x00\x00\x00\x00")
        assert until_closed(connection) == b""
    app.go_on.set()


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_upgrade(patient, protocol):
    """An offer to speak another protocol is not taken up; the request is answered."""
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    request = b"GET /jobs HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n" + key + b"\r\n"
    assert exchange(patient, request).body == b"/jobs"


# Too many


@pytest.mark.parametrize("begin", [b"", GET[:20], GET], ids=["silent", "in a head", "idle"])
def test_too_many_connections(app, begin, caplog):
    """When all places are taken by those who ask nothing, whoever asks is served nevertheless."""
    with guarded(app, most=20, seconds=PATIENCE, timeout_keep_alive=60) as port, contextlib.ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(connect(port))
            connection.sendall(begin)
            assert exchange(port, GET).status == 200
    assert caplog.messages == ["MAX_CONNECTIONS is reached (20): quiet connections are closed"]


def test_strangers_go_first(app):
    """An idle connection of a user keeps its place, whatever strangers do."""
    header = b"Authorization: Basic " + base64.b64encode(b"admin:secret") + b"\r\n"
    request = GET.replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n")
    app = BasicAuth(app, Accounts({"admin": "secret"}))
    with guarded(app, most=20, seconds=PATIENCE, timeout_keep_alive=60) as port, contextlib.ExitStack() as stack:
        known = [stack.enter_context(connect(port)) for _ in range(10)]
        for connection in known:
            connection.sendall(request)
            assert read_reply(connection).status == 200
        for _ in range(200):
            assert exchange(port, GET).status == 401
            stack.enter_context(connect(port)).sendall(GET[:9])
        for connection in known:
            connection.sendall(request)
            assert read_reply(connection).status == 200


def test_no_place_left(app):
    """When all places are taken by those who wait for their answer, they keep them; another is told 503."""
    with guarded(app, most=5, seconds=PATIENCE) as port, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect(port)) for _ in range(5)]
        for connection in waiting:
            connection.sendall(GET.replace(b"jobs", b"held"))
            assert app.held.acquire(timeout=PATIENCE)
        with connect(port) as another:
            received = until_closed(another)
        assert statuses(received) == [503]
        assert b"retry-after: 1\r\n" in received
        assert problem(received)["detail"] == "The server has too many connections."
        app.go_on.set()
        assert [read_reply(connection).status for connection in waiting] == [200] * 5
        assert exchange(port, GET).status == 200


def test_only_a_connection_that_asks_for_nothing_is_closed(app):
    """One that has asked again in time is held for as long as it takes."""
    with guarded(app, seconds=PATIENCE, timeout_keep_alive=1) as port, connect(port) as held, connect(port) as idle:
        for connection, path in ((held, b"/"), (held, b"/held"), (idle, b"/")):
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            if path == b"/":
                assert read_reply(connection).status == 200
            else:
                assert app.held.acquire(timeout=PATIENCE)
        assert idle.recv(1) == b""
        app.go_on.set()
        assert read_reply(held).body == b"/held"
