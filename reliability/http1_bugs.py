"""A server that misbehaves: a relay in front of a right one, with which `http1.py` is shown to fail."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BUGS = ("swapped-answers", "lost-answer", "foreign-answer", "httptools")
"""Those of the relay; and uvicorn's httptools, which takes a body behind `Upgrade:` for the next request."""

_EVERY = 300  # answers: one of so many goes wrong


class _Mischief:
    """What becomes of the answers of all connections."""

    def __init__(self, bug: str) -> None:
        self._bug = bug
        self._number = 0
        self._due = 0
        self._swapped: dict[object, bytes] = {}
        self._last: tuple[object, bytes] = (None, b"")

    def pass_on(self, connection: object, answer: bytes) -> bytes:
        """Return what the client gets instead of this answer."""
        self._number += 1
        self._due += self._number % _EVERY == 0
        (owner, foreign), self._last = self._last, (connection, answer)
        before = self._swapped.pop(connection, b"")
        if not self._due or (self._bug == "foreign-answer" and owner is connection):
            return answer + before
        self._due -= 1
        if self._bug == "swapped-answers":
            self._swapped[connection] = answer
        return before + (foreign if self._bug == "foreign-answer" else b"")


@asynccontextmanager
async def relay(port: int, bug: str) -> AsyncIterator[int]:
    """Relay connections to the server on this port while the block runs; gives the port to use instead."""
    mischief = _Mischief(bug)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        forward = asyncio.create_task(_copy(reader, to_server))
        try:
            while True:
                writer.write(mischief.pass_on(writer, await _read_answer(from_server)))
                await writer.drain()
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # one of the sides has left, or the run is over
        finally:
            forward.cancel()
            to_server.transport.abort()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    """All answers of this load say their length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return head + await reader.readexactly(int(length[1]) if length else 0)
