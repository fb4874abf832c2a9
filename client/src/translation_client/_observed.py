"""What one wait has seen and done: the job's age, the server's clock, the figures, the words of its errors. Pure."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from translation_client._errors import TranslationClientError, WaitTimeout
from translation_client._models import WaitStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._models import Job

log = logging.getLogger("translation_client")

E = TypeVar("E", bound=TranslationClientError)


class ServerClock:
    """The server's clock as its answers show it, so that no wall clock of ours is needed."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def note(self, job: Job, seen_at: float) -> None:
        """Learn from an answer about a pending job: it was ``created_at + elapsed_time`` there when it was given."""
        if job.created_at is not None and not job.status.is_terminal:
            # An answer on its way makes the server's clock look slow, so the largest difference is the best.
            ahead = job.created_at.timestamp() + job.elapsed_time - seen_at
            self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)

    def since_end(self, job: Job, seen_at: float) -> float | None:
        """Seconds from the job's end until ``seen_at``; None if the job has not ended or nothing was learnt."""
        if job.ended_at is None or self._ahead is None:
            return None
        return max(seen_at + self._ahead - job.ended_at.timestamp(), 0.0)


class Observed:
    """The record of one wait.

    Args:
        job_id: None until the latest job is known by name.
        began: The moment the wait began.
        from_start: Whether the first thing seen of the job is the answer to its start.
    """

    def __init__(self, job_id: str | None, began: float, *, from_start: bool) -> None:
        self.job_id = job_id
        self.job: Job | None = None
        self.polls = 0
        self.held = 0
        self.failures = 0
        self.last_error: Exception | None = None
        self._began = began
        self._from_start = from_start
        self._accepted_at = began  # at the latest
        self._pending_at = began
        self._job_seen_at = began
        self._server_clock = ServerClock()
        self._warned = False

    def note(self, job: Job, seen_at: float) -> None:
        """Take in an answer about the job."""
        self.job_id, self.job, self._job_seen_at = job.job_id, job, seen_at
        if not job.status.is_terminal:
            self._accepted_at = min(self._accepted_at, seen_at - job.elapsed_time)
            self._pending_at = seen_at
        self._server_clock.note(job, seen_at)
        if job.raw and job.raw.get("status") != job.status and not self._warned:
            self._warned = True
            log.warning("job %s: unknown status %.40r; waiting on, as if pending", job.job_id, job.raw.get("status"))

    def failed(self, error: Exception) -> None:
        """Take in a transient failure."""
        self.failures += 1
        self.last_error = error
        log.info("job %s: poll #%d failed: %s", self.job_id or "(latest)", self.polls, error)

    def age(self, now: float) -> float:
        """Seconds since the job was accepted, so that a resumed wait does not begin fast again."""
        return now - self._accepted_at

    def duration(self, randomness: Callable[[], float]) -> float:
        """Seconds the job took; 0 where that cannot be told.

        A server that does not say leaves the time between the last two answers: somewhere in it the job ended.
        """
        if self.job is None or not self.job.status.is_terminal:
            return 0.0
        ended = self._pending_at + (self._job_seen_at - self._pending_at) * randomness()
        return self.job.elapsed_time or (ended - self._accepted_at if self._from_start else 0.0)

    def stats(self, now: float, learnt_by: str = "") -> WaitStats:
        """The figures so far."""
        return WaitStats(self.polls, self.held, self.failures, now - self._began, learnt_by, self._detection_delay())

    def ended(self, job: Job, now: float, learnt_by: str) -> Job:
        """The job with the figures of the wait, which are logged in one line."""
        stats = self.stats(now, learnt_by)
        delay = "unknown" if stats.detection_delay is None else f"{stats.detection_delay * 1000:.1f} ms"
        log.info(
            "job %s: %s after %.3f s: %d polls (%d held, %d failed), learnt by %s, detection delay %s",
            *(job.job_id, job.status, stats.elapsed, stats.polls, stats.held, stats.failures, learnt_by, delay),
        )
        return replace(job, wait_stats=stats)

    def error(self, error: E, now: float) -> E:
        """The error, with the figures of the wait, which are logged in one line."""
        error.job_id, error.last_job = self.job_id or error.job_id, self.job
        error.elapsed, error.polls, error.wait_stats = now - self._began, self.polls, self.stats(now)
        log.info("%s", error)
        return error

    def timed_out(self, timeout: float | None, now: float, why: str = "") -> WaitTimeout:
        """The error of a wait whose deadline has passed, or cannot be kept."""
        state = f"still {self.job.status}" if self.job else "its status never arrived"
        limit = f"timeout {timeout:g} s" if timeout is not None else "no timeout"
        error = WaitTimeout(
            f"job {self.job_id or '(latest)'}: {why or state} after {now - self._began:.1f} s ({limit}, "
            f"{self.polls} polls); it may still end: wait again with its id"
            + (f"; last failure: {self.last_error}" if self.last_error else "")
        )
        error.timeout, error.last_error = timeout, self.last_error
        error.pending = (self.job_id,) if self.job_id else ()
        return self.error(error, now)

    def _detection_delay(self) -> float | None:
        return None if self.job is None else self._server_clock.since_end(self.job, self._job_seen_at)
