"""One request's connection in the hands of a fault: delayed, closed or reset, as machines and proxies do.

ASGI has no message that closes or resets a connection. So its socket is looked for among the open files of this
process, by the two addresses in the ASGI scope, and no more is done to it than any process may do to a socket of its
own: reading from it is shut down. To every server that looks like a client that left: it drops the request, sends what
it still has to send, and closes the connection. A reset is the same with ``SO_LINGER`` at zero seconds, which makes
closing send RST instead of FIN (``tcp(7)``, ``socket(7)``).

With TLS it is the same below the encryption: FIN or RST come without the alert ``close_notify`` (RFC 8446, section
6.1), as from a machine that fails. A client may word it otherwise: Python's ``ssl`` calls both an ``SSLEOFError``.

What this leans on: ``/proc/self/fd`` (Linux) or ``/dev/fd`` (macOS), and the addresses of a TCP connection in
``scope["client"]`` and ``scope["server"]``. Where one is missing (Windows, a Unix socket, a client address taken from
``X-Forwarded-For``), the answer is left incomplete instead, and a warning says so. Nothing of a server is used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from starlette.requests import ClientDisconnect

from translation_server.simulator.recording.exchange import SCOPE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from translation_server.simulator.recording.exchange import Exchange

TRANSPORT: Final = "translation.transport"
_LOGGER: Final = logging.getLogger(__name__)
_OPEN_FILES: Final = tuple(map(Path, ("/proc/self/fd", "/dev/fd")))
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # the value of SO_LINGER: on, for zero seconds
_TIMEOUT: Final = 5.0  # seconds for a body that is on its way, and for the server to notice the end of a connection
_STEP: Final = 0.05  # seconds after which a delay notices that the server is about to stop
_NEVER_COMPLETE: Final = ((b"content-type", b"application/json"), (b"content-length", b"2"))
_NOT_FOUND: Final = (
    "an answer is left incomplete instead of its connection being closed or reset: among the open files of this "
    "process there is no TCP connection from %s to %s"
)


class Connection:
    """The connection of one request; its `receive` and `send` stand in for the server's.

    Args:
        scope: The request's; its `Exchange` is in it.
        receive: The server's.
        send: The server's.
        speed: How many seconds of a fault pass in one second of the machine.
        is_stopping: Whether the server is about to stop, so that nothing is delayed any more.

    Attributes:
        scope: The request's.
        exchange: The record of the request.
        begun: Whether the head of an answer was sent.
        on_unharmed: Called before the head is sent if no fault has struck by then.
    """

    __slots__ = ("_is_gone", "_is_stopping", "_receive", "_send", "_speed", "begun", "exchange", "on_unharmed", "scope")

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, speed: float, is_stopping: Callable[[], bool]
    ) -> None:
        self.scope = scope
        self.begun = False
        self.on_unharmed: Callable[[], None] = lambda: None
        self.exchange: Exchange = scope[SCOPE_KEY]
        self._receive = receive
        self._send = send
        self._speed = speed
        self._is_stopping = is_stopping
        self._is_gone = False

    @property
    def is_over(self) -> bool:
        """Whether the client is known to have left, or the server is about to stop."""
        return self._is_gone or self._is_stopping()

    def to_machine(self, seconds: float) -> float:
        """Return the seconds of the machine that so many seconds of a fault take."""
        return seconds / self._speed

    async def receive(self) -> Message:
        """Receive as an ASGI application does."""
        message = await self._receive()
        self._is_gone = self._is_gone or message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        """Send as an ASGI application does."""
        if not self.begun and self.exchange.fault is None:
            self.on_unharmed()
        self.begun = True
        await self._send(message)

    async def answer(self, answer: ASGIApp) -> None:
        """Send a whole answer."""
        await answer(self.scope, self.receive, self.send)

    async def read_request(self) -> None:
        """Read the rest of the request, so that it is the answer that goes wrong and not the sending."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT):
                while (await self.receive()).get("more_body", False):
                    pass

    async def pause(self, seconds: float, task: asyncio.Future[None] | None = None) -> None:
        """Wait for so many seconds of a fault, but no longer than it makes sense.

        Args:
            seconds: How long.
            task: What the wait is over with; by default the client is watched, and the wait is over when it leaves.
        """
        now = asyncio.get_running_loop().time
        until = now() + self.to_machine(seconds)
        watched = task or asyncio.ensure_future(self._wait_until_gone())
        try:
            while (left := until - now()) > 0 and not self.is_over and not watched.done():
                await asyncio.wait({watched}, timeout=min(left, _STEP))
        finally:
            if task is None:
                watched.cancel()

    async def break_off(self, *, reset: bool = False) -> NoReturn:
        """Close the connection after what was sent, or reset it.

        Raises:
            ClientDisconnect: Always: there is nobody left to answer.
        """
        self.exchange.cut = True
        server, client = _address(self.scope.get("server")), _address(self.scope.get("client"))
        if server and client and _end(_connections(server, client), reset=reset):
            with suppress(TimeoutError):  # until the server knows, it would take our return for a missing answer
                async with asyncio.timeout(_TIMEOUT):  # not `wait_for`: its task would let the client come back first
                    await self._wait_until_gone()
        else:
            _LOGGER.warning(_NOT_FOUND, self.scope.get("client"), self.scope.get("server"))
            await self._leave_incomplete()
        raise ClientDisconnect

    def reset_all(self) -> bool:
        """Reset every connection of this process to the address this request came to; return whether that is possible.

        The server notices it when it next reads from them, which is at once unless it is not reading.
        """
        server = _address(self.scope.get("server"))
        return server is not None and _end(_connections(server), reset=True)

    async def _leave_incomplete(self) -> None:
        if not self.begun:
            await self.send({"type": "http.response.start", "status": 200, "headers": list(_NEVER_COMPLETE)})
            await self.send({"type": "http.response.body", "body": b"{", "more_body": True})

    async def _wait_until_gone(self) -> None:
        while not self._is_gone:
            await self.receive()


class _Address(NamedTuple):
    """One end of a TCP connection; IPv4 addresses in the form of IPv6 (RFC 4291, section 2.5.5.2) are IPv4."""

    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int


def _end(connections: Iterable[socket.socket], *, reset: bool) -> bool:
    """Close or reset connections; return whether there are any."""
    found = False
    for sock in connections:
        found = True
        with sock, suppress(OSError):  # it has just come to its end by itself
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            sock.shutdown(socket.SHUT_RD)
    return found


def _connections(server: _Address, client: _Address | None = None) -> list[socket.socket]:
    """Duplicate the sockets of this process's connections between two addresses; the caller closes the duplicates.

    The client may be in the same process: its end of the connection has the addresses the other way round.

    Args:
        server: The address of this end.
        client: The address of the other end; None: any.
    """
    found = []
    for number in _sockets():
        with suppress(OSError):  # closed meanwhile, or not connected
            borrowed = socket.socket(fileno=number)
            try:
                if _is_between(borrowed, server, client):
                    found.append(socket.socket(fileno=os.dup(number)))  # `borrowed.dup` would make it block
            finally:
                borrowed.detach()
    return found


def _sockets() -> list[int]:
    """Return the descriptors of this process's sockets that do not block, as those of a server never do.

    No other file may be duplicated: closing a duplicate of a database releases all locks on it (fcntl(2)). And making a
    `socket` of one that blocks could change that.
    """
    folder = next((folder for folder in _OPEN_FILES if folder.is_dir()), None)
    found = []
    for number in [] if folder is None else [int(path.name) for path in folder.iterdir()]:
        with suppress(OSError):  # the folder itself was open while it was read
            if stat.S_ISSOCK(os.fstat(number).st_mode) and not os.get_blocking(number):
                found.append(number)
    return found


def _is_between(sock: socket.socket, server: _Address, client: _Address | None) -> bool:
    if sock.family not in {socket.AF_INET, socket.AF_INET6} or sock.type != socket.SOCK_STREAM:
        return False
    own, peer = sock.getsockname(), sock.getpeername()
    if own[1] != server.port or (client is not None and peer[1] != client.port):  # which is found out soonest
        return False
    return _address(own) == server and (client is None or _address(peer) == client)


def _address(given: Any) -> _Address | None:  # noqa: ANN401 - servers differ: a tuple or a list, a port as a number or text
    """Return an address of a scope or a socket; None for one that is none of TCP."""
    try:
        host, port = given[:2]
        ip = ipaddress.ip_address(host.partition("%")[0])
        return _Address(getattr(ip, "ipv4_mapped", None) or ip, int(port))
    except (TypeError, ValueError):
        return None
