"""HTTP/1.1 by hand: one connection, and an error that says that no answer came. It repeats nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass
from typing import Any

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
                return await self._read(reader)
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

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        answer = await read_head(reader)
        body = await reader.readexactly(int(answer.headers.get("content-length", "0")))
        self._used = time.monotonic()
        if answer.headers.get("connection") == "close":
            self.close()
        return Answer(answer.status, answer.headers, body)


async def read_head(reader: asyncio.StreamReader) -> Answer:
    """The answer without its body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return Answer(int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, b"")
