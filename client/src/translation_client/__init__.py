"""Start video translation jobs and know the moment they end.

>>> from translation_client import TranslationStatusClient
>>> client = TranslationStatusClient("http://127.0.0.1:8000", "admin", "secretpassword")
>>> status = client.wait_for_completion(client.start_job())  # doctest: +SKIP

The logger ``translation_client`` shows at INFO what a wait does: the first status, each poll and pause with the time
elapsed, and its end in one line. For jobs that are waited for together (``as_completed``, ``wait_all``) at most twenty
ends are INFO, however many jobs there are; every end is DEBUG. An odd answer is a WARNING, a callback that raises is an
ERROR. A program that waits for thousands of jobs in as many calls should set the logger to WARNING.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from translation_client._core.schedule import PollingConfig
from translation_client._errors import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    JobFailedError,
    JobNotFoundError,
    ProtocolError,
    RateLimitError,
    StartError,
    StatusUnavailableError,
    TranslationClientError,
    WaitError,
    WaitTimeoutError,
)
from translation_client._models import ErrorDetail, Job, JobStatus, WaitStats
from translation_client._sync.client import TranslationStatusClient
from translation_client._version import __version__

if TYPE_CHECKING:
    from translation_client._aio.client import AsyncTranslationStatusClient

    InvalidRequest = InvalidRequestError
    JobError = ErrorDetail
    JobFailed = JobFailedError
    JobNotFound = JobNotFoundError
    RateLimited = RateLimitError
    StatusUnavailable = StatusUnavailableError
    WaitTimeout = WaitTimeoutError

__all__ = [
    "ApiError",
    "AsyncTranslationStatusClient",
    "AuthenticationError",
    "ErrorDetail",
    "InvalidRequestError",
    "Job",
    "JobFailedError",
    "JobNotFoundError",
    "JobStatus",
    "PollingConfig",
    "ProtocolError",
    "RateLimitError",
    "StartError",
    "StatusUnavailableError",
    "TranslationClientError",
    "TranslationStatusClient",
    "WaitError",
    "WaitStats",
    "WaitTimeoutError",
    "__version__",
]


_FORMER_NAMES = {
    "InvalidRequest": "InvalidRequestError",
    "JobError": "ErrorDetail",
    "JobFailed": "JobFailedError",
    "JobNotFound": "JobNotFoundError",
    "RateLimited": "RateLimitError",
    "StatusUnavailable": "StatusUnavailableError",
    "WaitTimeout": "WaitTimeoutError",
}


def __getattr__(name: str) -> object:
    """Return what is imported only when it is used: the asynchronous client, and former names."""
    if name == "AsyncTranslationStatusClient":
        return _asynchronous_client()
    if name in _FORMER_NAMES:
        present = _FORMER_NAMES[name]
        warnings.warn(f"{__name__}.{name} is now called {present}", DeprecationWarning, stacklevel=2)
        return globals()[present]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _asynchronous_client() -> object:
    """Import the asynchronous client; aiohttp is an extra, and slow to import."""
    try:
        from translation_client._aio.client import AsyncTranslationStatusClient  # noqa: PLC0415 - the point of it
    except ModuleNotFoundError as error:
        if error.name not in {"aiohttp", "yarl"}:
            raise
        raise ImportError(
            'AsyncTranslationStatusClient needs aiohttp: pip install "translation-client[async]"'
        ) from None
    globals()["AsyncTranslationStatusClient"] = AsyncTranslationStatusClient
    return AsyncTranslationStatusClient


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
