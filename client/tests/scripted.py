"""A server on a real socket that does what a script says, request by request, and remembers what it was asked.

What a script is made of is in ``steps``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from client.tests.steps import answer, job, jobs

PATIENCE = 10.0  # seconds after which the server gives up on a client, so that no test hangs


@dataclass(frozen=True)
class Seen:
    """One request, as it arrived."""

    at: float  # on time.monotonic()
    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self):
        if self.last_segment in {"query", "events"}:
            return {"query": "queries", "events": "streams"}[self.last_segment]
        return "starts" if self.method == "POST" else "polls"

    @property
    def last_segment(self):
        return unquote(urlsplit(self.target).path.rpartition("/")[2])


@dataclass
class Turn:
    """One request and the way to answer it."""

    seen: Seen
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def reset(self):
        """End the connection with a TCP reset."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class ScriptedServer:
    """Plays a script for each kind of request: the next step for the next one, and the last for ever."""

    def __init__(self, *, port=0, tls=None):
        self._scripts = {
            "polls": [job("completed")],
            "starts": [job("pending", 202, job_id="j1")],
            "streams": [answer(404)],
            "queries": [jobs("completed")],
        }
        self._turns = dict.fromkeys(self._scripts, 0)
        self.seen = []
        self.connections = 0
        self.port = port
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="scripted-server")

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    @property
    def url(self):
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def polls(self):
        """The requests about one job."""
        return [seen for seen in self.seen if seen.kind == "polls"]

    @property
    def open_connections(self):
        return len(self._talks)

    def play(self, *steps, to="polls"):
        """Begin this script: to polls, starts, streams, or queries for many jobs."""
        self._scripts[to], self._turns[to] = steps, 0

    async def _serve(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._talks, self._writers = set(), set()
        server = await asyncio.start_server(
            self._talk, "127.0.0.1", self.port, limit=2**20, backlog=2048, ssl=self._tls
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        await _settle()  # what was accepted a moment ago begins, so that it can be ended
        server.close()
        await _settle()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        for writer in self._writers:
            with contextlib.suppress(AttributeError):  # Python 3.11.2, if it was encrypted and is closed already
                writer.transport.abort()  # also where a client does not take what was written
        await _settle()

    async def _talk(self, reader, writer):
        self._talks.add(asyncio.current_task())
        self._writers.add(writer)
        self.connections += 1
        connection = self.connections
        try:
            async with asyncio.timeout(PATIENCE):
                while (seen := await _read(reader, connection)) and await self._answer(seen, reader, writer):
                    pass
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            self._talks.discard(asyncio.current_task())
            writer.close()

    async def _answer(self, seen, reader, writer):
        """Play the next step; false if the connection is to end."""
        self.seen.append(seen)
        steps, number = self._scripts[seen.kind], self._turns[seen.kind]
        self._turns[seen.kind] += 1
        keep = await steps[min(number, len(steps) - 1)](Turn(seen, reader, writer))
        return keep is not False and not writer.is_closing()


async def _settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def _read(reader, connection):
    head = await reader.readuntil(b"\r\n\r\n")
    at = time.monotonic()
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, target, _ = first.split(" ")
    return Seen(at, connection, method, target, headers, body)


async def closed_connections(server):
    """Come back when the server sees no connection any more."""
    async with asyncio.timeout(PATIENCE):
        while server.open_connections:  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.005)
