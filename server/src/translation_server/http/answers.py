"""Whole answers, as values: what handles a request may return one, and the door sends it.

A handler is called like an ASGI application. It returns either an `Answer` or an awaitable that sends its answer by
itself. So a request that need not wait for anything passes no coroutine but that of the door.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]
_NO_CONTENT: Final = frozenset({204, 304})  # have no body, and so no length of one (RFC 9110, section 8.6)
_JSON: Final = (b"content-type", b"application/json")


class Answer:
    """A whole answer; an ASGI application as well.

    Args:
        body: All of it.
        headers: Names in lower case; the length of the body is added.
        status: The HTTP status code.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, headers: Iterable[Header] = (), status: int = 200) -> None:
        self.body = body
        self.headers = headers
        self.status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Send it."""
        for message in self.messages():
            await send(message)

    def messages(self) -> tuple[Message, Message]:
        """Return the two messages that send it (ASGI specification, HTTP)."""
        headers = [*self.headers]
        if self.status not in _NO_CONTENT:
            headers.append((b"content-length", b"%d" % len(self.body)))
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        return start, {"type": "http.response.body", "body": self.body}


Handled = Answer | Awaitable[None]
Handler = Callable[["Scope", "Receive", "Send"], Handled]


def json_answer(body: bytes, *headers: Header, status: int = 200) -> Answer:
    """Return an answer in JSON."""
    return Answer(body, (_JSON, *headers), status)


async def deliver(handled: Handled, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer that a handler returned, or wait until it is sent."""
    await (handled(scope, receive, send) if isinstance(handled, Answer) else handled)


def as_asgi(handler: Handler) -> ASGIApp:
    """Return the handler as a plain ASGI application, which sends the answers it returns."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await deliver(handler(scope, receive, send), scope, receive, send)

    return application
