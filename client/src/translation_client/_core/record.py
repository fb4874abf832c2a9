"""What one wait has seen and done: the job's age, the server's clock, the figures, the words of its errors. Pure."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from translation_client._errors import StatusUnavailable, TranslationClientError, WaitTimeout
from translation_client._models import WaitStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._models import Job

log = logging.getLogger("translation_client")

E = TypeVar("E", bound=TranslationClientError)


_SLOWEST_ANSWER = 1.0  # seconds
_NEWS = 20  # lines about the ends of jobs waited for together that are worth reading, however many jobs


class Tally:
    """Counts the ends of jobs that are waited for together, and says which of them are news.

    Of up to twenty jobs each end is; of more, one at each twentieth of them. So the log of ten thousand jobs can be
    read at INFO, and has every one of them at DEBUG.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._ended = 0

    def one_more(self) -> int:
        """Count an end; the level to log it at."""
        before, self._ended = self._ended, self._ended + 1
        news = before * _NEWS // self._jobs < self._ended * _NEWS // self._jobs
        return logging.INFO if news else logging.DEBUG


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
        """Seconds from the job's end until ``seen_at``; None if the job has not ended or nothing was learnt.

        An end that lies ahead, by more than an answer takes to come, tells of a clock that does not go like ours.
        """
        if job.ended_at is None or self._ahead is None:
            return None
        since = seen_at + self._ahead - job.ended_at.timestamp()
        return max(since, 0.0) if since > -_SLOWEST_ANSWER else None


class Observed:
    """The record of one wait.

    Args:
        job_id: None until the latest job is known by name.
        began: The moment the wait began.
        from_start: Whether the first thing seen of the job is the answer to its start.
        where: The server, as messages name it.
        tally: Of the jobs that are waited for together; None where this one is waited for alone.
    """

    def __init__(
        self, job_id: str | None, began: float, *, from_start: bool, where: str = "", tally: Tally | None = None
    ) -> None:
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
        self._where = where
        self._tally = tally
        self._level = logging.INFO if tally is None else logging.DEBUG

    @property
    def name(self) -> str:
        """The job, as messages and log lines begin."""
        return f"job {self.job_id}" if self.job_id else "the latest job"

    def say(self, text: str, *details: object, failure: Exception | None = None) -> None:
        """Log one step of the wait; one of many together is no news to anybody."""
        more = {"failure": failure} if failure else None
        log.log(self._level, f"%s: {text}", self.name, *details, extra=more)  # noqa: G004 - the caller's own format

    def note(self, job: Job, seen_at: float) -> None:
        """Take in an answer about the job."""
        self.job_id, self.job, self._job_seen_at = job.job_id, job, seen_at
        if not job.status.is_terminal:
            self._accepted_at = min(self._accepted_at, seen_at - job.elapsed_time)
            self._pending_at = seen_at
        self._server_clock.note(job, seen_at)
        told = job.raw.get("status", job.status)
        if told != job.status and not self._warned:
            self._warned = True
            log.warning("job %s: unknown status %.40r; waiting on, as if pending", job.job_id, told)

    def failed(self, error: Exception) -> None:
        """Take in a transient failure."""
        self.failures += 1
        self.last_error = error
        self.say("Poll #%d failed: %s", self.polls, self._words(error), failure=error)

    def elapsed(self, now: float) -> float:
        """Seconds since the wait began."""
        return now - self._began

    def passed(self, job: Job, sent: float) -> float | None:
        """Seconds that passed on the server's clock while it kept the request; None where that cannot be told yet."""
        if self.job is None:
            return None
        return max(job.elapsed_time - self.job.elapsed_time - (sent - self._job_seen_at), 0.0)

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
        log.log(
            self._level if self._tally is None else self._tally.one_more(),
            "job %s: %s after %.3f s; polls: %d (%d held, %d failed), learnt by %s, detection delay %s",
            *(job.job_id, job.status, stats.elapsed, stats.polls, stats.held, stats.failures, learnt_by, delay),
        )
        return replace(job, wait_stats=stats)

    def error(self, error: E, now: float) -> E:
        """The error, with the figures of the wait, which are logged in one line."""
        error.job_id, error.last_job = self.job_id or error.job_id, self.job
        error.elapsed, error.polls, error.wait_stats = now - self._began, self.polls, self.stats(now)
        log.log(self._level, "%s", error)
        return error

    def timed_out(self, timeout: float | None, now: float, why: str = "") -> WaitTimeout:
        """The error of a wait whose deadline has passed, or cannot be kept."""
        limit = f"timeout {timeout:g} s" if timeout is not None else "no timeout"
        text = f"{self.name}: {why or self._state()} after {now - self._began:.1f} s ({limit}, polls: {self.polls})"
        error = WaitTimeout(text + self._last_failure() + self._advice())
        error.timeout, error.last_error = timeout, self.last_error
        error.pending = (self.job_id,) if self.job_id else ()
        return self.error(error, now)

    def unavailable(self, limit: str, now: float) -> StatusUnavailable:
        """The error of a wait whose ``max_retries`` or ``max_polls`` is used up."""
        text = f"{self.name}: {self._state()} after {now - self._began:.1f} s ({limit} used up, polls: {self.polls})"
        return self.error(StatusUnavailable(text + self._last_failure() + self._advice()), now)

    def _state(self) -> str:
        return f"still {self.job.status}" if self.job else f"no status from {self._where or 'the server'}"

    def _last_failure(self) -> str:
        return f"; last failure: {self._words(self.last_error)}" if self.last_error else ""

    def _words(self, error: Exception) -> str:
        return str(error).removeprefix(f"{self.name}: ")

    def _advice(self) -> str:
        return "; it may still end: wait again with its id" if self.job_id else "; wait again later"

    def _detection_delay(self) -> float | None:
        return None if self.job is None else self._server_clock.since_end(self.job, self._job_seen_at)
