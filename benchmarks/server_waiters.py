"""Ten thousand requests held at once: what each costs the server, what others notice, when all are told of the end.

The job they wait for is cancelled, which is news to every server: none can have set a timer for it.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import psutil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_AT_A_TIME = 200  # connections made together
_PATIENCE = 60.0
_PAUSE = 0.005  # seconds between two requests of somebody else
_QUIET = 0.5  # seconds in which the server does next to nothing show that all that came before is being held
_NEXT_TO_NOTHING = 0.1  # of its time
_HELD_FOR = 1.0  # seconds in which somebody else asks


@dataclass(frozen=True, slots=True)
class Asked:
    """The requests of one server, as bytes.

    Attributes:
        wait: Is held until the job has ended.
        look: Is answered at once.
        end: Ends the job.
    """

    wait: bytes
    look: bytes
    end: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """What one server did.

    Attributes:
        memory: Bytes of its resident memory for each that was held.
        others: Seconds that 99 in 100 looks of somebody else took at most, while they came and were held.
        median: Seconds from the request that ends the job until half of them were told.
        last: And until the last one was.
    """

    memory: float
    others: float
    median: float
    last: float


class _Holder(asyncio.Protocol):
    """Asks once, and notes when the answer begins."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.transport: asyncio.WriteTransport | None = None
        self.told_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.transport.write(self._request)

    def data_received(self, _: bytes) -> None:
        self.told_at = self.told_at or time.perf_counter()


async def hold(port: int, pid: int, number: int, asked: Asked) -> Held:
    """Let so many wait at a server on this port, whose process this is; raises ``RuntimeError`` if not all are told."""
    before = _memory(pid)
    took: list[float] = []
    holders = [_Holder(asked.wait) for _ in range(number)]
    try:
        async with _looking(port, asked.look, took):
            for first in range(0, number, _AT_A_TIME):
                await _connect(port, holders[first : first + _AT_A_TIME])
        await _until_quiet(pid)
        memory = (_memory(pid) - before) / number
        async with _looking(port, asked.look, took):
            await asyncio.sleep(_HELD_FOR)
        told = await _end(port, asked.end, holders)
    finally:
        for holder in holders:
            if holder.transport is not None:
                holder.transport.abort()
    return Held(memory, sorted(took)[int(len(took) * 0.99)], told[number // 2], told[-1])


def allow_files(number: int) -> int:
    """Let this process and what it starts have so many connections open, or as many as the system allows."""
    spare = 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = number + spare if hard == resource.RLIM_INFINITY else min(hard, number + spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, possible), hard))
    return min(number, possible - spare)


async def _connect(port: int, holders: Sequence[_Holder]) -> None:
    supply = iter(holders)
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.create_connection(supply.__next__, "127.0.0.1", port) for _ in holders))


@asynccontextmanager
async def _looking(port: int, request: bytes, took: list[float]) -> AsyncIterator[None]:
    """Let somebody else ask meanwhile."""
    looking = asyncio.create_task(_look(port, request, took))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look(port: int, request: bytes, took: list[float]) -> None:
    """Somebody else's requests, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            begun = time.perf_counter()
            writer.write(request)
            await _answer(reader)
            took.append(time.perf_counter() - begun)
            await asyncio.sleep(_PAUSE)
    finally:
        writer.close()


async def _until_quiet(pid: int) -> None:
    """Answers without delay would not show it: a fair server gives them while thousands have not been looked at."""
    process = psutil.Process(pid)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        before = sum(process.cpu_times()[:2])
        await asyncio.sleep(_QUIET)
        if sum(process.cpu_times()[:2]) - before < _QUIET * _NEXT_TO_NOTHING:
            return
    raise RuntimeError("the server does not come to rest")


async def _end(port: int, request: bytes, holders: Sequence[_Holder]) -> list[float]:
    """End the job; how long after that each was told, in that order."""
    gc.collect()
    gc.freeze()  # else the pauses of this process are measured
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await _answer(reader)
    writer.close()
    while not all(holder.told_at for holder in holders):
        if time.perf_counter() - begun > _PATIENCE:
            raise RuntimeError("not all were told of the end")
        await asyncio.sleep(0.02)
    gc.unfreeze()
    if any(holder.told_at < begun for holder in holders):
        raise RuntimeError("somebody was answered before the job ended")
    return sorted(holder.told_at - begun for holder in holders)


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if head[9:10] != b"2":
        raise RuntimeError(f"not a 2xx: {head[:400]!r}")
    await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))


def _memory(pid: int) -> int:
    """Bytes."""
    main = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (main, *main.children(recursive=True)))
