"""Start video translation jobs and know the moment they end.

>>> from translation_client import TranslationStatusClient
>>> client = TranslationStatusClient("http://127.0.0.1:8000", "admin", "secretpassword")
>>> status = client.wait_for_completion(client.start_job())  # doctest: +SKIP

The logger ``translation_client`` tells at INFO what a wait does: the first status, each poll and pause with the time
elapsed, and its end in one line. Of jobs that are waited for together (``as_completed``, ``wait_all``) at most twenty
ends are INFO, however many jobs; everything is DEBUG. An odd answer is a WARNING, a callback that raises an ERROR. So
whoever waits for thousands of jobs in as many calls sets the logger to WARNING.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from translation_client._core.schedule import PollingConfig
from translation_client._errors import (
    ApiError,
    AuthenticationError,
    InvalidRequest,
    JobFailed,
    JobNotFound,
    ProtocolError,
    RateLimited,
    StartError,
    StatusUnavailable,
    TranslationClientError,
    WaitError,
    WaitTimeout,
)
from translation_client._models import Job, JobError, JobStatus, WaitStats
from translation_client._sync.client import TranslationStatusClient
from translation_client._version import __version__

if TYPE_CHECKING:
    from translation_client._aio.client import AsyncTranslationStatusClient

__all__ = [
    "ApiError",
    "AsyncTranslationStatusClient",
    "AuthenticationError",
    "InvalidRequest",
    "Job",
    "JobError",
    "JobFailed",
    "JobNotFound",
    "JobStatus",
    "PollingConfig",
    "ProtocolError",
    "RateLimited",
    "StartError",
    "StatusUnavailable",
    "TranslationClientError",
    "TranslationStatusClient",
    "WaitError",
    "WaitStats",
    "WaitTimeout",
    "__version__",
]


def __getattr__(name: str) -> object:
    """The asynchronous client, imported when first used: aiohttp is an extra, and slow to import."""
    if name != "AsyncTranslationStatusClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from translation_client._aio.client import AsyncTranslationStatusClient  # noqa: PLC0415 - the point of it
    except ModuleNotFoundError as error:
        if error.name not in {"aiohttp", "yarl"}:
            raise
        raise ImportError(f'{name} needs aiohttp: pip install "translation-client[async]"') from None
    globals()[name] = AsyncTranslationStatusClient
    return AsyncTranslationStatusClient


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
