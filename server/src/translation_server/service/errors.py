"""What users can do wrong with jobs; ``http.problems`` says it in HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from translation_server.jobs.model import Job


class UnknownJobError(Exception):
    """The user has no such job; perhaps nobody has.

    Args:
        job_id: The id asked for; None if it was the latest job.
    """

    def __init__(self, job_id: str | None) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class AlreadyEndedError(Exception):
    """A job that has ended cannot be cancelled."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.job_id)
        self.job = job


class KeyReusedError(Exception):
    """The idempotency key belongs to a job that was asked for in other words."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class ImpossibleJobError(Exception):
    """No job can be what was asked for.

    Args:
        reason: Why, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooManyPendingError(Exception):
    """The user has as many pending jobs as allowed.

    Args:
        limit: How many are allowed.
        retry_after: Seconds after which one of them may have ended.
    """

    def __init__(self, limit: int, retry_after: float) -> None:
        super().__init__(limit, retry_after)
        self.limit = limit
        self.retry_after = retry_after


class TooManyWaitersError(Exception):
    """The user holds as many requests and streams as allowed.

    Args:
        limit: How many are allowed.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit
