"""What one wait for many jobs has seen and done: who is left, the figures, the words of its errors. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from translation_client._errors import JobNotFound, StatusUnavailable, TranslationClientError, WaitTimeout
from translation_client._models import WaitStats
from translation_client._observed import ServerClock, log

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from translation_client._models import Job

E = TypeVar("E", bound=TranslationClientError)

_NAMED = 3  # ids in a message: enough to recognise them by


class ObservedMany:
    """The record of one wait for many jobs; each is in ``left`` until it has ended."""

    def __init__(self, job_ids: Iterable[str], began: float) -> None:
        self.left = dict.fromkeys(job_ids)
        self.clock = ServerClock()
        self.requests = 0
        self.failures = 0
        self.last_error: Exception | None = None
        self._seen: set[str] = set()
        self._began = began

    def failed(self, error: Exception) -> None:
        """Take in a transient failure."""
        self.failures += 1
        self.last_error = error
        log.info("waiting for %d jobs: request #%d failed: %s", len(self.left), self.requests, error)

    def ended(self, job: Job, now: float, learnt_by: str) -> Job | None:
        """The job with the figures of the wait, if it is one that was waited for and not handed out yet."""
        if job.job_id not in self.left or not job.status.is_terminal:
            return None
        del self.left[job.job_id]
        elapsed, delay = now - self._began, self.clock.since_end(job, now)
        log.info(
            "job %s: %s after %.3f s, learnt by %s, detection delay %s, %d left",
            *(job.job_id, job.status, elapsed, learnt_by),
            "unknown" if delay is None else f"{delay * 1000:.1f} ms",
            len(self.left),
        )
        return replace(job, wait_stats=WaitStats(self.requests, 0, self.failures, elapsed, learnt_by, delay))

    def first_seen(self, jobs: Iterable[Job]) -> list[Job]:
        """Those of the jobs that are pending and were not seen before."""
        new = [job for job in jobs if job.job_id in self.left and job.job_id not in self._seen]
        self._seen.update(job.job_id for job in new)
        return new

    def error(self, error: E, now: float) -> E:
        """The error, with the figures of the wait, which are logged in one line."""
        error.elapsed, error.polls = now - self._began, self.requests
        error.wait_stats = WaitStats(self.requests, 0, self.failures, error.elapsed)
        log.info("%s", error)
        return error

    def unknown(self, job_id: str, now: float) -> JobNotFound:
        """The error for a job the server does not know."""
        text = f"job {job_id}: the server knows no such job"
        return self.error(JobNotFound(text, status_code=404, job_id=job_id), now)

    def unavailable(self, why: str, now: float) -> StatusUnavailable:
        """The error of a wait that gives up."""
        return self.error(StatusUnavailable(f"{self._names()}: {why}; wait again with their ids"), now)

    def timed_out(self, timeout: float | None, now: float, why: str = "") -> WaitTimeout:
        """The error of a wait whose deadline has passed, or cannot be kept."""
        text = f"{self._names()}: {why or 'not ended'} after {now - self._began:.1f} s"
        text += f" (timeout {timeout:g} s)" if timeout is not None else ""
        text += "; wait again with their ids"
        error = WaitTimeout(text + (f"; last failure: {self.last_error}" if self.last_error else ""))
        error.timeout, error.last_error, error.pending = timeout, self.last_error, tuple(self.left)
        return self.error(error, now)

    def _names(self) -> str:
        return _names(list(self.left))


def timed_out_together(errors: Sequence[WaitTimeout]) -> WaitTimeout:
    """One error for several waits that began and timed out together."""
    first, pending = errors[0], tuple(job_id for error in errors for job_id in error.pending)
    if len(errors) == 1:
        return first
    together = WaitTimeout(f"{_names(pending)}: not ended after {first.elapsed:.1f} s; wait again with their ids")
    together.timeout, together.last_error, together.pending = first.timeout, first.last_error, pending
    together.elapsed, together.polls = first.elapsed, sum(error.polls for error in errors)
    return together


def _names(job_ids: Sequence[str]) -> str:
    more = ", …" if len(job_ids) > _NAMED else ""
    return f"{len(job_ids)} jobs ({', '.join(job_ids[:_NAMED])}{more})"
