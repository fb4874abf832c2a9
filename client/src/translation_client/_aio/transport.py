"""Carries a request to the server and its answer back, on aiohttp, and is over at the deadline whatever happens."""

from __future__ import annotations

import asyncio
import ssl
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from yarl import URL

from translation_client._aio.exchange import by
from translation_client._aio.resolver import DaemonResolver
from translation_client._aio.stream import AsyncStream
from translation_client._wire.failures import MAX_BODY, Transient, too_long
from translation_client._wire.responses import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from translation_client._wire.requests import Request

_CHUNK = 64 * 1024


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
    """

    def __init__(self, base_url: str, headers: dict[str, str | bytes]) -> None:
        self._base_url = str(URL(base_url)).rstrip("/")
        self._headers = {name: v if isinstance(v, str) else v.decode("ascii") for name, v in headers.items()}
        self._lives: dict[asyncio.AbstractEventLoop, _Life] = {}

    async def exchange(self, request: Request, deadline: float) -> Response | Transient:
        """The answer, or the failure; at the deadline (on ``time.monotonic()``) at the latest."""
        return await by(deadline, partial(self._send, request))

    async def open(self, request: Request, deadline: float) -> AsyncStream | Response | Transient:
        """The event stream, or the answer that is none, or the failure; at the deadline at the latest."""
        return await by(deadline, partial(self._open, request))

    async def close(self) -> None:
        """Close the connections made in the running loop."""
        life = self._lives.pop(asyncio.get_running_loop(), None)
        if life is not None:
            await life.generator.aclose()

    async def _send(self, request: Request) -> Response | Transient:
        async with await self._request(request) as answer:
            return await _read(answer)

    async def _open(self, request: Request) -> AsyncStream | Response | Transient:
        answer = await self._request(request)
        head = _head(answer, b"")
        if head.is_event_stream:
            return AsyncStream(answer, head)
        async with answer:
            return await _read(answer)

    async def _request(self, request: Request) -> aiohttp.ClientResponse:
        session = await self._session()
        return await session.request(
            request.method,
            URL(self._base_url + request.path, encoded=True),
            headers={**self._headers, **request.headers},
            data=request.body,
            allow_redirects=False,
        )

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        life = self._lives.get(loop)
        if life is None or life.session.closed:
            generator = _session(self._base_url)
            life = self._lives[loop] = _Life(await anext(generator), generator)
            await self._forget_ended_loops()
        return life.session

    async def _forget_ended_loops(self) -> None:
        for loop in [loop for loop in list(self._lives) if loop.is_closed()]:
            life = self._lives.pop(loop, None)
            if life is not None:  # no other thread was faster
                await life.session.close()


async def _session(base_url: str) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """One session, which ends with this generator; asyncio ends generators that are left, at the latest with the loop.

    So a client that nobody closed leaves neither sockets nor warnings behind.
    """
    # Proxies and CA bundle as the environment says, read once and in the same way as by the client without async.
    # (aiohttp's own way would also look for credentials in a .netrc, and send those.)
    settings = requests.Session().merge_environment_settings(base_url, {}, None, None, None)
    connector = aiohttp.TCPConnector(limit=0, resolver=DaemonResolver(), ssl=_tls(base_url, settings["verify"]))
    async with aiohttp.ClientSession(
        connector=connector,
        proxy=select_proxy(base_url, settings["proxies"]),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
    ) as session:
        # When to try again is the flow's decision, which must also learn how long a request was held before it was cut.
        session._retry_connection = False  # noqa: SLF001 - aiohttp has no public switch for it
        yield session


def _tls(base_url: str, verify: Any) -> ssl.SSLContext | bool:  # noqa: ANN401 - as untyped as in requests
    if not base_url.startswith("https:"):
        return True
    bundle = Path(DEFAULT_CA_BUNDLE_PATH if verify is True else verify)
    return ssl.create_default_context(capath=bundle) if bundle.is_dir() else ssl.create_default_context(cafile=bundle)


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
