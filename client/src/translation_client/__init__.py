"""Start video translation jobs and know the moment they end.

>>> from translation_client import TranslationStatusClient
>>> client = TranslationStatusClient("http://127.0.0.1:8000", "admin", "secretpassword")
>>> status = client.wait_for_completion(client.start_job())  # doctest: +SKIP
"""

from __future__ import annotations

from translation_client._client import TranslationStatusClient
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
from translation_client._polling import PollingConfig

__all__ = [
    "ApiError",
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
]
