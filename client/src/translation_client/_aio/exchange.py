"""Work on aiohttp: it begins when it is its turn, is over at its deadline, and fails in plain words."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import socket
import ssl
import time
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
    from collections.abc import Callable, Coroutine

    from translation_client._wire.failures import Transient


_AT_ONCE = 4  # requests begun in one turn of the event loop: about a millisecond of work


async def turn(deadline: float) -> None:
    """Come back when it is a request's turn, or when its deadline (on ``time.monotonic()``) has passed."""
    await _turnstiles.setdefault(asyncio.get_running_loop(), _Turnstile()).enter(deadline)


class _Turnstile:
    """One for each event loop; between two groups of requests the loop reads answers and keeps deadlines."""

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
            if not entry.done():  # whoever waited may have been cancelled
                entry.set_result(None)
                self._begun += deadline > now
        if self._begun:
            loop.call_soon(self._next_group, loop)


_turnstiles: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turnstile] = WeakKeyDictionary()

T = TypeVar("T")

_LONGEST = 1e6  # seconds; not every event loop takes an infinite moment


async def by(deadline: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T | Transient:
    """What the work comes to, or the failure; at the deadline (on ``time.monotonic()``) at the latest."""
    await turn(deadline)
    began = time.monotonic()
    if began >= deadline:
        return failed(TimeoutError("no time was left to ask"), sent=False)
    limit = asyncio.timeout_at(moment(deadline))
    try:
        async with limit:
            return await work()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong on the way is the flow's to judge
        return out_of_time(time.monotonic() - began) if limit.expired() else as_transient(error)


def moment(deadline: float) -> float:
    """The moment on the clock of the running loop, which need not be ``time.monotonic()``."""
    return asyncio.get_running_loop().time() + min(deadline - time.monotonic(), _LONGEST)


def as_transient(error: Exception) -> Transient:
    """The failure of a request made with aiohttp, worth retrying."""
    root = error.__cause__ if isinstance(error, aiohttp.ClientError) and error.__cause__ is not None else error
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
    """The error; of aiohttp's own, which remember the headers that were sent and the proxy's URL, only the words."""
    if isinstance(error, aiohttp.ClientResponseError):
        return ConnectionError(f"{error.status} {error.message}")
    return ConnectionError(str(error)) if isinstance(error, aiohttp.ClientConnectorError) else error
