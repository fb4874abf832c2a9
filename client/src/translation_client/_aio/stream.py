"""An open event stream on aiohttp."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from translation_client._aio.exchange import Limits, as_transient
from translation_client._wire.events import EventDecoder
from translation_client._wire.failures import Transient

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    import aiohttp

    from translation_client._wire.events import ServerEvent
    from translation_client._wire.responses import Response

    Item: TypeAlias = Transient | Sequence[ServerEvent]


class AsyncStream:
    """One stream, from its head to its end.

    Args:
        answer: Its body unread.
        head: What came before the body.
        limits: Of what is under way in the client.
    """

    def __init__(self, answer: aiohttp.ClientResponse, head: Response, limits: Limits) -> None:
        self.head = head
        self._answer = answer
        self._limits = limits
        self._decoder = EventDecoder()

    async def receive(self, until: float) -> Item | None:
        """Return what came next; None if nothing did until the moment (on ``time.monotonic()``)."""
        limit: asyncio.Timeout | None = None
        try:
            async with self._limits.until(until) as limit:
                return await self._next()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong on the way is the flow's to judge
            return None if limit is not None and limit.expired() else as_transient(error)

    def close(self) -> None:
        """End the stream, whatever the server is doing."""
        self._answer.close()

    async def _next(self) -> Item:
        chunk = await self._answer.content.readany()
        if not chunk:
            return Transient(ConnectionError("the event stream ended"))
        return tuple(self._decoder.feed(chunk))
