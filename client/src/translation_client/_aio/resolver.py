"""Name resolution that nobody has to wait for."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp.abc import AbstractResolver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.abc import ResolveResult

    Address: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]

_PATIENCE = 5.0  # seconds after which one resolution is given up, so that the next request begins another


class DaemonResolver(AbstractResolver):
    """Resolves each name on a daemon thread of its own.

    asyncio's way, a thread pool, is waited for when the loop ends and again when the process does: a resolver that
    hangs would hold both up long after the deadline. (The thread cannot be interrupted; it ends when the resolver
    does.)
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host, the best first; raises ``OSError``."""
        found: Future[Sequence[Address]] = Future()
        found.set_running_or_notify_cancel()  # from here on nobody can cancel it under the thread
        threading.Thread(
            target=_look_up, args=(found, host, port, family), name="translation-client-resolver", daemon=True
        ).start()
        try:
            addresses = await asyncio.wait_for(asyncio.wrap_future(found), _PATIENCE)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {_PATIENCE:g} s") from None
        return [_resolved(host, address) for address in addresses]

    async def close(self) -> None:
        """Nothing to close."""


def _look_up(found: Future[Sequence[Address]], host: str, port: int, family: int) -> None:
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
