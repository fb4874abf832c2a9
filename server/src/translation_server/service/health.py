"""Whether a store works, for anybody to ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from translation_server.stores import StoreUnavailableError

if TYPE_CHECKING:
    from translation_server.stores import JobStore

PATIENCE = 2.0
"""Seconds within which a store that works answers."""

KEPT = 1.0
"""Seconds for which an answer holds: a look writes to the disk."""


class Probe:
    """Looks at a store.

    Args:
        store: The store.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._looked_at = 0.0
        self._look: asyncio.Task[bool] | None = None

    async def is_usable(self) -> bool:
        """Whether it can be read and written."""
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked_at >= KEPT):
            self._looked_at = now
            self._look = asyncio.create_task(self._works())
        # Shielded: others wait for the same look, though the one who asked first may go away.
        return await asyncio.shield(self._look)

    async def _works(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store.ping()
        except (StoreUnavailableError, TimeoutError):
            return False
        return True
