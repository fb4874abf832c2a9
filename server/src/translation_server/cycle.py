"""One request and its answer as uvicorn has them, except that a whole answer goes out in one piece.

An answer of which everything is known takes uvicorn two messages, each through all layers, and two patterns for each
header. Who sees ``WHOLE`` in the scope may put the ``body`` into the message ``http.response.start``, and sends nothing
after it. Layers that have to see bodies take it out of the scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

from translation_server.joined import Joined

if TYPE_CHECKING:
    from asyncio import Transport
    from collections.abc import Iterable

    from starlette.types import Message, Scope, Send
    from uvicorn._types import ASGISendEvent

Header = tuple[bytes, bytes]

WHOLE: Final = "translation.whole"
"""In the ASGI scope, if an answer may be sent whole."""

_NO_CONTENT: Final = frozenset({204, 304})


def offer_whole(scope: Scope, send: Send) -> None:
    """Say in the scope that answers may be whole, if nobody who does not know of it stands before the connection."""
    if isinstance(getattr(send, "__self__", None), Cycle):
        scope[WHOLE] = True


class Cycle(RequestResponseCycle):
    """uvicorn's, whose ``send`` takes whole answers as well."""

    async def send(self, message: ASGISendEvent) -> None:
        """See the ASGI specification; and above."""
        whole = cast("Message", message)
        body: bytes | None = whole.get("body") if whole["type"] == "http.response.start" else None
        if body is None:
            if not self.response_started:
                self.transport = cast("Transport", Joined(self.transport))  # as much of one as it needs
            await super().send(message)
        elif self._is_usual():
            self._send_whole(whole["status"], whole["headers"], body)
        else:
            headers = [*whole["headers"], *_length(whole["status"], body)]
            await self.send({"type": "http.response.start", "status": whole["status"], "headers": headers})
            await self.send({"type": "http.response.body", "body": body})

    def _is_usual(self) -> bool:
        """Whether there is nothing to consider but the answer."""
        if self.response_started or self.disconnected or self.flow.write_paused:
            return False
        return self.keep_alive and not self.access_log and self.scope["method"] != "HEAD"

    def _send_whole(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        pieces = [STATUS_LINE[status]]
        for header in (*self.default_headers, *headers, *_length(status, body)):
            pieces.append(_LINES.get(header) or _line(header))  # noqa: PERF401 - quicker than a list's function
        pieces += (b"\r\n", body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(pieces))
        self.message_event.set()
        self.on_response()


def _length(status: int, body: bytes) -> tuple[Header, ...]:
    return () if status in _NO_CONTENT else ((b"content-length", b"%d" % len(body)),)


_LINES: Final[dict[Header, bytes]] = {}  # of headers that were checked
_MOST_LINES: Final = 1000
_EACH_TIME_NEW: Final = b"x-request-id"


def _line(header: Header) -> bytes:
    """One line of the head, with the checks of uvicorn's: nothing in a header may end it."""
    name, value = header
    if HEADER_RE.search(name):
        raise RuntimeError("Invalid HTTP header name.")
    if HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header value.")
    line = b"%s: %s\r\n" % (name.lower(), value)
    if name != _EACH_TIME_NEW:
        if len(_LINES) >= _MOST_LINES:
            _LINES.clear()
        _LINES[header] = line
    return line
