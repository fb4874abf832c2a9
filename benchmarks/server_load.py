"""Load for a server on a loopback port: so many connections, on each one request after the other.

Counts answers, and the CPU time the server's processes spent meanwhile: on a machine that is shared with the load
itself and with others, CPU time per request tells more than requests per second.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one server did in one round.

    Attributes:
        per_second: Answers.
        cpu: Seconds of the server's CPU time an answer took.
    """

    per_second: float
    cpu: float


class _Connection(asyncio.Protocol):
    """Sends the next request once the last one is answered; stops at anything but a 2xx."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._rest = b""
        self.answers = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + _length(data, end):
            self._rest = data
            return
        self._rest = b""
        if data[9:10] != b"2":
            self._fail(f"not a 2xx: {data[:400]!r}")
            return
        self.answers += 1
        if self._transport is not None:
            self._transport.write(next(self._requests))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was lost: {error}")

    def _fail(self, text: str) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(text))


async def load(port: int, requests: Iterator[bytes], *, seconds: float, connections: int, pid: int) -> Sample:
    """Load a server whose process (and its children) has this id with requests that do not come to an end.

    Raises:
        RuntimeError: An answer was wrong.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    made = [
        await loop.create_connection(lambda: _Connection(requests, done), "127.0.0.1", port) for _ in range(connections)
    ]
    before, begun, counted = cpu(pid), time.perf_counter(), sum(protocol.answers for _, protocol in made)
    try:
        await asyncio.wait([done], timeout=seconds)
        if done.done():
            done.result()
        answers = sum(protocol.answers for _, protocol in made) - counted
        took, used = time.perf_counter() - begun, cpu(pid) - before
        return Sample(answers / took, used / max(1, answers))
    finally:
        done.cancel()
        for transport, _ in made:
            transport.abort()


def cpu(pid: int) -> float:
    """Seconds of CPU time of a process and all it started."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def request(method: str, path: str, authorization: str, body: bytes = b"") -> bytes:
    """The bytes of one."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: {authorization}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _length(data: bytes, end: int) -> int:
    """What the header says; 0 without one."""
    head = data[:end].lower()
    begin = head.find(b"content-length:")
    return int(head[begin + 15 :].split(b"\r\n", 1)[0]) if begin >= 0 else 0
