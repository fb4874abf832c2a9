"""Event-stream bytes in, events out (WHATWG HTML, section 9.2: server-sent events). Pure."""

from __future__ import annotations

import codecs
from typing import NamedTuple

MAX_EVENT = 4 * 1024 * 1024
"""Characters one event may have; a stream that exceeds it is broken off, not kept in memory."""


class ServerEvent(NamedTuple):
    """One dispatched event; ``data`` is empty for one that only names the position in the stream."""

    event: str
    data: str
    last_event_id: str


class EventDecoder:
    """Decodes chunks of any size into the events they complete.

    Raises:
        ValueError: From ``feed``: the stream is no UTF-8, or one event is longer than ``MAX_EVENT``.
    """

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8-sig")()
        self._rest = ""
        self._data: list[str] = []
        self._event = ""
        self._size = 0
        self._moved = False
        self.last_event_id = ""
        self.retry: float | None = None  # seconds the server wants between connections

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that the chunk completes, in order."""
        text = self._rest + self._text.decode(chunk)
        # A CR at the very end may be half of a CRLF: it waits for the next chunk.
        held = "\r" if text.endswith("\r") else ""
        lines = text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held
        events = [event for line in lines if (event := self._line(line)) is not None]
        if len(self._rest) + self._size > MAX_EVENT:
            raise ValueError(f"an event is longer than {MAX_EVENT} characters")
        return events

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self.last_event_id = value
            self._moved = True
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = min(float(value), 1e9) / 1000.0
        return None  # a comment (no name), or an unknown field

    def _dispatch(self) -> ServerEvent | None:
        event, data = self._event, "\n".join(self._data)
        moved, self._moved = self._moved, False
        self._event, self._data, self._size = "", [], 0
        return ServerEvent(event or "message", data, self.last_event_id) if data or moved else None
