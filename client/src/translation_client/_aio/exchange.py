"""What is done on aiohttp is over at its deadline, and what goes wrong is put into plain words."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from translation_client._aio.pacing import turn
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

    from translation_client._wire.requests import Transient

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
