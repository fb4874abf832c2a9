"""A server on a real socket that does what a script says, request by request, and remembers what it was asked.

A step of the script is a coroutine function that is given the ``Turn``; it answers, or does worse.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

DRIP = 0.05  # seconds between two bytes of a slow answer
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
    writer: asyncio.StreamWriter
    number: int

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
            writer.transport.abort()  # also where a client does not take what was written
        await _settle()

    async def _talk(self, reader, writer):
        self._talks.add(asyncio.current_task())
        self._writers.add(writer)
        self.connections += 1
        connection = self.connections
        try:
            async with asyncio.timeout(PATIENCE):
                while (seen := await _read(reader, connection)) and await self._answer(seen, writer):
                    pass
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            self._talks.discard(asyncio.current_task())
            writer.close()

    async def _answer(self, seen, writer):
        """Play the next step; false if the connection is to end."""
        self.seen.append(seen)
        steps, number = self._scripts[seen.kind], self._turns[seen.kind]
        self._turns[seen.kind] += 1
        keep = await steps[min(number, len(steps) - 1)](Turn(seen, writer, number))
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


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def raw_answer(status, body=b"", headers=(), length=None):
    """The bytes of an answer; header values may be any bytes."""
    lines = [f"HTTP/1.1 {status} Whatever".encode(), b"Content-Length: %d" % (len(body) if length is None else length)]
    lines += [name.encode() + b": " + (v if isinstance(v, bytes) else str(v).encode()) for name, v in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def job_json(job_id, status="completed", **fields):
    ended = "2026-01-31T12:00:05Z" if status in {"completed", "error"} else None
    return {
        "job_id": job_id,
        "status": status,
        "created_at": "2026-01-31T12:00:00Z",
        "ended_at": ended,
        "elapsed_time": 0.0 if ended is None else 5.0,
        **fields,
    }


def answer(status=200, body=b"", **headers):
    """Answer with these bytes."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]

    async def step(turn):
        await turn.send(raw_answer(status, body, named))

    return step


def job(status="completed", code=200, headers=(), **fields):
    """Answer with the job that is asked for."""

    async def step(turn):
        content = {**job_json(turn.seen.last_segment, status), **fields}
        await turn.send(raw_answer(code, json.dumps(content).encode(), [*dict(headers).items()]))

    return step


def jobs(default, **statuses):
    """Answer a query with the jobs that are asked for; their status is the default where it is not given by id."""

    async def step(turn):
        ids = json.loads(turn.seen.body)["job_ids"]
        found = [job_json(job_id, statuses.get(job_id, default)) for job_id in ids]
        await turn.send(raw_answer(200, json.dumps({"jobs": found, "next_cursor": None}).encode()))

    return step


def stream(*parts, then=None):
    """Open an event stream that tells of these jobs (or sends these bytes), and then breaks, or does something else."""

    async def step(turn):
        await turn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 0\n: connected\n\n")
        for number, part in enumerate(parts, 1):
            data = json.dumps(job_json(part)) if isinstance(part, str) else None
            await turn.send(part if data is None else f"id: {part}-{number}\nevent: job\ndata: {data}\n\n".encode())
        return False if then is None else await then(turn)

    return step


def after(seconds, then):
    """Take this long to answer."""

    async def step(turn):
        await asyncio.sleep(seconds)
        return await then(turn)

    return step


def only_held(then, otherwise):
    """Treat requests to be held in one way, and all others in another."""

    async def step(turn):
        return await (then if "prefer" in turn.seen.headers else otherwise)(turn)

    return step


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def reset(turn):
    turn.reset()


async def closed(_turn):
    return False


async def stalled(_turn):
    await asyncio.sleep(PATIENCE)


async def half_a_body(turn):
    await turn.send(raw_answer(200, b'{"job_id": "j1", "st', length=1000))
    return False


async def body_stalled(turn):
    await turn.send(raw_answer(200, b'{"job_id": "j1", "st', length=1000))
    await asyncio.sleep(PATIENCE)


async def head_drips(turn):
    await turn.send(b"HTTP/1.1 200 OK\r\nX-Filler: ")
    await _drip(turn)


async def body_drips(turn):
    await turn.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await _drip(turn)


async def _drip(turn):
    while True:
        await turn.send(b" ")
        await asyncio.sleep(DRIP)


async def endless_body(turn):
    await turn.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await turn.send(b" " * 65536)


async def endless_heads(turn):
    """Ten thousand interim answers a second; faster, parsing them alone would keep an event loop busy."""
    while True:
        await turn.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await asyncio.sleep(0.01)


async def endless_head(turn):
    await turn.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await turn.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")


async def no_http(turn):
    await turn.send(b"220 smtp.example.com ESMTP ready\r\n" * 10)
    return False


@functools.cache
def _blanks(megabytes):
    """Compressed in members of 16 MB, a thousandth of that."""
    return gzip.compress(b" " * 2**24, 1) * (megabytes // 16)


def gzip_bomb(megabytes):
    """A small answer that would unpack to a large one."""

    async def step(turn):
        await turn.send(raw_answer(200, _blanks(megabytes), [("Content-Encoding", "gzip")]))

    return step


async def no_gzip(turn):
    await turn.send(raw_answer(200, b"this was never compressed", [("Content-Encoding", "gzip")]))


async def answered_then_closed(turn):
    """A good answer on a connection that says it stays open, and does not."""
    await job("pending")(turn)
    return False
