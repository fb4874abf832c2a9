"""Carries out what flows decide, with requests and threads; decides nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from translation_client._core.callbacks import Callbacks, log_failure
from translation_client._core.flow import Found, Notify, Open, Receive, Reply, Send, Sleep
from translation_client._wire.failures import Transient

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from translation_client._core.flow import Action, Flow
    from translation_client._models import Job
    from translation_client._sync.stream import Stream
    from translation_client._sync.transport import Transport
    from translation_client._wire.events import ServerEvent
    from translation_client._wire.responses import Response

T = TypeVar("T")


class Driver:
    """Drives one flow at a time; the stream it opens on the way is closed when the flow is over."""

    def __init__(self, transport: Transport, callbacks: Callbacks) -> None:
        self._transport = transport
        self._callbacks = callbacks
        self._stream: Stream | None = None

    def run(self, flow: Flow[T]) -> T:
        """Return the flow's result, for flows that find nothing on the way."""
        found = self.run_finding(flow)
        while True:
            try:
                next(found)
            except StopIteration as stop:
                result: T = stop.value
                return result

    def run_finding(self, flow: Flow[T]) -> Generator[Job, None, T]:
        """Give the jobs the flow finds, as it finds them, and return its result."""
        try:
            action = next(flow)
            while True:
                if isinstance(action, Found):
                    yield action.job
                action = flow.send(self.perform(action))
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            flow.close()
            self._close_stream()

    def perform(self, action: Action) -> Reply:
        """Carry one action out; raises ``RuntimeError`` when the client is closed."""
        result: Response | Transient | Sequence[ServerEvent] | None = None
        match action:
            case Send(request, deadline):
                result = self._transport.exchange(request, deadline)
            case Sleep(until):
                self._transport.sleep(until)
            case Notify():
                self._notify(action)
            case Open(request, deadline):
                self._close_stream()
                self._stream = self._transport.open(request)
                result = self._stream.receive(deadline) or Transient(TimeoutError("no answer in time"))
            case Receive(until) if self._stream is not None:
                result = self._stream.receive(until)
        if isinstance(result, Transient):  # it may have failed because the client was closed meanwhile
            self._transport.check_open()
        return Reply(time.monotonic(), result)

    def _notify(self, action: Notify) -> None:
        callback = self._callbacks.for_event(action.event)
        try:
            if callback is not None:
                callback(action.job)
        except Exception as error:  # noqa: BLE001 - the user's own; logged with its traceback
            log_failure(action.event, action.job, error)

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
