"""What one connection may take of the server, below HTTP: time and memory.

uvicorn, which reads requests off the wire, limits none of this: it waits for the rest of a request for ever, keeps
headers of any length in memory, reads a body that nobody wants to its end, and accepts connections until the files
run out. So its protocol is replaced by one that closes what is slow, endless or too much; `guard` does it.
"""

from __future__ import annotations

import logging
from contextvars import Context
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from translation_server.arrivals import arrivals_of
from translation_server.cycle import Cycle
from translation_server.http.problems import respond
from translation_server.keepalive import set_keepalive
from translation_server.lean import LeanFlow, LeanQueue
from translation_server.outbox import outbox_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from translation_server.connections import Connections

_LOGGER: Final = logging.getLogger(__name__)
_LARGEST_HEAD: Final = 65_536  # bytes of a request line and headers
_MOST_HEADERS: Final = 100
_MOST_PIPELINED: Final = 100  # requests that wait on one connection for their turn


class _RefusedError(Exception):
    """Thrown through the parser, to stop it; the answer is given already."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, within limits of time and memory. It speaks no WebSocket."""

    def __init__(self, common: Connections, **arguments: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**arguments)
        self.ws_protocol_class = None
        self.pipeline = LeanQueue()  # type: ignore[assignment]  # as much of a deque as it needs
        self._common = common
        self._outbox = outbox_of(self.loop)
        self._arrivals = arrivals_of(self.loop)
        self._is_receiving = False  # in the middle of a request
        self._has_head = False  # of the request in the middle of which it is
        self._is_watched = False
        self._in_chunk = 0  # bytes that came together
        self._in_first_chunk = 0
        self._since = 0  # bytes that came after that, without those of the body

    @property
    def is_answering(self) -> bool:
        """See `Connection`."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_forgotten(self) -> bool:
        """Whether nothing is under way and nobody looks at the time: as after empty lines and late ends of bodies."""
        return not self.is_answering and self not in self._common.idle

    @property
    def is_known(self) -> bool:
        """See `Connection`."""
        return self.cycle is not None and "user" in self.cycle.scope

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.flow = LeanFlow(transport)
        # All connections of a guarded server are guarded, which uvicorn's types do not say.
        if not self._common.enter(self, self.connections):  # type: ignore[arg-type]
            self.refuse(503, "The server has too many connections.", {"Retry-After": "1"})
            return
        set_keepalive(transport)
        self._watch(on=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        super().connection_lost(exc)
        self._common.leave(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`; as uvicorn's, but counts."""
        self._common.idle.discard(self)
        self._in_chunk = len(data)
        self._since += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # to what we do not speak: answered as if it had not been asked for (RFC 9110, section 7.8)
        except httptools.HttpParserError:
            self.refuse(400, "This is not HTTP/1.1.")
        if self._since > _LARGEST_HEAD and self._is_receiving:
            self.refuse(431, f"The head of a request may have {_LARGEST_HEAD} bytes at most.")
        if not self._is_watched and (self._is_receiving or self._is_forgotten):
            self._watch(on=True)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._is_receiving, self._has_head = True, False
        self._in_first_chunk = self._in_chunk
        self._since = 0
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if len(self.headers) > _MOST_HEADERS:
            self._stop(431, f"A request may have {_MOST_HEADERS} headers at most.")
        if self._since + self._in_first_chunk > _LARGEST_HEAD and self._head_size() > _LARGEST_HEAD:
            self._stop(431, f"The head of a request may have {_LARGEST_HEAD} bytes at most.")
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._stop(400, f"No more than {_MOST_PIPELINED} requests may wait on one connection.")
        app = service_unavailable if self._has_too_many() else self.app
        is_first = not self.is_answering
        self.cycle = Cycle(self, self._outbox)
        if is_first:
            self._start_asgi_task(self.cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, app))
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._since = 0
        if not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._is_receiving = self._has_head = False
        if self._is_watched:
            self._watch(on=False)
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Called once a request is answered: begin with the next one, or wait for it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._common.idle.add(self)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._common.stalled.add(self)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        self._common.stalled.discard(self)

    def shutdown(self) -> None:
        """Called by the server when it stops."""
        self._outbox.send()
        super().shutdown()

    def close(self) -> None:
        """See `Connection`."""
        self._outbox.send()
        self.transport.close()

    def give_up(self) -> None:
        """See `Connection`."""
        if self._is_receiving:
            self.refuse(408, "The request did not arrive in time.")
        self.close()

    def abort(self) -> None:
        """See `Connection`."""
        self.transport.abort()

    def refuse(self, status: int, detail: str, more: Mapping[str, str] | None = None) -> None:
        """Close the connection; say why, if nothing else was said to this request or is being said to another."""
        if self.transport.is_closing():
            return
        self._outbox.send()
        _LOGGER.info("- - %d client=%s: %s", status, self.client[0] if self.client else "-", detail)
        if self._can_be_told():
            answer = respond(status, detail, headers={"Connection": "close", **(more or {})})
            headers = [*self.server_state.default_headers, *answer.raw_headers]
            lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
            lines += [b"%s: %s" % header for header in headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        context = Context() if self.config.reset_contextvars else None
        self._arrivals.add(partial(cast("Cycle", cycle).begin, app, self.loop, context), self.loop)

    def _has_too_many(self) -> bool:
        """Whether uvicorn's own limit is reached."""
        limit = self.limit_concurrency
        if limit is None or max(len(self.connections), len(self.tasks)) < limit:
            return False
        _LOGGER.warning("uvicorn's limit of concurrency is reached (%d)", limit)
        return True

    def _can_be_told(self) -> bool:
        if self.pipeline:
            return False
        if not self.is_answering:
            return not self._has_head
        return self._has_head and not self.cycle.response_started

    def _stop(self, status: int, detail: str) -> None:
        self.refuse(status, detail)
        raise _RefusedError

    def _watch(self, *, on: bool) -> None:
        self._is_watched = on
        if on:
            self._common.incomplete.add(self)
        else:
            self._common.incomplete.discard(self)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
