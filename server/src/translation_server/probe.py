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
"""Seconds for which an answer holds: a probe writes to the disk."""


class Probe:
    """Looks at a store.

    Args:
        store: The store.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._usable = False
        self._checked_at = -KEPT

    async def is_usable(self) -> bool:
        """Whether it can be read and written."""
        now = asyncio.get_running_loop().time()
        if now - self._checked_at >= KEPT:
            self._usable = await self._look()
            self._checked_at = now
        return self._usable

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store.ping()
        except (StoreUnavailableError, TimeoutError):
            return False
        return True
