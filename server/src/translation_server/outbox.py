"""Answers that go out one right after the other: whoever reads them is woken for the first one, and not for each.

To wake a reader is half of what it costs to send an answer. So what is called in the same round of the event loop
writes here, and it is sent when the last of them has been called: some milliseconds later at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio


class Outbox:
    """What is to be sent by one event loop.

    From ``expect`` to ``over`` it takes one round of the loop at most, so that nothing waits for longer.
    """

    __slots__ = ("_expected", "_waiting")

    def __init__(self) -> None:
        self._expected = 0
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Send it: now, or when all have been called who are expected in this round."""
        if self._expected > 1:
            self._waiting.append((transport, data))
        else:
            transport.write(data)

    def expect(self, number: int = 1) -> None:
        """So many calls are coming that may write."""
        self._expected += number

    def over(self, number: int = 1) -> None:
        """So many have been made."""
        self._expected -= number
        if self._waiting and not self._expected:
            self.send()

    def send(self) -> None:
        """Send what waits; before a connection is closed as well."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)


_OUTBOXES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox]] = WeakKeyDictionary()


def outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The one of this loop."""
    return _OUTBOXES.get(loop) or _OUTBOXES.setdefault(loop, Outbox())
