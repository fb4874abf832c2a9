"""Work on aiohttp: it begins when it is its turn, is over at its deadline, and fails in plain words."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import socket
import ssl
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from translation_client._wire.failures import (
    BROKEN_OFF,
    CLOSED,
    NO_HTTP,
    TIMED_OUT,
    UNPACKABLE,
    UNRESOLVED,
    failed,
    out_of_time,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from translation_client._wire.failures import Transient


_AT_ONCE = 4  # requests begun in one turn of the event loop: about a millisecond of work


async def take_turn(deadline: float) -> None:
    """Wait for a request's turn, or until its deadline (on ``time.monotonic()``) has passed."""
    await _pacings.setdefault(asyncio.get_running_loop(), _Pacing()).enter(deadline)


class _Pacing:
    """Lets the requests of one event loop begin a few at a time: thousands due at one moment would delay each other.

    Between two groups of requests the loop reads answers and keeps deadlines.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._begun = 0

    async def enter(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if not self._begun:
            loop.call_soon(self._next_group, loop)
        if self._begun < _AT_ONCE:
            self._begun += 1
            return
        entry: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._waiting, (deadline, next(self._order), entry))
        await entry

    def _next_group(self, loop: asyncio.AbstractEventLoop) -> None:
        now, self._begun = time.monotonic(), 0
        while self._waiting and (self._begun < _AT_ONCE or self._waiting[0][0] <= now):
            deadline, _, entry = heapq.heappop(self._waiting)
            if not entry.done():  # a task that waited may have been cancelled
                entry.set_result(None)
                self._begun += deadline > now
        if self._begun:
            loop.call_soon(self._next_group, loop)


_pacings: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pacing] = WeakKeyDictionary()

T = TypeVar("T")

_LONGEST = 1e6  # seconds; not every event loop takes an infinite moment


class Limits:
    """The time limits of all that is under way, so that it can be ended early when the client is closed."""

    def __init__(self) -> None:
        self._running: dict[asyncio.AbstractEventLoop, set[asyncio.Timeout]] = {}

    @asynccontextmanager
    async def until(self, deadline: float) -> AsyncGenerator[asyncio.Timeout, None]:
        """Limit the block to end at the deadline (on ``time.monotonic()``), with ``TimeoutError``."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(_moment(loop, deadline)) as limit:
            running = self._running.setdefault(loop, set())
            running.add(limit)
            try:
                yield limit
            finally:
                running.discard(limit)
                if not running:
                    self._running.pop(loop, None)

    def end(self) -> None:
        """End at once what is under way in the running event loop."""
        loop = asyncio.get_running_loop()
        for limit in tuple(self._running.get(loop, ())):
            with suppress(RuntimeError):  # it is ending already
                limit.reschedule(loop.time())


async def complete(limits: Limits, deadline: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T | Transient:
    """Return the result of the work, or the failure; at the deadline (on ``time.monotonic()``) at the latest."""
    await take_turn(deadline)
    began = time.monotonic()
    if began >= deadline:
        return failed(TimeoutError("no time was left to ask"), sent=False)
    limit: asyncio.Timeout | None = None
    try:
        async with limits.until(deadline) as limit:
            return await work()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong on the way is the flow's to judge
        expired = limit is not None and limit.expired()
        return out_of_time(time.monotonic() - began) if expired else as_transient(error)


def _moment(loop: asyncio.AbstractEventLoop, deadline: float) -> float:
    """Return the moment on the loop's clock, which need not be ``time.monotonic()``."""
    return loop.time() + min(deadline - time.monotonic(), _LONGEST)


def as_transient(error: Exception) -> Transient:
    """Return the failure of a request made with aiohttp, worth retrying."""
    root: BaseException = error
    while isinstance(root, aiohttp.ClientError) and root.__cause__ is not None:
        root = root.__cause__
    if isinstance(root, socket.gaierror):
        return failed(root, UNRESOLVED, sent=False)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return failed(_fit_to_keep(root), f"the proxy refused: {error.status} {error.message}", sent=False)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return failed(root, TIMED_OUT, sent=False)
    for kind, words in _WORDS.items():
        if isinstance(root, kind) or isinstance(error, kind):
            return failed(_fit_to_keep(root), words)
    if isinstance(root, TimeoutError):
        return failed(root, TIMED_OUT)
    return failed(_fit_to_keep(root), sent=not isinstance(error, aiohttp.ClientConnectorError | ssl.CertificateError))


_WORDS = {
    ContentEncodingError: UNPACKABLE,
    aiohttp.ServerDisconnectedError: CLOSED,
    aiohttp.ClientPayloadError: BROKEN_OFF,
    aiohttp.ClientResponseError: NO_HTTP,
}


def _fit_to_keep(error: BaseException) -> BaseException:
    """Return the error; of aiohttp's own, which keep the headers that were sent and the proxy's URL, only the words."""
    if isinstance(error, aiohttp.ClientResponseError):
        return ConnectionError(f"{error.status} {error.message}")
    return ConnectionError(str(error)) if isinstance(error, aiohttp.ClientConnectorError) else error
