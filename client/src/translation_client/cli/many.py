"""Waits for one job or many, and carries on where one of many fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from translation_client._errors import JobNotFound, TranslationClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from translation_client._models import Job
    from translation_client._sync.client import TranslationStatusClient


def as_ended(
    client: TranslationStatusClient, job_ids: Sequence[str], deadline: float, on_update: Callable[[Job], object]
) -> Iterator[Job | TranslationClientError]:
    """Each job as it ends, and each error that ends the wait for one of them, or for all that are left.

    Args:
        client: The client to wait with.
        job_ids: The jobs; no two alike.
        deadline: When the wait must be over, on ``time.monotonic()``.
        on_update: Called with what is learnt of a job, from any thread.
    """
    left = dict.fromkeys(job_ids)
    while left:
        try:
            for job in _waited_for(client, list(left), deadline, on_update):
                del left[job.job_id]
                yield job
        except TranslationClientError as error:
            yield error
            if not isinstance(error, JobNotFound) or error.job_id not in left:
                return
            del left[error.job_id]  # the others are waited for nonetheless


def _waited_for(
    client: TranslationStatusClient, job_ids: Sequence[str], deadline: float, on_update: Callable[[Job], object]
) -> Iterator[Job]:
    timeout = max(deadline - time.monotonic(), 0.0)
    if len(job_ids) == 1:  # a wait for one tells its progress, too
        yield client.wait(job_ids[0], timeout=timeout, on_status_change=on_update, on_poll=on_update)
    else:
        yield from client.as_completed(job_ids, timeout=timeout, on_status_change=on_update)
