"""Carries a request to the server and its answer back, on aiohttp, and is over at the deadline whatever happens."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from requests.utils import get_netrc_auth
from yarl import URL

from translation_client._aio.connections import new_session
from translation_client._aio.exchange import Limits, complete
from translation_client._aio.stream import AsyncStream
from translation_client._core.operations import CLIENT_CLOSED
from translation_client._wire.arguments import refuse
from translation_client._wire.failures import MAX_BODY, Transient, too_long
from translation_client._wire.responses import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from translation_client._wire.requests import Request
    from translation_client._wire.target import Verify

_CHUNK = 64 * 1024
_UNLIMITED = aiohttp.ClientTimeout()  # the flow's deadlines count


class _Life(NamedTuple):
    """A session, and the generator whose end is the session's."""

    session: aiohttp.ClientSession
    generator: AsyncGenerator[aiohttp.ClientSession, None]


class AsyncTransport:
    """Connections to one origin: a set of them for each event loop that uses it.

    A forked process has its own event loop, so its own connections; on shared ones it would read its parent's answers.

    Args:
        base_url: Where the server is, without a trailing slash.
        headers: Sent with every request, the credentials among them.
        session: The user's own, used as it is and never closed; None: a session of ours for each event loop.
        verify: What the server's certificate is verified with, in a session of ours.
    """

    def __init__(
        self,
        base_url: str,
        headers: dict[str, str | bytes],
        *,
        session: aiohttp.ClientSession | None = None,
        verify: Verify = True,
    ) -> None:
        if session is not None and not isinstance(session, aiohttp.ClientSession):
            refuse("session", "an aiohttp.ClientSession, or None", session, wrong_type=True)
        self._base_url = str(URL(base_url)).rstrip("/")
        self._headers = {name: v if isinstance(v, str) else v.decode("ascii") for name, v in headers.items()}
        self._given = session
        self._given_loop: asyncio.AbstractEventLoop | None = None
        if session is not None:
            if session.auth is not None or (session.trust_env and get_netrc_auth(base_url) is not None):
                raise ValueError("session must have no credentials of its own, nor any in a .netrc for this base_url")
            with suppress(RuntimeError):
                self._given_loop = asyncio.get_running_loop()
        self._verify = verify
        self._lives: dict[asyncio.AbstractEventLoop, _Life] = {}
        self._limits = Limits()
        self._closed = False

    async def exchange(self, request: Request, deadline: float) -> Response | Transient:
        """Return the answer, or the failure; at the deadline (on ``time.monotonic()``) at the latest."""
        self.check_open()
        return await complete(self._limits, deadline, partial(self._send, request))

    async def open(self, request: Request, deadline: float) -> AsyncStream | Response | Transient:
        """Return the event stream, or the answer that is none, or the failure; at the deadline at the latest."""
        self.check_open()
        return await complete(self._limits, deadline, partial(self._open, request))

    async def sleep(self, until: float) -> None:
        """Sleep until the moment (on ``time.monotonic()``); raises ``RuntimeError`` when the client is closed."""
        self.check_open()
        while not self._closed and time.monotonic() < until:  # not every loop's timers are late only
            with suppress(TimeoutError):
                async with self._limits.until(until):
                    await asyncio.get_running_loop().create_future()
        self.check_open()

    def check_open(self) -> None:
        """Raise ``RuntimeError`` if the client is closed, or the session given cannot be used here."""
        if self._closed:
            raise RuntimeError(CLIENT_CLOSED)
        if self._given is not None:
            self._check_given(self._given)

    async def close(self) -> None:
        """Close the connections, and end what is under way in the running event loop."""
        self._closed = True
        self._limits.end()
        life = self._lives.pop(asyncio.get_running_loop(), None)
        if life is not None:
            await life.generator.aclose()

    def _check_given(self, session: aiohttp.ClientSession) -> None:
        if session.closed:
            raise RuntimeError("the session that was given is closed")
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            self._given_loop = self._given_loop or loop
            if loop is self._given_loop:
                return
        raise RuntimeError("the session that was given belongs to another event loop")

    async def _send(self, request: Request) -> Response | Transient:
        async with await self._request(request) as answer:
            return await _read(answer)

    async def _open(self, request: Request) -> AsyncStream | Response | Transient:
        answer = await self._request(request)
        head = _head(answer, b"")
        if head.is_event_stream:
            return AsyncStream(answer, head, self._limits)
        async with answer:
            return await _read(answer)

    async def _request(self, request: Request) -> aiohttp.ClientResponse:
        self.check_open()  # it may have been closed while the request waited for its turn
        session = self._given or await self._session()
        return await session.request(
            request.method,
            URL(self._base_url + request.path, encoded=True),
            headers={**self._headers, **request.headers},
            data=request.body,
            allow_redirects=False,
            timeout=_UNLIMITED,
            raise_for_status=False,
        )

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        life = self._lives.get(loop)
        if life is None or life.session.closed:
            generator = new_session(self._base_url, self._verify)
            life = self._lives[loop] = _Life(await anext(generator), generator)
            await self._forget_ended_loops()
        return life.session

    async def _forget_ended_loops(self) -> None:
        for loop in [loop for loop in list(self._lives) if loop.is_closed()]:
            life = self._lives.pop(loop, None)
            if life is not None:  # no other thread was faster
                await life.session.close()


async def _read(answer: aiohttp.ClientResponse) -> Response | Transient:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            return too_long()
    return _head(answer, bytes(body))


def _head(answer: aiohttp.ClientResponse, body: bytes) -> Response:
    headers = {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}
    headers.setdefault("date", formatdate(usegmt=True))
    return Response(answer.status, headers, body)
