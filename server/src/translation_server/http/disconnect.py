"""The clients of those who wait: each rests until it leaves or is roused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from translation_server.cycle import cycle_of

if TYPE_CHECKING:
    from starlette.types import Message, Receive


class Client(Protocol):
    """Who a waiter waits for."""

    async def rest(self) -> bool:
        """Return whether it has left; False: ``rouse`` was called."""

    def rouse(self) -> None:
        """End the rest that is under way."""


class Listening:
    """A client of whom nothing is known but what an application receives; the server's own connections know more.

    It has nothing more to say than that it leaves, so it is listened to; to be roused interrupts that as
    ``asyncio.timeout`` does. No task and no future of its own are needed for it.
    """

    __slots__ = ("_is_resting", "_receive", "_task")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[object] | None = None
        self._is_resting = False

    async def rest(self) -> bool:
        """See ``Client``."""
        self._task, self._is_resting = asyncio.current_task(), True
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if self._is_resting or (self._task is not None and self._task.uncancel()):
                raise  # somebody else wants this task to end
            return False
        finally:
            self._is_resting = False
        return True

    def rouse(self) -> None:
        """See ``Client``."""
        if self._is_resting and self._task is not None:
            self._is_resting = False
            self._task.cancel()


def client_of(receive: Receive | None) -> Client:
    """Who sends what is received by this; None: a client that cannot leave."""
    receive = receive or _nothing
    return cycle_of(receive) or Listening(receive)


async def _nothing() -> Message:
    """What is heard of a client that cannot leave."""
    await asyncio.get_running_loop().create_future()
    return {"type": "http.disconnect"}
