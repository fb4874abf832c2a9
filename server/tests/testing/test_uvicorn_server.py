"""The server in a thread: the socket it listens on, what is answered there, and how it stops.

It is run with the oldest uvicorn allowed as well, so it needs no more than the package and pytest.
"""

import contextlib
import json
import socket
import threading
import time
from base64 import b64encode
from http.client import HTTPConnection

import pytest

from translation_server import TranslationServer
from translation_server.testing import uvicorn_server

PATIENCE = 10.0
CREDENTIALS = "Basic " + b64encode(b"ann:secret").decode()
H2C = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
}


@pytest.fixture
def serve():
    """Make servers that are told to stop at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            TranslationServer(username="ann", password="secret", clock="stepped", **options)
        )


def ask(port, method, path, body=None, **headers):
    """The status of an answer, and its JSON."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request(
            method, path, body, {"Authorization": CREDENTIALS, "Content-Type": "application/json"} | headers
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def until(condition):
    """Return once a condition holds, which nothing announces."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.001)


def read(connection):
    """What comes until the end of a connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_whoever_connects_waits_until_somebody_answers():
    """The port is there before there is a server, and is free again at once after it."""
    with uvicorn_server.listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            connection, _ = listening.accept()
            connection.close()
    uvicorn_server.listen("127.0.0.1", port).close()


def test_two_cannot_have_one_port():
    """The second is told which, and why; and leaves no socket behind."""
    with (
        uvicorn_server.listen("127.0.0.1", 0) as first,
        pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {first.getsockname()[1]}: ") as told,
    ):
        uvicorn_server.listen("127.0.0.1", first.getsockname()[1])
    assert told.value.errno is not None


@pytest.mark.parametrize(("host", "port"), [("a" * 64, 0), ("127.0.0.1", 65_536), ("127.0.0.1", -1)])
def test_what_is_no_address_is_an_oserror(host, port):
    """As whatever else is wrong with it, so that one except is enough."""
    with pytest.raises(OSError, match="cannot listen on"):
        uvicorn_server.listen(host, port)


class Resource:
    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, limit):
        self.limit = limit

    def getrlimit(self, _):
        return self.limit, 100_000


@pytest.mark.parametrize(
    ("system", "possible"),
    [(Resource(1024), 960), (Resource(40), 1), (Resource(-1), 5000), (Resource(9000), 5000), (None, 5000)],
)
def test_connections_are_as_many_as_the_process_has_files_for(monkeypatch, system, possible):
    """Without asking the system for more, as a server that has a process for itself does."""
    monkeypatch.setattr(uvicorn_server, "resource", system)
    assert uvicorn_server.possible_connections(5000) == possible


def test_one_connection_too_many(serve, caplog):
    """A request on it is answered with 503 and the end of the connection; the others are served, and so is the next."""
    port = serve(max_connections=2).port
    head = f"GET /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {CREDENTIALS}\r\n\r\n".encode()
    first, second, third = (socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(3))
    with first, second:
        with third:
            third.sendall(head)
            assert read(third).startswith(b"HTTP/1.1 503")
        for connection in (first, second):
            connection.sendall(head)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert ask(port, "GET", "/jobs")[0] == 200
    assert caplog.messages == ["Exceeded concurrency limit."]


@pytest.mark.parametrize("upgrade", [H2C, {"Connection": "Upgrade", "Upgrade": "websocket"}])
def test_an_offer_to_upgrade_is_ignored(serve, upgrade):
    """The body belongs to its request (RFC 9110, section 7.8), as of clients that offer HTTP/2 with each first one."""
    status, job = ask(serve().port, "POST", "/jobs", b'{"video_length": 42.5}', **upgrade)
    assert (status, job["video_length"]) == (202, 42.5)


def test_faults_strike_the_connection(serve):
    """A reset is one, and a truncated answer ends in the middle."""
    server = serve()
    server.faults.add("reset times=1")
    with pytest.raises(ConnectionResetError):
        ask(server.port, "GET", "/jobs")
    server.faults.add("truncate times=1")
    with pytest.raises(Exception, match="IncompleteRead"):
        ask(server.port, "GET", "/jobs")
    assert [request.fault for request in server.requests] == ["reset", "truncate"]


def test_the_date_is_kept_right(serve, monkeypatch):
    """It is that of the answer, not that of the start."""
    monkeypatch.setattr(uvicorn_server, "_DATE_INTERVAL", 0.001)
    server, dates = serve(), set()

    def has_changed():
        with contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/health/live")
            dates.add(connection.getresponse().headers["Date"])
        return len(dates) > 1

    until(has_changed)


def test_whoever_is_connected_does_not_hold_up_a_stop(serve, caplog):
    """Not an idle client, not one that has said nothing, not one that is held, not one that does not send its body."""
    server = serve()
    job_id = ask(server.port, "POST", "/jobs")[1]["job_id"]
    heads = {
        "idle": "GET /health/live HTTP/1.1",
        "held": f"GET /status/{job_id}?wait=30 HTTP/1.1",
        "silent": None,
        "half": "POST /jobs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100",
    }
    with contextlib.ExitStack() as stack:
        clients = {}
        for name, head in heads.items():
            clients[name] = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            if head is not None:
                clients[name].sendall(f"{head}\r\nHost: x\r\nAuthorization: {CREDENTIALS}\r\n\r\n".encode())
        until(lambda: server.held == 1 and len(server.requests) == 3)
        threading.Thread(target=server.__exit__, args=(None, None, None), daemon=True).start()
        received = {name: read(client) for name, client in clients.items()}
    assert b'"status":"pending"' in received["held"]
    assert received["idle"].startswith(b"HTTP/1.1 200")
    assert received["silent"] == b""
    assert b" 500 " not in received["half"]
    assert caplog.messages == [], "no traceback, and no word of a missing answer"
