"""Deletes jobs some time after their end: in small batches, resting as long as it works, so that nobody waits for it.

Every process does so. Where several share a store they do not get in each other's way: what one has deleted, the others
no longer find.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from translation_server.stores import StoreUnavailableError

if TYPE_CHECKING:
    from translation_server.service.clock import Clock
    from translation_server.service.service import Service

_LOGGER: Final = logging.getLogger(__name__)
_BATCH: Final = 200  # jobs; deleting so many takes a few milliseconds
_SHORTEST_INTERVAL: Final = 1.0  # seconds
_LONGEST_INTERVAL: Final = 3600.0


def interval(retention: float) -> float:
    """Seconds between two rounds: a job stays at most a tenth longer than it has to, and never an hour longer."""
    return min(max(retention / 10, _SHORTEST_INTERVAL), _LONGEST_INTERVAL)


async def forget_regularly(service: Service, retention: float) -> None:
    """Delete jobs that ended so many seconds ago, now and from time to time; runs until it is cancelled.

    Args:
        service: whose jobs.
        retention: seconds; 0: nothing is ever deleted.
    """
    while retention:
        try:
            forgotten = await forget(service, service.clock.now() - retention)
        except StoreUnavailableError:
            _LOGGER.warning("old jobs could not be deleted, because the store does not work; later they will be")
        except Exception:
            _LOGGER.exception("old jobs could not be deleted; it will be tried again")
        else:
            if forgotten:
                _LOGGER.info("%d jobs were deleted, which ended more than %.10g seconds ago", forgotten, retention)
        await _until(service.clock, service.clock.now() + interval(retention))


async def forget(service: Service, before: float) -> int:
    """Delete all jobs that ended before a moment; return how many."""
    await service.settlement.settle_all()
    loop = asyncio.get_running_loop()
    forgotten, number = 0, _BATCH
    while number:
        begun = loop.time()
        number = await service.store.forget(before, _BATCH)
        forgotten += number
        await asyncio.sleep(loop.time() - begun)
    return forgotten


async def _until(clock: Clock, moment: float) -> None:
    reached = asyncio.Event()
    timer = clock.call_at(moment, reached.set, event=False)
    try:
        await reached.wait()
    finally:
        timer.cancel()
