"""Readiness: whether the store works, found out at most once a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from translation_server.stores import StoreUnavailableError

if TYPE_CHECKING:
    from translation_server.stores import JobStore

PATIENCE = 2.0
"""Seconds within which a store that works answers."""

KEPT = 1.0
"""Seconds for which a result is reused, since each check writes to the disk."""


class Probe:
    """Checks a store, for any number of callers.

    Args:
        store: The store.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._checked_at = 0.0
        self._check: asyncio.Task[bool] | None = None

    async def is_usable(self) -> bool:
        """Return whether the store can be read and written."""
        now = asyncio.get_running_loop().time()
        if self._check is None or (self._check.done() and now - self._checked_at >= KEPT):
            self._checked_at = now
            self._check = asyncio.create_task(self._works())
        # Shielded: others wait for the same check when the caller that began it goes away.
        return await asyncio.shield(self._check)

    async def _works(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store.ping()
        except (StoreUnavailableError, TimeoutError):
            return False
        return True
