"""Carries out what flows decide, with aiohttp and asyncio; decides nothing."""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar

from translation_client._aio.stream import AsyncStream
from translation_client._core.callbacks import log_failure
from translation_client._core.flow import Found, Notify, Open, Receive, Reply, Send, Sleep
from translation_client._core.record import timed_out_together
from translation_client._errors import WaitTimeoutError
from translation_client._wire.failures import Transient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
    from typing import Any

    from translation_client._aio.transport import AsyncTransport
    from translation_client._core.callbacks import Callbacks
    from translation_client._core.flow import Action, Flow
    from translation_client._models import Job
    from translation_client._wire.events import ServerEvent
    from translation_client._wire.requests import Request
    from translation_client._wire.responses import Response

T = TypeVar("T")


class AsyncDriver(Generic[T]):
    """Drives one flow; the stream it opens on the way is closed when the flow is over."""

    def __init__(self, flow: Flow[T], transport: AsyncTransport, callbacks: Callbacks) -> None:
        self.result: T
        """The value the flow returned, once it has."""
        self._flow = flow
        self._transport = transport
        self._callbacks = callbacks
        self._stream: AsyncStream | None = None

    async def run(self) -> T:
        """Return the flow's result, for flows that find nothing on the way."""
        async with aclosing(self.found()) as found:
            async for _ in found:
                pass
        return self.result

    async def found(self) -> AsyncGenerator[Job, None]:
        """Give the jobs the flow finds, as it finds them."""
        try:
            action = next(self._flow)
            while True:
                if isinstance(action, Found):
                    yield action.job
                action = self._flow.send(await self._perform(action))
        except StopIteration as stop:
            self.result = stop.value
        finally:
            self._flow.close()
            self._close_stream()

    async def _perform(self, action: Action) -> Reply:
        result: Response | Transient | Sequence[ServerEvent] | None = None
        match action:
            case Send(request, deadline):
                result = await self._transport.exchange(request, deadline)
            case Sleep(until):
                await self._transport.sleep(until)
            case Notify():
                await self._notify(action)
            case Open(request, deadline):
                result = await self._open(request, deadline)
            case Receive(until) if self._stream is not None:
                result = await self._stream.receive(until)
                self._transport.check_open()
        if isinstance(result, Transient):  # it may have failed because the client was closed meanwhile
            self._transport.check_open()
        return Reply(time.monotonic(), result)

    async def _notify(self, action: Notify) -> None:
        callback = self._callbacks.for_event(action.event)
        try:
            answer = callback(action.job) if callback is not None else None
            if inspect.isawaitable(answer):
                await answer
        except Exception as error:  # noqa: BLE001 - the user's own; logged with its traceback
            log_failure(action.event, action.job, error)

    async def _open(self, request: Request, deadline: float) -> Response | Transient:
        self._close_stream()
        opened = await self._transport.open(request, deadline)
        if not isinstance(opened, AsyncStream):
            return opened
        self._stream = opened
        return opened.head

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


async def side_by_side(waits: Iterable[Coroutine[Any, Any, Job]]) -> AsyncGenerator[Job, None]:
    """Wait for all at the same time and give the jobs as they end.

    Raises:
        WaitTimeoutError: At the deadline, for all that are left.
        TranslationClientError: What the first wait to fail otherwise raises; the others end with it.
    """
    over: asyncio.Queue[asyncio.Task[Job]] = asyncio.Queue()
    tasks = [asyncio.create_task(wait) for wait in waits]
    for task in tasks:
        task.add_done_callback(over.put_nowait)
    timed_out = []
    try:
        for _ in tasks:
            task = await over.get()
            error = task.exception()
            if isinstance(error, WaitTimeoutError):
                timed_out.append(error)  # the others still get their last look
            else:
                yield task.result()
        if timed_out:
            raise timed_out_together(timed_out)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
