"""One request and its answer as uvicorn has them, with less for each, and a whole answer goes out in one piece.

An answer of which everything is known takes uvicorn two messages, each through all layers, and two patterns for each
header. Who finds a ``Whole`` in the scope may call it instead of sending messages. Layers that have to see bodies take
it out of the scope.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

from translation_server.joined import Joined
from translation_server.lean import LeanEvent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Generator, Iterable
    from contextvars import Context

    from starlette.types import Receive, Send
    from uvicorn._types import ASGI3Application, ASGISendEvent, HTTPScope
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from translation_server.outbox import Outbox

Header = tuple[bytes, bytes]

WHOLE: Final = "translation.whole"
"""Where in the ASGI scope a ``Whole`` is, if an answer may be sent so."""

TRANSPORT: Final = "translation.transport"
"""Where in the ASGI scope the connection's transport is, for who must break it off."""


class _Done:
    """An awaitable that is over."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


DONE: Final = _Done()
"""What an ASGI application returns if it has sent a whole answer by then; to await it makes no difference.

So a request that need not wait for anything needs no task, which would cost more than many an answer.
"""

_NO_CONTENT: Final = frozenset({204, 304})


class Whole(Protocol):
    """Sends a whole answer."""

    def __call__(self, status: int, headers: Iterable[Header], body: bytes) -> bool:
        """Send it now, and return whether that was possible; if not, nothing was sent, and messages have to be.

        The body's length is added to the headers, whose names are in lower case.
        """


def whole_of(send: Send) -> Whole | None:
    """What sends whole answers, if nobody who does not know of it stands between who sends and the connection."""
    found = getattr(send, "__self__", None)
    return found.send_whole if isinstance(found, Cycle) else None


def _scope(protocol: HttpToolsProtocol) -> HTTPScope:
    """The request whose head a connection has received, as ASGI has it."""
    target, root = protocol.url, protocol.root_path
    if target.startswith(b"/") and b"#" not in target:
        raw_path, _, query = target.partition(b"?")
    else:  # other forms (RFC 9112, section 3.2), or none
        url = httptools.parse_url(target)
        raw_path, query = url.path, url.query or b""
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": protocol.asgi_version, "spec_version": "2.3"},
        "http_version": protocol.parser.get_http_version(),
        "server": protocol.server,
        "client": protocol.client,
        "scheme": protocol.scheme or "http",
        "method": protocol.parser.get_method().decode("ascii"),
        "root_path": root,
        "path": root + (unquote(path) if "%" in path else path),
        "raw_path": root.encode("ascii") + raw_path,
        "query_string": query,
        "headers": protocol.headers,
        "state": protocol.app_state.copy(),
        TRANSPORT: protocol.transport,  # type: ignore[typeddict-unknown-key]  # servers may add what they like
    }


def cycle_of(receive: Receive) -> Cycle | None:
    """What rests at no cost until it is roused, if nobody stands between who receives and the connection."""
    found = getattr(receive, "__self__", None)
    return found if isinstance(found, Cycle) and not found.waiting_for_100_continue else None


class Cycle(RequestResponseCycle):
    """uvicorn's, which sends whole answers as well.

    Args:
        protocol: The connection, which has received the request's head.
        outbox: By which it sends whole answers.
    """

    # As uvicorn's own begins; what does not change is not kept for each of ten thousand held requests.
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding = None
    expected_content_length = 0
    is_resting = False

    def __init__(self, protocol: HttpToolsProtocol, outbox: Outbox) -> None:
        self.scope = _scope(protocol)
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.access_logger = protocol.access_logger
        self.access_log = protocol.access_log
        self.default_headers = protocol.server_state.default_headers
        self.message_event = LeanEvent()  # type: ignore[assignment]  # as much of one as it needs
        self.on_response = protocol.on_response_complete
        self.keep_alive = self.scope["http_version"] != "1.0" and protocol.parser.should_keep_alive()
        self.waiting_for_100_continue = protocol.expect_100_continue
        self._outbox = outbox
        self.body = bytearray()
        self._tasks = protocol.tasks
        self._task: asyncio.Task[None] | None = None

    def begin(self, app: ASGI3Application, loop: asyncio.AbstractEventLoop, context: Context | None) -> bool:
        """Let the application answer, at once or in a task of its own; return whether it has."""
        try:
            if context is None:
                answering = app(self.scope, self.receive, self.send)
            else:
                answering = context.run(partial(app, self.scope, self.receive, self.send))
        except Exception as error:  # noqa: BLE001 - what uvicorn makes of it comes later
            answering = _end(error)
        if answering is DONE:
            self.on_response = _nothing
            return True
        self._task = loop.create_task(self._wait_for(answering), context=context)
        return False

    async def _wait_for(self, answering: Awaitable[None]) -> None:
        """Wait for the answer; meanwhile the task is one of the server's."""
        error: BaseException | None = None
        if self._task is not None:
            self._tasks.add(self._task)
        try:
            await answering
        except BaseException as caught:  # noqa: BLE001 - what uvicorn makes of it comes next
            error = caught
        try:
            if error is not None or not (self.response_complete or self.disconnected):
                await super().run_asgi(partial(_end, error))
        finally:
            self.on_response = _nothing  # which would keep the connection
            if self._task is not None:
                self._tasks.discard(self._task)
                self._task = None

    async def rest(self) -> bool:
        """Return whether the client has left; False: `rouse` was called. What it still sends is of no interest.

        An answer that is sent whole meanwhile does not end the rest.
        """
        self.is_resting = True
        while self.is_resting and not self.disconnected:
            self.body.clear()
            self.flow.resume_reading()
            self.message_event.clear()
            await self.message_event.wait()
        return self.disconnected

    def rouse(self) -> None:
        """End the rest."""
        self.is_resting = False
        self.message_event.set()

    async def send(self, message: ASGISendEvent) -> None:
        """See the ASGI specification."""
        if not self.response_started:
            self.transport = cast("asyncio.Transport", Joined(self.transport))  # as much of one as it needs
        await super().send(message)

    def send_whole(self, status: int, headers: Iterable[Header], body: bytes) -> bool:
        """See ``Whole``; possible if there is nothing to consider but the answer."""
        if self.response_started or self.disconnected or self.flow.write_paused:
            return False
        if not self.keep_alive or self.access_log or self.scope["method"] == "HEAD":
            return False
        pieces = [STATUS_LINE[status]]
        for header in (*self.default_headers, *headers, *_length(status, body)):
            pieces.append(_LINES.get(header) or _line(header))  # noqa: PERF401 - quicker than a list's function
        pieces += (b"\r\n", body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self._outbox.write(self.transport, b"".join(pieces))
        if not self.is_resting:
            self.message_event.set()
        self.on_response()
        return True


async def _end(error: BaseException | None, *_: object) -> None:
    """An application that ends as another one did."""
    if error is not None:
        raise error


def _nothing() -> None:
    pass


def _length(status: int, body: bytes) -> tuple[Header, ...]:
    return () if status in _NO_CONTENT else ((b"content-length", b"%d" % len(body)),)


_LINES: Final[dict[Header, bytes]] = {}  # of headers that were checked
_MOST_LINES: Final = 1000
_EACH_TIME_NEW: Final = frozenset({b"x-request-id", b"location", b"etag"})


def _line(header: Header) -> bytes:
    """One line of the head, with the checks of uvicorn's: nothing in a header may end it."""
    name, value = header
    if HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header value.")
    if name in _EACH_TIME_NEW:
        return b"%s: %s\r\n" % header
    if HEADER_RE.search(name):
        raise RuntimeError("Invalid HTTP header name.")
    line = b"%s: %s\r\n" % (name.lower(), value)
    if len(_LINES) >= _MOST_LINES:
        _LINES.clear()
    _LINES[header] = line
    return line
