"""The values the client returns: a job as the server described it, and the figures of the wait for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from translation_client._errors import JobFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class JobStatus(StrEnum):
    """Where a job stands: exactly three values, equal to their text (``status == "completed"``)."""

    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"

    @property
    def is_terminal(self) -> bool:
        """True once the job has ended; a terminal status never changes again."""
        return self is not JobStatus.PENDING


class ErrorDetail(NamedTuple):
    """The reason why a job ended in error: a ``code`` for programs, a ``message`` for people."""

    code: str
    message: str


class WaitStats(NamedTuple):
    """The figures of one wait.

    Attributes:
        polls: Status requests made.
        held: How many of them the server held until something happened (long polls).
        failures: Transient failures ridden out.
        elapsed: Seconds the wait took.
        learnt_by: How the end became known: ``long poll``, ``poll``, ``stream``, ``query`` (for many jobs), or
            ``start`` (whose answer had it); empty if it did not.
        detection_delay: Seconds from the job's end until the client knew, by the server's clock as
            its earlier answers showed it; None where no earlier answer allowed the comparison.
    """

    polls: int = 0
    held: int = 0
    failures: int = 0
    elapsed: float = 0.0
    learnt_by: str = ""
    detection_delay: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the server described it at one moment; it does not change by itself.

    Attributes:
        job_id: The server's name for it.
        status: ``pending``, ``completed`` or ``error``. A value this version does not know counts as pending.
        created_at: When the server accepted it; None if unknown.
        ended_at: When it ended; None while pending.
        elapsed_time: Seconds since it was accepted, frozen when it ended.
        progress: 0 to 1; 1 only when completed.
        poll_after: The server's advice: seconds until it is worth asking again; None if it gave none.
        video_length: Seconds of video, as given at the start.
        metadata: As given at the start.
        error: Why it ended in error; None otherwise.
        raw: The JSON as it came, for fields this version does not know.
        wait_stats: What the wait that returned this job did; None outside a wait.
    """

    job_id: str
    status: JobStatus
    created_at: datetime | None = None
    ended_at: datetime | None = None
    elapsed_time: float = 0.0
    progress: float = 0.0
    poll_after: float | None = None
    video_length: float | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    error: ErrorDetail | None = None
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    wait_stats: WaitStats | None = field(default=None, repr=False, compare=False)

    def raise_for_error(self) -> None:
        """Raise ``JobFailedError`` if the job ended in error; otherwise do nothing.

        Raises:
            JobFailedError: With the server's ``code`` and ``message``.
        """
        if self.status is not JobStatus.ERROR:
            return
        error = self.error or ErrorDetail("unknown", "the server gave no reason")
        failed = JobFailedError(f"job {self.job_id} ended in error: {error.code}: {error.message}", job_id=self.job_id)
        failed.code, failed.message, failed.last_job = error.code, error.message, self
        raise failed
