"""A session of aiohttp as the client needs it, with a resolver that is never waited for too long."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import requests
from aiohttp.abc import AbstractResolver
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aiohttp.abc import ResolveResult

    from translation_client._wire.target import Verify

    Address: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]

_RESOLVING = 5.0  # seconds after which one resolution is given up, so that the next request begins another


async def new_session(base_url: str, verify: Verify) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Give one session, which ends with this generator; asyncio ends generators that are left, at the latest its loop.

    So a client that was not closed leaves neither sockets nor warnings behind.
    """
    # Proxies and CA bundle as the environment says, read once and in the same way as by the client without async.
    # (aiohttp's own way would also look for credentials in a .netrc, and send those.)
    chosen = verify if verify is False else os.fspath(verify) if isinstance(verify, str | os.PathLike) else None
    settings = requests.Session().merge_environment_settings(base_url, {}, None, chosen, None)
    tls = _tls(base_url, settings["verify"]) if isinstance(verify, bool | str | os.PathLike) else verify
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, resolver=DaemonResolver(), ssl=tls),
        proxy=select_proxy(base_url, settings["proxies"]),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_send_once,),
    ) as session:
        yield session


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send the request, and keep aiohttp from repeating it by itself when the connection is lost.

    When to try again is the flow's decision, which must also learn how long a request was held before it was cut.
    """
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            raise
        raise aiohttp.ClientConnectionError from error  # which is none of those it repeats


def _tls(base_url: str, verify: Any) -> ssl.SSLContext | bool:  # noqa: ANN401 - as untyped as in requests
    if verify is False or not base_url.startswith("https:"):
        return verify is not False
    bundle = Path(DEFAULT_CA_BUNDLE_PATH if verify is True else verify)
    return ssl.create_default_context(capath=bundle) if bundle.is_dir() else ssl.create_default_context(cafile=bundle)


class DaemonResolver(AbstractResolver):
    """Resolves each name on a daemon thread of its own.

    asyncio's own thread pool is waited for when the loop ends and again when the process does, so a resolver that hangs
    would hold up both long after the deadline. (The thread cannot be interrupted; it ends when the resolver does.)
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, the best first; raises ``OSError``."""
        found: Future[Sequence[Address]] = Future()
        found.set_running_or_notify_cancel()  # from here on it cannot be cancelled under the thread
        threading.Thread(
            target=_resolve, args=(found, host, port, family), name="translation-client-resolver", daemon=True
        ).start()
        try:
            addresses = await asyncio.wait_for(asyncio.wrap_future(found), _RESOLVING)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {_RESOLVING:g} s") from None
        return [_resolved(host, address) for address in addresses]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _resolve(found: Future[Sequence[Address]], host: str, port: int, family: int) -> None:
    try:
        found.set_result(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG))
    except (OSError, UnicodeError) as error:
        found.set_exception(error)


def _resolved(host: str, found: Address) -> ResolveResult:
    family, _, proto, _, address = found
    scope = f"%{address[3]}" if family == socket.AF_INET6 and address[3] else ""
    return {
        "hostname": host,
        "host": f"{address[0]}{scope}",
        "port": address[1],
        "family": family,
        "proto": proto,
        "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    }
