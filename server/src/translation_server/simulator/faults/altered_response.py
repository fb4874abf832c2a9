"""An answer that a fault has struck, on its way to the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from translation_server.simulator.faults import alteration
from translation_server.simulator.faults.model import (
    BrokenJson,
    Drip,
    Fault,
    Latency,
    LostAnswer,
    Truncate,
    UnknownStatus,
)

if TYPE_CHECKING:
    from starlette.types import Message

    from translation_server.simulator.faults.connection import Wire


class Struck:
    """Its `send` stands in for the server's. The head waits for the body, which comes in one piece unless it streams.

    Args:
        fault: One that strikes answers.
        wire: The connection.
    """

    def __init__(self, fault: Fault, wire: Wire) -> None:
        self._fault = fault
        self._wire = wire
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a part of the answer, as the fault would have it."""
        if message["type"] == "http.response.start":
            self._head = message
        elif self._head is not None:
            head, self._head = self._head, None
            await self._first(head, message)
        elif isinstance(self._fault, Drip):
            await self._drip(message, self._fault.bytes_per_second)
        else:
            await self._wire.send(message)

    async def _first(self, head: Message, message: Message) -> None:
        body: bytes = message.get("body", b"")
        is_whole = not message.get("more_body", False)
        match self._fault:
            case Latency(seconds=seconds):
                self._strikes()
                await self._wire.pause(seconds)
            case LostAnswer(instead=instead):
                await self._lose(instead)
                return
            case Truncate(share=share) if body:
                await self._cut(head, alteration.beginning(body, share))
            case BrokenJson() if body and is_whole:
                head, message = self._other(head, message, alteration.broken(body))
            case UnknownStatus(status=status) if body and is_whole:
                head, message = self._other(head, message, alteration.with_status(body, status))
            case Drip(bytes_per_second=speed) if body:
                self._strikes()
                await self._wire.send(head)
                await self._drip(message, speed)
                return
        await self._wire.send(head)
        await self._wire.send(message)

    def _strikes(self) -> None:
        self._wire.exchange.fault = self._fault.name

    def _other(self, head: Message, message: Message, body: bytes) -> tuple[Message, Message]:
        """The answer with another body, if it is another one."""
        if body == message["body"]:
            return head, message
        self._strikes()
        headers = alteration.with_length(head.get("headers", ()), len(body))
        return {**head, "headers": headers}, {**message, "body": body}

    async def _cut(self, head: Message, beginning: bytes) -> None:
        self._strikes()
        await self._wire.send(head)
        await self._wire.send({"type": "http.response.body", "body": beginning, "more_body": True})
        await self._wire.break_off()

    async def _lose(self, instead: str) -> None:
        self._strikes()
        await instead_of_an_answer(instead, self._wire)

    async def _drip(self, message: Message, bytes_per_second: float) -> None:
        *pieces, last = alteration.pieces(message.get("body", b""), bytes_per_second)
        for piece in pieces:
            await self._wire.send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._wire.pause(len(piece) / bytes_per_second)
        await self._wire.send({**message, "body": last})


async def instead_of_an_answer(instead: str, wire: Wire) -> None:
    """Do what `CutLongPoll` and `LostAnswer` say; raises `ClientDisconnect` if that breaks the connection off."""
    if wire.begun or not instead.isdecimal():
        await wire.break_off(reset=instead == "reset")
    await wire.answer(page(int(instead)))


def page(code: int) -> HTMLResponse:
    """The page in HTML with which a proxy says that it got no answer."""
    return HTMLResponse(alteration.page(code), code)
