"""Waits for any number of jobs at once. The one place to change when the client itself can."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from translation_client._errors import TranslationClientError
from translation_client._models import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from translation_client._client import TranslationStatusClient

_MOST_THREADS = 64


def as_ended(
    client: TranslationStatusClient, job_ids: Sequence[str], deadline: float, on_update: Callable[[Job], object]
) -> Iterator[Job | TranslationClientError]:
    """What became of each job, in order of ending: the job, or the error that ended the wait for it.

    Args:
        client: The client to wait with.
        job_ids: The jobs; no two alike.
        deadline: When the waits must be over, on ``time.monotonic()``.
        on_update: Called with every answer, from any thread.
    """
    if len(job_ids) == 1:  # on this thread, so that Ctrl-C reaches the client itself
        yield _wait(client, job_ids[0], deadline, on_update)
        return
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    ended: queue.SimpleQueue[Job | TranslationClientError | Exception] = queue.SimpleQueue()
    for job_id in job_ids:
        waiting.put(job_id)

    def work() -> None:
        while True:
            try:
                ended.put(_wait(client, waiting.get_nowait(), deadline, on_update))
            except queue.Empty:
                return
            except Exception as error:  # noqa: BLE001 - raised again where it is seen
                ended.put(error)

    for _ in range(min(len(job_ids), _MOST_THREADS)):
        threading.Thread(target=work, daemon=True).start()  # daemons: Ctrl-C leaves them behind
    for _ in job_ids:
        result = ended.get()
        if isinstance(result, Job | TranslationClientError):
            yield result
        else:
            raise result


def _wait(
    client: TranslationStatusClient, job_id: str, deadline: float, on_update: Callable[[Job], object]
) -> Job | TranslationClientError:
    left = max(deadline - time.monotonic(), 0.0)
    try:
        return client.wait(job_id, timeout=left, on_status_change=on_update, on_poll=on_update)
    except TranslationClientError as error:
        return error
