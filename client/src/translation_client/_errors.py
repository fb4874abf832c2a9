"""Every error this package raises.

::

    TranslationClientError
    ├─ StartError                              no job could be started, or it is not known whether one was
    ├─ WaitError                               a wait ended before its job did
    │  ├─ WaitTimeoutError (TimeoutError)      its deadline passed; the job may still end: wait again with its id
    │  └─ StatusUnavailableError               no status could be had (max_retries, max_polls, one failed poll)
    ├─ JobFailedError                          only from Job.raise_for_error()
    └─ ApiError                                the server refused; no retry can mend it
       ├─ AuthenticationError                  401, 403
       ├─ JobNotFoundError                     404, 410
       ├─ InvalidRequestError                  400, 422 and the other 4xx
       ├─ RateLimitError                       429
       └─ ProtocolError                        the answer was not understood (a redirect, foreign JSON, …)

All of them can be pickled: every detail beside the message is an optional keyword, kept in ``__dict__``. A wrong
argument is a ``TypeError`` or a ``ValueError``, a call on a closed client a ``RuntimeError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from translation_client._models import Job, WaitStats


class TranslationClientError(Exception):
    """Base of all errors of this package.

    Attributes:
        job_id: The job it is about, if one is known.
        last_job: The job as it was last seen, if ever.
        elapsed: Seconds the call had taken when it gave up.
        polls: Status requests it had made.
        wait_stats: What the wait had done until then; None outside a wait.
    """

    def __init__(  # noqa: PLR0913 - one keyword an attribute; callers only read them
        self,
        message: str = "",
        *,
        job_id: str | None = None,
        last_job: Job | None = None,
        elapsed: float = 0.0,
        polls: int = 0,
        wait_stats: WaitStats | None = None,
    ) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.last_job = last_job
        self.elapsed = elapsed
        self.polls = polls
        self.wait_stats = wait_stats


class StartError(TranslationClientError):
    """No job could be started before the deadline, or within ``max_retries``.

    Attributes:
        idempotency_key: Give it to ``start_job`` again: a job that was accepted unseen is then found, not repeated.
        maybe_created: True if a request may have reached the server, so a job may exist.
    """

    def __init__(
        self,
        message: str = "",
        *,
        idempotency_key: str = "",
        maybe_created: bool = False,
        elapsed: float = 0.0,
    ) -> None:
        super().__init__(message, elapsed=elapsed)
        self.idempotency_key = idempotency_key
        self.maybe_created = maybe_created


class WaitError(TranslationClientError):
    """A wait ended before its job did."""


class WaitTimeoutError(WaitError, TimeoutError):
    """The deadline of the wait passed; the job may still end, so wait again with its id.

    Attributes:
        timeout: The seconds the wait was given.
        last_error: The last transient failure, if the wait ended amid failures.
        pending: The ids of the jobs that had not ended.
    """

    pending: tuple[str, ...] = ()
    timeout: float | None = None
    last_error: BaseException | None = None


class StatusUnavailableError(WaitError):
    """No status could be had: ``max_retries`` or ``max_polls`` is used up; ``__cause__`` is the last failure."""


class JobFailedError(TranslationClientError):
    """The job ended in error; raised by ``Job.raise_for_error()`` only.

    Attributes:
        code: The server's code of the reason, such as ``cancelled``.
        message: The server's description.
    """

    code: str = ""
    message: str = ""


class ApiError(TranslationClientError):
    """The server refused the request, and repeating it would not help.

    Attributes:
        status_code: The HTTP status (RFC 9110, section 15); 0 if there was none.
        problem: The problem details (RFC 9457), empty if the answer had none.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int = 0,
        problem: Mapping[str, object] | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id)
        self.status_code = status_code
        self.problem = dict(problem or {})


class AuthenticationError(ApiError):
    """The credentials were refused (401), or do not allow this (403)."""


class JobNotFoundError(ApiError):
    """The server knows no such job of this user (404), or no longer (410)."""


class InvalidRequestError(ApiError):
    """The server found the request itself wrong (400, 422 and the other 4xx)."""


class RateLimitError(ApiError):
    """Too many requests (429); within a wait or a start this is retried, not raised.

    Attributes:
        retry_after: Seconds the server asked to wait; None if it gave none.
    """

    retry_after: float | None = None


class ProtocolError(ApiError):
    """The answer was not understood: a redirect, JSON that is no job, somebody else's answer."""
