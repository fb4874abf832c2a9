"""HTTP/1.1 by hand: one connection, and an error that says that no answer came. It repeats nothing.

Answers are read by h11, which is strict: what RFC 9112 does not allow is no answer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h11

if TYPE_CHECKING:
    from collections.abc import Iterator

_IDLE = 2.0  # seconds after which the server may close a connection; a request must not meet that moment


class LostError(Exception):
    """No answer came: refused, reset, closed or too late. What was asked for may have been done."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever the server says
        """The body."""
        return json.loads(self.body)


class AnswerReader:
    """Tells the answers of one connection apart, in the order in which its requests were sent; it does no I/O.

    Attributes:
        closing: Whether the last answer says that the server closes the connection behind it.
        interim: The statuses of informational answers (1xx) so far.
    """

    def __init__(self) -> None:
        self._parser = h11.Connection(h11.CLIENT)
        self._methods: deque[str] = deque()
        self._head: h11.Response | None = None
        self._body = bytearray()
        self.closing = False
        self.interim: list[int] = []

    @property
    def outstanding(self) -> int:
        """How many requests have not been answered."""
        return len(self._methods) + (self._parser.our_state is not h11.IDLE)

    def expect(self, method: str) -> None:
        """Say that a request with this method was sent; where an answer ends depends on it."""
        self._methods.append(method)

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Return the answers that are complete with these bytes; no bytes: the server has closed the connection.

        Raises:
            EOFError: The connection was closed before the next answer.
            ValueError: The bytes are no answer, half of one at the end, or more than was asked for.
        """
        if not data and self._head is None and not self._parser.trailing_data[0]:
            raise EOFError
        try:
            self._parser.receive_data(data)
            while not self.closing and (event := self._next_event()) is not None:
                match event:
                    case h11.InformationalResponse():
                        self.interim.append(event.status_code)
                    case h11.Response():
                        self._head = event
                    case h11.Data():
                        self._body += event.data
                    case h11.EndOfMessage():
                        yield self._end()
        except h11.RemoteProtocolError as error:
            raise ValueError(str(error)) from error
        if self.closing and self._parser.trailing_data[0]:
            raise ValueError(f"bytes behind the last answer: {self._parser.trailing_data[0][:80]!r}")

    def _next_event(self) -> h11.Event | None:
        """None: more bytes are needed."""
        if self._parser.our_state is h11.IDLE:
            if not self._methods:
                if self._parser.trailing_data[0]:
                    raise ValueError(f"an answer that nobody asked for: {self._parser.trailing_data[0][:80]!r}")
                return None
            self._parser.send(h11.Request(method=self._methods.popleft(), target="/", headers=_HOST))
            self._parser.send(h11.EndOfMessage())
        event = self._parser.next_event()
        return event if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed) else None

    def _end(self) -> Answer:
        assert self._head is not None  # noqa: S101 - an end has a beginning
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in self._head.headers}
        answer = Answer(self._head.status_code, headers, bytes(self._body))
        self._body.clear()
        self._head = None
        if self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        else:
            self.closing = True
        return answer


_HOST = [("Host", "x")]


class Wire:
    """A connection that is opened when needed, kept, and opened again after a loss.

    Attributes:
        common: The header lines of every request.
        lost: How many requests had no answer although they had been sent.
    """

    def __init__(self, port: int, username: str, password: str) -> None:
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._port = port
        self.common = f"Host: 127.0.0.1:{port}\r\nAuthorization: Basic {credentials}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0
        self.lost = 0

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        *,
        patience: float = 30.0,
    ) -> Answer:
        """Send a request and return its answer; raises ``LostError``."""
        message = self.message(method, path, body, headers)
        sent = False
        try:
            async with asyncio.timeout(patience):
                reader, writer = await self._open()
                writer.write(message)
                sent = True
                return await self._read(reader, method)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.lost += sent
            self.close()
            raise LostError(repr(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    def message(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> bytes:
        """The bytes of a request."""
        headers = headers or {}
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{self.common}{lines}\r\n".encode() + data

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if time.monotonic() - self._used > _IDLE:
            self.close()
        self._used = time.monotonic()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    async def _read(self, reader: asyncio.StreamReader, method: str) -> Answer:
        answers = AnswerReader()
        answers.expect(method)
        while True:
            data = await reader.read(2**16)
            for answer in answers.feed(data):
                self._used = time.monotonic()
                if answers.closing:
                    self.close()
                return answer


async def read_head(reader: asyncio.StreamReader) -> Answer:
    """The answer without its body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return Answer(int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, b"")
