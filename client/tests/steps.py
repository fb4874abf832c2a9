"""The steps a script is made of: answers, and what goes wrong instead.

A step is a coroutine function that is given the ``Turn``: it sends what it likes; False ends the connection.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json

DRIP = 0.05  # seconds between two bytes of a slow answer


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
        return await (then if turn.seen.headers.get("prefer", "wait=0") != "wait=0" else otherwise)(turn)

    return step


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def reset(turn):
    turn.reset()


async def closed(_turn):
    return False


async def stalled(turn):
    await turn.reader.read()  # until the client goes
    return False


async def half_a_body(turn):
    await turn.send(raw_answer(200, b'{"job_id": "j1", "st', length=1000))
    return False


async def body_stalled(turn):
    await turn.send(raw_answer(200, b'{"job_id": "j1", "st', length=1000))
    return await stalled(turn)


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
