"""An answer that a fault alters on its way to the client, and what it makes of the answer's bytes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse

from translation_server.simulator.faults.model import (
    BrokenJson,
    Drip,
    Fault,
    Latency,
    LostAnswer,
    Truncate,
    UnknownStatus,
)
from translation_server.simulator.recording.exchange import SUBJECT, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message

    from translation_server.simulator.faults.connection import Connection

_Header = tuple[bytes, bytes]
_INTERVAL: Final = 0.05  # seconds between two pieces of an answer that drips, unless a byte takes longer
_PAGE: Final = """\
<html>
<head><title>{code} {phrase}</title></head>
<body>
<center><h1>{code} {phrase}</h1></center>
<hr><center>proxy</center>
</body>
</html>
"""


class AlteredResponse:
    """Stands in for the server's `send`. The head waits for the body, which comes in one piece unless it streams.

    Args:
        fault: One that alters answers.
        connection: Where the answer goes.
    """

    def __init__(self, fault: Fault, connection: Connection) -> None:
        self._fault = fault
        self._connection = connection
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a part of the answer, altered by the fault."""
        if message["type"] == "http.response.start":
            self._head = message
        elif self._head is not None:
            head, self._head = self._head, None
            await self._begin(head, message)
        elif isinstance(self._fault, Drip):
            await self._drip(message, self._fault.bytes_per_second)
        else:
            await self._connection.send(message)

    async def _begin(self, head: Message, message: Message) -> None:
        body: bytes = message.get("body", b"")
        is_whole = not message.get("more_body", False)
        match self._fault:
            case Latency(seconds=seconds):
                self._record_fault()
                await self._connection.pause(seconds)
            case LostAnswer(instead=instead):
                self._record_fault()
                await answer_instead(instead, self._connection)
                return
            case Truncate(share=share) if body:
                await self._truncate(head, body, share)
            case BrokenJson() if body and is_whole:
                head, message = self._replace_body(head, message, body[: len(body) // 2])
            case UnknownStatus(status=status) if body and is_whole:
                subject: Subject | None = self._connection.scope.get(SUBJECT)
                changed = _with_status(body, status) if subject is None else _with_value(body, subject, status)
                head, message = self._replace_body(head, message, changed)
            case Drip(bytes_per_second=speed) if body:
                self._record_fault()
                await self._connection.send(head)
                await self._drip(message, speed)
                return
        await self._connection.send(head)
        await self._connection.send(message)

    def _record_fault(self) -> None:
        self._connection.exchange.fault = self._fault.name

    def _replace_body(self, head: Message, message: Message, body: bytes) -> tuple[Message, Message]:
        """Return the answer with another body; nothing has gone wrong if it is the same one."""
        if body == message["body"]:
            return head, message
        self._record_fault()
        return {**head, "headers": _with_length(head.get("headers", ()), len(body))}, {**message, "body": body}

    async def _truncate(self, head: Message, body: bytes, share: float) -> None:
        self._record_fault()
        beginning = body[: min(int(len(body) * share), len(body) - 1)]
        await self._connection.send(head)
        await self._connection.send({"type": "http.response.body", "body": beginning, "more_body": True})
        await self._connection.break_off()

    async def _drip(self, message: Message, bytes_per_second: float) -> None:
        *pieces, last = _pieces(message.get("body", b""), bytes_per_second)
        for piece in pieces:
            await self._connection.send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._connection.pause(len(piece) / bytes_per_second)
        await self._connection.send({**message, "body": last})


async def answer_instead(instead: str, connection: Connection) -> None:
    """Answer as `CutLongPoll` and `LostAnswer` say.

    Raises:
        ClientDisconnect: The connection was broken off.
    """
    if connection.begun or not instead.isdecimal():
        await connection.break_off(reset=instead == "reset")
    await connection.answer(proxy_page(int(instead)))


def proxy_page(code: int) -> HTMLResponse:
    """Return the page in HTML with which a proxy says that it got no answer."""
    phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Error"
    return HTMLResponse(_PAGE.format(code=code, phrase=phrase), code)


def _with_status(body: bytes, status: str) -> bytes:
    """Return the same JSON with another status of each job in it."""
    try:
        document = json.loads(body)
    except ValueError:
        return body
    jobs: list[Any] = document.get("jobs", [document]) if isinstance(document, dict) else []
    for job in jobs:
        if isinstance(job, dict) and isinstance(job.get("status"), str):  # a problem's is a number
            job["status"] = status
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _with_value(body: bytes, subject: Subject, status: str) -> bytes:
    """Return the same JSON of another service's API with another status, if it has one."""
    try:
        document = json.loads(body)
    except ValueError:
        return body
    *path, last = subject.status_at.split(".")
    place = document
    for name in path:
        place = place.get(name) if isinstance(place, dict) else None
    if not isinstance(place, dict) or not isinstance(place.get(last), str):
        return body
    place[last] = status
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _with_length(headers: Iterable[_Header], length: int) -> list[_Header]:
    """Return the headers of an answer of another length, without those that say it is the same as before."""
    kept = [(name, value) for name, value in headers if name.lower() not in {b"content-length", b"etag"}]
    return [*kept, (b"content-length", b"%d" % length)]


def _pieces(body: bytes, bytes_per_second: float) -> list[bytes]:
    """Return the body in pieces of as many bytes as go out within an interval, and one at least."""
    size = max(1, int(bytes_per_second * _INTERVAL))
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]
