"""An open event stream on requests: a thread reads it, and each wait for an event has a deadline."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from translation_client._sync.interruptible import Interrupter, run_aside, slices
from translation_client._wire.events import EventDecoder
from translation_client._wire.failures import Transient
from translation_client._wire.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests

    from translation_client._wire.events import ServerEvent

    Item: TypeAlias = Response | Transient | Sequence[ServerEvent]

_CHUNK = 64 * 1024
_ENDING = 0.02  # seconds a closed stream's thread is given to end
_ROOM = 0.05  # seconds between two checks whether a slow callback has made room
_BACKLOG = 1000  # chunks read ahead of a slow callback; beyond them the server's sending is slowed down


class Stream:
    """One stream, from its opening to its end.

    Args:
        open_: Sends the request and returns the answer, its body unread.
        read_head: The answer as a response; with its body, where it is no stream.
        as_failure: Puts an exception into plain words.
        reported: Whether the connection reports its socket.
    """

    def __init__(
        self,
        open_: Callable[[], requests.Response],
        read_head: Callable[[requests.Response], Response | Transient],
        as_failure: Callable[[Exception], Transient],
        *,
        reported: bool = True,
    ) -> None:
        self._open = open_
        self._read_head = read_head
        self._as_failure = as_failure
        self._interrupter = Interrupter(reported=reported)
        self._closed = False
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()  # a Queue, interrupted, can stay locked
        self._under_way = threading.Lock()
        self._under_way.acquire()
        run_aside(self._run, "translation-client-stream")

    def receive(self, until: float) -> Item | None:
        """Return what came next, the head first; None if nothing did until the moment (on ``time.monotonic()``)."""
        for left in slices(until):
            with suppress(queue.Empty):
                return self._items.get(timeout=left)
        return None

    def close(self) -> None:
        """End the stream, whatever it is doing."""
        self._closed = True
        self._interrupter.interrupt()
        self._under_way.acquire(timeout=_ENDING)

    def abandon(self) -> None:
        """End the stream, and release at once whoever waits for its next event."""
        self.close()
        self._items.put(Transient(ConnectionError("the event stream was closed")))

    def _run(self) -> None:
        try:
            with self._interrupter, self._open() as answer:
                head = self._read_head(answer)
                self._items.put(head)
                if isinstance(head, Response) and head.is_event_stream:
                    self._read(answer)
        except Exception as error:  # noqa: BLE001 - whatever went wrong in the thread is the caller's to know
            self._items.put(self._as_failure(error))
        finally:
            self._under_way.release()

    def _read(self, answer: requests.Response) -> None:
        decoder = EventDecoder()
        while not self._closed and (chunk := answer.raw.read1(_CHUNK, decode_content=True)):
            self._items.put(tuple(decoder.feed(chunk)))
            while self._items.qsize() >= _BACKLOG and not self._closed:
                time.sleep(_ROOM)
        self._items.put(Transient(ConnectionError("the event stream ended")))
