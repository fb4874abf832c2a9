"""Deletes every job, which no user of a real service can: between two tests that share a server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from translation_server.jobs.model import Status
from translation_server.service.errors import AlreadyEndedError, UnknownJobError
from translation_server.service.retention import forget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.service.service import Service

_PAGE: Final = 500
_ALL: Final = 1e12  # a moment after every end


async def delete_all_jobs(service: Service, owners: Iterable[str]) -> int:
    """Cancel what is pending, then delete all that has ended; return how many jobs were deleted.

    Args:
        service: Where the jobs are.
        owners: Whose pending jobs are cancelled; those of others stay until they end.
    """
    for owner in owners:
        while (pending := await service.page(owner, Status.PENDING, None, _PAGE)) and pending.jobs:
            for job in pending.jobs:
                with suppress(AlreadyEndedError, UnknownJobError):  # it has ended meanwhile
                    await service.cancel(owner, job.job_id)
    return await forget(service, _ALL)
