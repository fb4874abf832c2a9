"""One request's connection, in the hands of a fault: sent to, held up, or broken off, as machines and proxies do.

Only a server whose connections are guarded (uvicorn with httptools) hands its transports over. Others can do no more
than leave an answer incomplete, which makes them close the connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from starlette.requests import ClientDisconnect

from translation_server.simulator.recording.exchange import SCOPE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from translation_server.simulator.recording.exchange import Exchange

TRANSPORT: Final = "translation.transport"
_LOGGER: Final = logging.getLogger(__name__)
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER for no time: closing sends a reset (TCP RST)
_PATIENCE: Final = 5.0  # seconds for a body that is on its way, and for the end of a connection
_STEP: Final = 0.05  # seconds after which a delay notices that the client or the server has gone
_NEVER_WHOLE: Final = ((b"content-type", b"application/json"), (b"content-length", b"2"))


class Wire:
    """The connection of one request.

    Args:
        scope: Of the request; its `Exchange` is in it.
        receive: Of the server.
        send: Of the server.
        speed: How many seconds of the faults pass in one of the machine.
        is_stopping: Whether the server is about to stop, so that nothing is to be delayed any more.

    Attributes:
        begun: Whether the head of an answer was sent.
        on_unharmed: Called before that if no fault has struck.
    """

    __slots__ = ("_is_stopping", "_send", "_speed", "begun", "exchange", "on_unharmed", "receive", "scope")

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, speed: float, is_stopping: Callable[[], bool]
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.begun = False
        self.on_unharmed: Callable[[], None] = lambda: None
        self.exchange: Exchange = scope[SCOPE_KEY]
        self._send = send
        self._speed = speed
        self._is_stopping = is_stopping

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended, or the server is about to stop."""
        transport: asyncio.Transport | None = self.scope.get(TRANSPORT)
        return self._is_stopping() or (transport is not None and transport.is_closing())

    def scaled(self, seconds: float) -> float:
        """Seconds of the machine that so many of the faults are."""
        return seconds / self._speed

    async def send(self, message: Message) -> None:
        """As an ASGI application does."""
        if not self.begun and self.exchange.fault is None:
            self.on_unharmed()
        self.begun = True
        await self._send(message)

    async def answer(self, answer: ASGIApp) -> None:
        """Send a whole answer."""
        await answer(self.scope, self.receive, self.send)

    async def read_request(self) -> None:
        """Let the client finish its request, so that it is the answer that goes wrong, not the sending."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while (await self.receive()).get("more_body", False):
                    pass

    async def pause(self, seconds: float, task: asyncio.Future[None] | None = None) -> None:
        """Return after so many seconds of the faults, or once a task is done, or when there is no point in it."""
        now = asyncio.get_running_loop().time
        until = now() + self.scaled(seconds)
        while (left := until - now()) > 0 and not self.is_over and not (task and task.done()):
            if task is None:
                await asyncio.sleep(min(left, _STEP))
            else:
                await asyncio.wait({task}, timeout=min(left, _STEP))

    async def break_off(self, *, reset: bool = False) -> NoReturn:
        """Close the connection after what was sent, or reset it at once; raises `ClientDisconnect` when it is done."""
        self.exchange.cut = True
        transport: asyncio.Transport | None = self.scope.get(TRANSPORT)
        if transport is None:
            await self._stop_in_the_middle()
        else:
            end(transport, reset=reset)
            await self._until_gone()
        raise ClientDisconnect

    def reset_all(self, fault: str) -> None:
        """Reset every connection of the server, whatever is under way on it; say so in the exchanges."""
        transport: asyncio.Transport | None = self.scope.get(TRANSPORT)
        if transport is not None:
            protocol: Any = transport.get_protocol()
            for connection in list(protocol.connections):
                _mark(connection, fault)
                end(connection.transport, reset=True)

    async def _stop_in_the_middle(self) -> None:
        _LOGGER.warning("a connection is not reset or closed, but its answer left incomplete: %s", _WHY)
        if not self.begun:
            await self.send({"type": "http.response.start", "status": 200, "headers": list(_NEVER_WHOLE)})
            await self.send({"type": "http.response.body", "body": b"{", "more_body": True})

    async def _until_gone(self) -> None:
        """Return once the server knows; until then it would answer in our place."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while (await self.receive())["type"] != "http.disconnect":
                    pass


_WHY: Final = "that needs uvicorn with httptools"


def end(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a connection after what has been sent, or reset it at once."""
    if not reset:
        transport.close()
        return
    found = transport.get_extra_info("socket")
    if found is not None and found.family in {socket.AF_INET, socket.AF_INET6}:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def _mark(connection: Any, fault: str) -> None:  # noqa: ANN401 - uvicorn's protocol, guarded
    exchange: Exchange | None = connection.cycle.scope.get(SCOPE_KEY) if connection.is_answering else None
    if exchange is not None:
        exchange.fault, exchange.cut = fault, True
