"""The application on each of the servers it runs on, and clients that send bytes as no library would."""

import base64
import contextlib
import functools
import json
import re
import socket
import struct
import time
from collections import deque

import bcrypt
import pytest
from reliability.http1_servers import SERVERS, Http1Server
from reliability.wire import Answer, AnswerReader

PATIENCE = 10.0
USERS = {"eve": "secret", "leaver": "secret", "changer": "secret"}
LONG = {"simulate": {"duration": 36_000}}


def basic(user: str, password: str) -> str:
    """The header line of these credentials."""
    return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@functools.cache
def hashed(name: str, password: str) -> str:  # noqa: ARG001 - a hash of its own for each user
    """The hash of a user's password, which stays the same as long as the password does."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


class Peer:
    """One connection, whose answers are read strictly; each is that of the next request that was sent."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = AnswerReader()
        self._arrived: deque[Answer] = deque()

    def send(self, *requests: bytes, garbage: bytes = b"") -> None:
        """Send all of them in one write, and behind them what is no request, but gets an answer as well."""
        for request in requests:
            self._answers.expect(request.partition(b" ")[0].decode("latin-1"))
        if garbage:
            self._answers.expect("GET")
        self._socket.sendall(b"".join([*requests, garbage]))

    def send_more(self, data: bytes) -> None:
        """Send bytes that belong to no request, or to one that was sent in part."""
        self._socket.sendall(data)

    def answer(self) -> Answer:
        """The next answer; raises ``EOFError`` if the connection is closed, ``TimeoutError`` if nothing comes."""
        while not self._arrived:
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                data = b""
            self._arrived += self._answers.feed(data)
        return self._arrived.popleft()

    @property
    def interim(self) -> list[int]:
        """The statuses of the informational answers (1xx) so far."""
        return self._answers.interim

    def await_interim(self, status: int) -> None:
        """Return once the last informational answer is this one."""
        while self.interim[-1:] != [status]:
            self._arrived += self._answers.feed(self._socket.recv(65536))

    def answers(self, count: int) -> list[Answer]:
        return [self.answer() for _ in range(count)]

    def rest(self) -> bytes:
        """All that comes until the other side closes the connection, which it must."""
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while data := self._socket.recv(65536):
                received += data
        return bytes(received)

    def end(self) -> None:
        """See that no more was answered than asked: the last answer is that of a last request, and nothing follows."""
        self.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: the-last\r\nConnection: close\r\n\r\n")
        assert self.answer().headers["x-request-id"] == "the-last"
        assert self.rest() == b""

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Leave as a process does that is killed while data waits for it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


class Wire:
    """A server, and the requests of its users."""

    def __init__(self, server: Http1Server) -> None:
        self.server = server
        self.name = server.server
        self.admin = basic(server.username, server.password)
        self._peers: list[Peer] = []

    def connect(self) -> Peer:
        """A connection, which is closed at the end of the test."""
        self._peers.append(Peer(self.server.port))
        return self._peers[-1]

    def close(self) -> None:
        while self._peers:
            self._peers.pop().close()

    def request(self, method: str, path: str, *headers: str, body: object = None, auth: str | None = "") -> bytes:
        """The bytes of a request.

        A ``body`` of bytes goes as it is, framed by headers of its own, anything else as JSON. ``auth`` is the header
        of the credentials: admin's, if it is empty; None: there is none.
        """
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
        if auth is not None:
            lines.append(auth or self.admin)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if body is not None and not isinstance(body, bytes):
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + data

    def start(self, *headers: str, **body: object) -> bytes:
        return self.request("POST", "/start", *headers, body=body)

    def chunked(self, *headers: str, trailers: str = "", auth: str | None = "", **body: object) -> bytes:
        """A start whose body comes in two chunks, with fields behind it."""
        data = json.dumps(body).encode()
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (data[:7], data[7:]))
        kind = "Content-Type: application/json"
        framed = chunks + f"0\r\n{trailers}\r\n".encode()
        return self.request("POST", "/start", kind, "Transfer-Encoding: chunked", *headers, body=framed, auth=auth)

    def ask(self, *requests: bytes) -> list[Answer]:
        """Send these on a connection of their own and return the answers."""
        with contextlib.closing(Peer(self.server.port)) as peer:
            peer.send(*requests)
            return peer.answers(len(requests))

    def new_job(self, auth: str = "") -> str:
        """The id of a job that stays pending."""
        [answer] = self.ask(self.request("POST", "/start", body=LONG, auth=auth))
        assert answer.status == 202, answer
        return answer.json()["job_id"]

    def metric(self, pattern: str) -> float:
        """The sum of the figures whose name and labels match."""
        [answer] = self.ask(self.request("GET", "/metrics"))
        found = re.findall(rf"^{pattern} (\S+)$", answer.body.decode(), re.MULTILINE)
        return sum(map(float, found))

    def held(self) -> float:
        """How many requests and streams are held."""
        return self.metric(r"translation_waiters\{[^}]*\}")

    def failures(self) -> float:
        """How many answers were 5xx."""
        return self.metric(r'http_requests_total\{[^}]*status="5\d\d"[^}]*\}')

    def until(self, condition, seconds: float = PATIENCE) -> float:
        """Return after how many seconds it came about, which nothing announces."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() < begun + seconds, "it did not come about in time"
            time.sleep(0.01)
        return time.monotonic() - begun

    def set_users(self, users: dict[str, str]) -> None:
        """Change the file of the users, as an operator does."""
        lines = [f"{name}:{hashed(name, password)}" for name, password in users.items()]
        new = self.server.log_file.with_name("users.new")
        new.touch(mode=0o600)
        new.write_text("\n".join([*lines, ""]))
        new.replace(new.with_name("users"))


@contextlib.contextmanager
def serving(name, folder, **settings):
    """A server with users of its own."""
    wire = Wire(Http1Server(name, folder, HTPASSWD_FILE=str(folder / "users"), **settings))
    wire.set_users(USERS)
    with wire.server, contextlib.closing(wire):
        yield wire


@pytest.fixture(scope="session", params=SERVERS)
def shared_wire(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as wire:
        yield wire


@pytest.fixture
def wire(shared_wire):
    """A server that many tests share, and that must not have stumbled over any of them."""
    said = shared_wire.server.said()
    failures = shared_wire.failures()
    yield shared_wire
    shared_wire.close()
    assert "Traceback" not in shared_wire.server.said()[len(said) :]
    assert shared_wire.failures() == failures


@pytest.fixture(params=SERVERS)
def own_wire(request, tmp_path):
    """A server that a test has for itself."""
    with serving(request.param, tmp_path) as wire:
        yield wire
