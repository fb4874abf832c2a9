"""Connections that are closed and reset without the server's help: on each of its event loops and parsers.

It is run with the oldest uvicorn allowed as well, so it needs no more than the package and pytest.
"""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import uvicorn
from starlette.requests import ClientDisconnect

from translation_server.simulator.faults import connection as module
from translation_server.simulator.faults.connection import Connection
from translation_server.simulator.recording.exchange import SCOPE_KEY, Exchange, Kind

PATIENCE = 10.0
LARGE = 3_000_000  # bytes: more than the buffers of a connection take at once
WAYS = [(loop, http) for loop in ("asyncio", "uvloop") for http in ("h11", "httptools")]


class App:
    """What a fault does is named by the path; `log` has what it saw."""

    def __init__(self):
        self.log = []
        self.held = threading.Event()

    async def __call__(self, scope, receive, send):
        path = scope["path"].lstrip("/")
        scope[SCOPE_KEY] = Exchange(1, Kind.OTHER, scope["method"], scope["path"])
        connection = Connection(scope, receive, send, speed=1.0, is_stopping=lambda: False)
        try:
            await getattr(self, path)(connection)
        except ClientDisconnect:
            self.log.append((path, connection.exchange.cut))

    async def ok(self, connection):
        await connection.read_request()
        await self.begin(connection, 2)
        await connection.send({"type": "http.response.body", "body": b"ok"})

    async def reset(self, connection):
        await connection.read_request()
        await connection.break_off(reset=True)

    async def close(self, connection):
        await connection.read_request()
        await connection.break_off()

    async def truncate(self, connection):
        await self.begin(connection, LARGE + 1)
        await connection.send({"type": "http.response.body", "body": b"x" * LARGE, "more_body": True})
        await connection.break_off()

    async def reset_all(self, connection):
        self.log.append(("all", connection.reset_all()))
        await connection.break_off(reset=True)

    async def hold(self, connection):
        """Never answered."""
        await connection.read_request()
        self.held.set()
        await connection.pause(2 * PATIENCE)
        self.log.append(("hold", connection.is_over))

    async def begin(self, connection, length):
        headers = [(b"content-length", b"%d" % length)]
        await connection.send({"type": "http.response.start", "status": 200, "headers": headers})


@contextlib.contextmanager
def serving(app, listener=None, **options):
    """Serve an application on a socket while the block runs; gives the socket's address."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    usual = {
        "interface": "asgi3",
        "lifespan": "off",
        "log_config": None,
        "loop": "asyncio",
        "http": "h11",
        "ws": "none",
    }
    server = uvicorn.Server(uvicorn.Config(app, **usual | options))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    with listener:
        thread.start()
        until(lambda: server.started)
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def ways(request):
    """One server for each event loop and each parser."""
    loop, http = request.param
    for needed in {loop, http} - {"asyncio"}:
        pytest.importorskip(needed)
    app = App()
    with serving(app, loop=loop, http=http) as address:
        yield app, address


@pytest.fixture
def served(ways, caplog):
    """It, and the certainty that the server logs nothing: neither an error nor a missing answer."""
    app, address = ways
    app.log.clear()
    app.held.clear()
    yield app, address
    assert caplog.messages == []


def until(condition):
    """Return once a condition holds, which nothing announces."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.001)


def connect(address, path=None, *lines):
    """Open a connection, and ask on it for a path."""
    connection = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    connection.settimeout(PATIENCE)
    connection.connect(tuple(address))
    if path is not None:
        connection.sendall("\r\n".join([f"GET /{path} HTTP/1.1", "Host: x", *lines, "", ""]).encode())
    return connection


def read(connection):
    """Everything that comes until the end of a connection, and whether that is a reset."""
    received = bytearray()
    with connection:
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            return bytes(received), True
    return bytes(received), False


def test_reset(served):
    """The client gets a reset and not a byte; the application knows that nobody is left."""
    app, address = served
    assert read(connect(address, "reset")) == (b"", True)
    until(lambda: app.log == [("reset", True)])


def test_close(served):
    """The client gets the end of the connection and not a byte."""
    app, address = served
    assert read(connect(address, "close")) == (b"", False)
    until(lambda: app.log == [("close", True)])


def test_truncate(served):
    """What was sent arrives to its last byte, also at a client that is slow to read it; then the connection ends."""
    app, address = served
    connection = connect(address, "truncate")
    until(lambda: app.log or connection.recv(1, socket.MSG_PEEK))
    received, is_reset = read(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    assert (b"content-length: %d" % (LARGE + 1)) in head.lower()
    assert (len(body), is_reset) == (LARGE, False)
    until(lambda: app.log == [("truncate", True)])


def test_reset_all(served):
    """Every connection is reset: an idle one, one whose request is under way, and the one that asked for it."""
    app, address = served
    idle, held = connect(address, "ok"), connect(address, "hold")
    assert idle.recv(65536)
    app.held.wait(PATIENCE)
    assert read(connect(address, "reset_all")) == (b"", True)
    assert read(held) == (b"", True)
    assert read(idle)[1]
    until(lambda: sorted(app.log) == [("all", True), ("hold", True), ("reset_all", True)])


def test_others_stay(served):
    """Only its own connection ends with a request: neither others of the server, nor those of another server."""
    _, address = served
    with serving(App()) as elsewhere:
        others = [connect(address), connect(elsewhere)]
        assert read(connect(address, "reset"))[1]
        for other in others:
            other.sendall(b"GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read(other)[0].endswith(b"ok")


def test_a_restart_is_of_one_server():
    """Another server of the same process keeps its connections when one resets all of its own."""
    with serving(App()) as one, serving(App()) as other, connect(other) as stays:
        assert read(connect(other, "ok", "Connection: close"))[0].endswith(b"ok")  # by which the server has both
        assert read(connect(one, "reset_all"))[1]
        stays.sendall(b"GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read(stays)[0].endswith(b"ok")


def test_a_pause_is_over_when_the_client_leaves(served):
    """Nobody is waited for who has left."""
    app, address = served
    with connect(address, "hold"):
        app.held.wait(PATIENCE)
    until(lambda: app.log == [("hold", True)])


def test_nothing_is_left_open(served):
    """The duplicates that are made of sockets are closed again."""
    _, address = served
    read(connect(address, "reset"))  # imports and whatever else opens files the first time
    until(lambda: not module._connections(module._address(address)))
    before = len(module._sockets())
    for path in ("reset", "close", "truncate", "reset_all"):
        read(connect(address, path))
    until(lambda: len(module._sockets()) <= before)


@pytest.mark.parametrize("host", ["::1", "::ffff:127.0.0.1"])
def test_ipv6(host):
    """Addresses of IPv6 are found as well, and those of IPv4 that a server for both writes in the other form."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with serving(App(), listener) as address:
        assert read(connect((host, address[1]), "reset")) == (b"", True)
        assert read(connect((host, address[1]), "close")) == (b"", False)


@pytest.mark.parametrize("path", ["reset", "close"])
def test_a_connection_that_cannot_be_found(path, caplog, tmp_path):
    """A Unix socket has no address of a client, and a proxy names another one: the answer is left incomplete."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        with serving(App(), listener) as address, socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            unix = read(connection)
    with serving(App(), proxy_headers=True, forwarded_allow_ips="*") as address:
        named = read(connect(address, path, "X-Forwarded-For: 192.0.2.7"))
    for received, is_reset in (unix, named):
        assert received.startswith(b"HTTP/1.1 200")
        assert b"content-length: 2" in received.lower()
        assert (received.endswith(b"\r\n\r\n{"), is_reset) == (True, False)
    warnings = [record.getMessage() for record in caplog.records if record.name == module.__name__]
    assert [text.startswith("an answer is left incomplete instead of its connection") for text in warnings] == [
        True
    ] * 2
    assert "from ('192.0.2.7', 0) to" in warnings[1]


def test_a_system_that_does_not_show_open_files(monkeypatch, caplog):
    """Nothing is closed or reset where there is no list of open files."""
    monkeypatch.setattr(module, "_OPEN_FILES", ())
    with serving(App()) as address:
        assert read(connect(address, "reset"))[0].endswith(b"{")
    assert "left incomplete" in caplog.text


def test_other_files_are_left_alone(tmp_path):
    """A database keeps its locks, which closing any duplicate of its file would release; and who blocks goes on to."""
    one, other = socket.socketpair()
    socket.setdefaulttimeout(5)  # by which every socket that is made would be made not to block
    try:
        with serving(App()) as address, contextlib.closing(sqlite3.connect(tmp_path / "jobs.db")) as database:
            database.execute("CREATE TABLE job (id)")
            database.execute("BEGIN EXCLUSIVE")
            assert read(connect(address, "reset")) == (b"", True)
            locked = (
                f"import sqlite3; sqlite3.connect({str(tmp_path / 'jobs.db')!r}, timeout=0).execute('BEGIN EXCLUSIVE')"
            )
            assert os.get_blocking(one.fileno())
            assert b"database is locked" in failure_of(locked)
    finally:
        socket.setdefaulttimeout(None)
        one.close()
        other.close()


def failure_of(program):
    """What a program says that must fail, in another process."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 - our own
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (("127.0.0.1", 80), ["127.0.0.1", "80"]),
        (("::ffff:127.0.0.1", 80, 0, 0), ("127.0.0.1", 80)),
        (("fe80::1%eth0", 80, 0, 2), ("fe80::1", 80)),
        (("0:0:0:0:0:0:0:1", 80), ("::1", 80)),
    ],
)
def test_one_address_in_several_forms(given, same):
    """Servers write the same address in different ways."""
    assert module._address(given) == module._address(same) is not None


@pytest.mark.parametrize("given", [None, "", "/run/socket", ("testserver", 80), ("127.0.0.1", None), ("", 0)])
def test_what_is_no_address(given):
    """What names no end of a TCP connection is none."""
    assert module._address(given) is None
