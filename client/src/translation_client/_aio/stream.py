"""An open event stream on aiohttp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from translation_client._aio.exchange import as_transient, moment
from translation_client._wire.events import EventDecoder
from translation_client._wire.failures import Transient

if TYPE_CHECKING:
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
    """

    def __init__(self, answer: aiohttp.ClientResponse, head: Response) -> None:
        self.head = head
        self._answer = answer
        self._decoder = EventDecoder()

    async def receive(self, until: float) -> Item | None:
        """What came next; None if nothing did until the moment (on ``time.monotonic()``)."""
        limit = asyncio.timeout_at(moment(until))
        try:
            async with limit:
                return await self._next()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong on the way is the flow's to judge
            return None if limit.expired() else as_transient(error)

    def close(self) -> None:
        """End the stream, whatever the server is doing."""
        self._answer.close()

    async def _next(self) -> Item:
        chunk = await self._answer.content.readany()
        if not chunk:
            return Transient(ConnectionError("the event stream ended"))
        return tuple(self._decoder.feed(chunk))
