"""What one wait for many jobs has seen and done: who is left, the figures, the words of its errors. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from translation_client._core.record import ServerClock, Tally, log
from translation_client._errors import JobNotFound, StatusUnavailable, TranslationClientError, WaitTimeout
from translation_client._models import WaitStats

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Sized

    from translation_client._models import Job

E = TypeVar("E", bound=TranslationClientError)

_NAMED = 3  # ids in a message: enough to recognise them by


class ObservedMany:
    """The record of one wait for many jobs; each is in ``left`` until it has ended."""

    def __init__(self, job_ids: Iterable[str], began: float, where: str = "") -> None:
        self.left = dict.fromkeys(job_ids)
        self._tally = Tally(len(self.left))
        self._where = where or "the server"
        self.clock = ServerClock()
        self.requests = 0
        self.failures = 0
        self.last_error: Exception | None = None
        self._told: set[str] = set()
        self._began = began

    def failed(self, error: Exception) -> None:
        """Take in a transient failure."""
        self.failures += 1
        self.last_error = error
        jobs = count_of(self.left)
        log.info("waiting for %s: request #%d failed: %s", jobs, self.requests, error, extra={"failure": error})

    def ended(self, job: Job, now: float, learnt_by: str) -> Job | None:
        """The job with the figures of the wait, if it is one that was waited for and not handed out yet."""
        if job.job_id not in self.left or not job.status.is_terminal:
            return None
        del self.left[job.job_id]
        elapsed, delay = now - self._began, self.clock.since_end(job, now)
        log.log(
            self._tally.one_more(),
            "job %s: %s after %.3f s, learnt by %s, detection delay %s, %d left",
            *(job.job_id, job.status, elapsed, learnt_by),
            "unknown" if delay is None else f"{delay * 1000:.1f} ms",
            len(self.left),
        )
        return replace(job, wait_stats=WaitStats(self.requests, 0, self.failures, elapsed, learnt_by, delay))

    def first_seen(self, jobs: Iterable[Job]) -> list[Job]:
        """Those of the jobs that are pending and were not seen before."""
        new = [
            job for job in jobs if not (job.status.is_terminal or job.job_id in self._told) and job.job_id in self.left
        ]
        self._told.update(job.job_id for job in new)
        return new

    def left_over(self) -> dict[str, bool]:
        """The jobs that have not ended, each with whether it was seen to be pending."""
        return {job_id: job_id in self._told for job_id in self.left}

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

    def unavailable(self, limit: str, now: float) -> StatusUnavailable:
        """The error of a wait whose ``max_retries`` is used up."""
        why = f"no answer from {self._where} after {now - self._began:.1f} s ({limit} used up)"
        return self.error(StatusUnavailable(_ended_early(list(self.left), why, self.last_error)), now)

    def timed_out(self, timeout: float | None, now: float, why: str = "") -> WaitTimeout:
        """The error of a wait whose deadline has passed, or cannot be kept."""
        return self.error(_timeout(tuple(self.left), timeout, now - self._began, self.last_error, why), now)


def timed_out_together(errors: Sequence[WaitTimeout]) -> WaitTimeout:
    """One error for several waits that began and timed out together."""
    first, pending = errors[0], tuple(job_id for error in errors for job_id in error.pending)
    if len(errors) == 1:
        return first
    together = _timeout(pending, first.timeout, first.elapsed, first.last_error)
    together.elapsed, together.polls = first.elapsed, sum(error.polls for error in errors)
    return together


def _timeout(
    pending: tuple[str, ...], timeout: float | None, elapsed: float, last_error: BaseException | None, why: str = ""
) -> WaitTimeout:
    limit = f"timeout {timeout:g} s" if timeout is not None else "no timeout"
    text = f"{why or 'still not ended'} after {elapsed:.1f} s ({limit})"
    error = WaitTimeout(_ended_early(pending, text, last_error))
    error.timeout, error.last_error, error.pending = timeout, last_error, pending
    return error


def _ended_early(job_ids: Sequence[str], why: str, last_error: BaseException | None) -> str:
    more = ", …" if len(job_ids) > _NAMED else ""
    failure = f"; last failure: {last_error}" if last_error else ""
    again = "it may still end: wait again with its id" if len(job_ids) == 1 else "wait again with their ids"
    return f"{count_of(job_ids)} ({', '.join(job_ids[:_NAMED])}{more}): {why}{failure}; {again}"


def moment_of_end(job: Job) -> datetime:
    """When the job ended, to sort by; the end of time for one that has not ended."""
    return job.ended_at or datetime.max.replace(tzinfo=UTC)


def count_of(jobs: Sized) -> str:
    """``1 job``, ``20 jobs``."""
    return f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}"
