"""The record of one wait, for one job or many: its figures, its log lines, the words of its errors. Pure."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from translation_client._core.schedule import GiveUp, next_attempt
from translation_client._errors import StatusUnavailableError, TranslationClientError, WaitTimeoutError
from translation_client._models import WaitStats

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from translation_client._core.schedule import PollingConfig
    from translation_client._models import Job
    from translation_client._wire.failures import Transient

log = logging.getLogger("translation_client")

E = TypeVar("E", bound=TranslationClientError)

_SLOWEST_ANSWER = 1.0  # seconds
_INFO_LINES = 20  # lines at INFO about the ends of jobs waited for together, however many jobs
_NAMED = 3  # ids in a message: enough to recognise the jobs


class Tally:
    """Counts the ends of jobs that are waited for together, and chooses the level to log each end at.

    Of up to twenty jobs each end is logged at INFO; of more, one in each twentieth of them. So the log of ten thousand
    jobs can be read at INFO, and has every one of them at DEBUG.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._ended = 0

    def count_end(self) -> int:
        """Count one end and return the level to log it at."""
        before, self._ended = self._ended, self._ended + 1
        reached = before * _INFO_LINES // self._jobs < self._ended * _INFO_LINES // self._jobs
        return logging.INFO if reached else logging.DEBUG


class ServerClock:
    """The server's clock as its answers show it, so that no wall clock of ours is needed."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def observe(self, job: Job, seen_at: float) -> None:
        """Learn from an answer about a pending job: there it was ``created_at + elapsed_time`` when it was given."""
        if job.created_at is not None and not job.status.is_terminal:
            # An answer on its way makes the server's clock look slow, so the largest difference is the best.
            ahead = job.created_at.timestamp() + job.elapsed_time - seen_at
            self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)

    def since_end(self, job: Job, seen_at: float) -> float | None:
        """Return the seconds from the job's end until ``seen_at``; None where that cannot be known.

        An end that lies ahead, by more than an answer takes to come, shows a clock that does not run like ours.
        """
        if job.ended_at is None or self._ahead is None:
            return None
        since = seen_at + self._ahead - job.ended_at.timestamp()
        return max(since, 0.0) if since > -_SLOWEST_ANSWER else None


class Sightings:
    """What the answers have shown of one job: its age, and in the end how long it took.

    Args:
        began: The moment the wait began; the job was accepted by then.
        from_start: Whether the first answer is the one to the job's start.
    """

    def __init__(self, began: float, *, from_start: bool) -> None:
        self.job: Job | None = None
        self.seen_at = began
        self._from_start = from_start
        self._accepted_at = began  # at the latest
        self._pending_at = began
        self._warned = False

    def observe(self, job: Job, seen_at: float) -> None:
        """Add an answer about the job."""
        self.job, self.seen_at = job, seen_at
        if not job.status.is_terminal:
            self._accepted_at = min(self._accepted_at, seen_at - job.elapsed_time)
            self._pending_at = seen_at
        status = job.raw.get("status", job.status)
        if status != job.status and not self._warned:
            self._warned = True
            log.warning("job %s: unknown status %.40r, treated as pending", job.job_id, status)

    def passed(self, job: Job, sent: float) -> float | None:
        """Return the seconds that passed on the server's clock while it held the request; None if not known yet."""
        if self.job is None:
            return None
        return max(job.elapsed_time - self.job.elapsed_time - (sent - self.seen_at), 0.0)

    def age(self, now: float) -> float:
        """Return the seconds since the job was accepted, so that a resumed wait does not begin fast again."""
        return now - self._accepted_at

    def duration(self, randomness: Callable[[], float]) -> float:
        """Return the seconds the job took; 0 where that cannot be known.

        A server that does not tell leaves the time between the last two answers: somewhere in it the job ended.
        """
        if self.job is None or not self.job.status.is_terminal:
            return 0.0
        ended = self._pending_at + (self.seen_at - self._pending_at) * randomness()
        return self.job.elapsed_time or (ended - self._accepted_at if self._from_start else 0.0)


class Record:
    """The record of one wait.

    Args:
        job_ids: The jobs; none where the latest job is waited for, until an answer names it.
        began: The moment the wait began.
        where: The server, as messages name it.
        tally: Shared by waits that are one for their user; None where this wait stands alone.

    Attributes:
        left: The jobs that have not ended.
        last_job: The last answer, where one job is waited for.
        answered: Whether the server has ever given a usable answer.
    """

    def __init__(self, job_ids: Iterable[str], began: float, *, where: str = "", tally: Tally | None = None) -> None:
        self.left = dict.fromkeys(job_ids)
        self.last_job: Job | None = None
        self.answered = False
        self.polls = self.held = self.failures = 0
        self.last_error: Exception | None = None
        self.clock = ServerClock()
        self._began = began
        self._where = where or "the server"
        self._many = len(self.left) > 1
        self._tally = tally or Tally(max(len(self.left), 1))
        self._level = logging.INFO if tally is None else logging.DEBUG

    @property
    def subject(self) -> str:
        """What is waited for, as messages and log lines begin."""
        return subject(tuple(self.left))

    def log(self, text: str, *details: object, failure: Exception | None = None) -> None:
        """Log one step of the wait; at DEBUG where it is one of many waits together."""
        more = {"failure": failure} if failure else None
        log.log(self._level, f"%s: {text}", self.subject, *details, extra=more)  # noqa: G004 - the caller's own format

    def elapsed(self, now: float) -> float:
        """Return the seconds since the wait began."""
        return now - self._began

    def add_failure(self, error: Exception) -> None:
        """Count and log a transient failure."""
        self.failures += 1
        self.last_error = error
        self.log("Poll #%d failed: %s", self.polls, self._words(error), failure=error)

    def add_end(self, job: Job, now: float, learnt_by: str, *, seen_at: float | None = None) -> Job:
        """Log that the job has ended and return it with the figures of the wait."""
        self.left.pop(job.job_id, None)
        stats = self._stats(now, learnt_by, self.clock.since_end(job, now if seen_at is None else seen_at))
        delay = "unknown" if stats.detection_delay is None else f"{stats.detection_delay * 1000:.1f} ms"
        log.log(
            self._tally.count_end(),
            "job %s: %s after %.3f s; polls: %d (%d held, %d failed), learnt by %s, detection delay %s%s",
            *(job.job_id, job.status, stats.elapsed, stats.polls, stats.held, stats.failures, learnt_by, delay),
            f", {len(self.left)} left" if self._many else "",
        )
        return replace(job, wait_stats=stats)

    def complete(self, error: E, now: float) -> E:
        """Add the figures of the wait to the error, log it, and return it."""
        if not self._many:
            error.job_id = next(iter(self.left), error.job_id)
        error.last_job, error.elapsed, error.polls = self.last_job, self.elapsed(now), self.polls
        error.wait_stats = self._stats(now)
        log.log(self._level, "%s", error)
        return error

    def timed_out(self, timeout: float | None, now: float, why: str = "") -> WaitTimeoutError:
        """Return the error of a wait whose deadline has passed, or cannot be kept."""
        pending, state = tuple(self.left), why or self._state()
        return self.complete(_timeout(pending, state, timeout, self.elapsed(now), self.polls, self.last_error), now)

    def unavailable(self, why: str, now: float) -> StatusUnavailableError:
        """Return the error of a wait whose ``max_retries`` or ``max_polls`` is used up."""
        limits = f"{why}, polls: {self.polls}"
        text = _ended_early(tuple(self.left), self._state(), self.elapsed(now), limits, self.last_error)
        return self.complete(StatusUnavailableError(text), now)

    def given_up(self, verdict: GiveUp, timeout: float | None, now: float) -> TranslationClientError:
        """Return the error of a wait that no further attempt can help."""
        return self.timed_out(timeout, now, verdict.why) if verdict.at_deadline else self.unavailable(verdict.why, now)

    def next_attempt(  # noqa: PLR0913 - what `schedule.next_attempt` needs
        self,
        failure: Transient,
        failures: int,
        config: PollingConfig,
        *,
        now: float,
        deadline: float,
        randomness: Callable[[], float],
    ) -> float:
        """Return when to try again, as ``schedule.next_attempt``; raises where there is nothing to be gained."""
        verdict = next_attempt(failure, failures, config, now=now, deadline=deadline, randomness=randomness)
        if isinstance(verdict, GiveUp):
            raise self.given_up(verdict, config.timeout, now) from failure.error
        return verdict

    def _stats(self, now: float, learnt_by: str = "", delay: float | None = None) -> WaitStats:
        return WaitStats(self.polls, self.held, self.failures, self.elapsed(now), learnt_by, delay)

    def _state(self) -> str:
        if self.last_job is not None:
            return f"still {self.last_job.status}"
        return "still not ended" if self.answered else f"no status from {self._where}"

    def _words(self, error: BaseException) -> str:
        return _without_subject(error, self.subject)


def timed_out_together(errors: Sequence[WaitTimeoutError]) -> WaitTimeoutError:
    """Return one error for several waits that began and timed out together."""
    first, pending = errors[0], tuple(job_id for error in errors for job_id in error.pending)
    if len(errors) == 1:
        return first
    polls = sum(error.polls for error in errors)
    together = _timeout(pending, "still not ended", first.timeout, first.elapsed, polls, first.last_error)
    together.elapsed, together.polls = first.elapsed, polls
    return together


def subject(job_ids: Collection[str]) -> str:
    """Return ``job a``, ``20 jobs (a, b, c, …)``, or ``the latest job`` where none is named."""
    if len(job_ids) > 1:
        named = ", ".join(list(job_ids)[:_NAMED])
        return f"{len(job_ids)} jobs ({named}{', …' if len(job_ids) > _NAMED else ''})"
    return next((f"job {job_id}" for job_id in job_ids), "the latest job")


def _timeout(  # noqa: PLR0913, PLR0917 - the parts of one message
    pending: tuple[str, ...],
    state: str,
    timeout: float | None,
    elapsed: float,
    polls: int,
    last_error: BaseException | None,
) -> WaitTimeoutError:
    limits = f"{'no timeout' if timeout is None else f'timeout {timeout:g} s'}, polls: {polls}"
    error = WaitTimeoutError(_ended_early(pending, state, elapsed, limits, last_error))
    error.timeout, error.last_error, error.pending = timeout, last_error, pending
    return error


def _ended_early(
    job_ids: tuple[str, ...], state: str, elapsed: float, limits: str, last_error: BaseException | None
) -> str:
    about = subject(job_ids)
    failure = f"; last failure: {_without_subject(last_error, about)}" if last_error else ""
    match len(job_ids):
        case 0:
            advice = "wait again later"
        case 1:
            advice = "it may still end: wait again with its id"
        case _:
            advice = "they may still end: wait again with their ids"
    return f"{about}: {state} after {elapsed:.1f} s ({limits}){failure}; {advice}"


def _without_subject(error: BaseException, about: str) -> str:
    """Return the error's words without the job they begin with, which the message names already."""
    return str(error).removeprefix(f"{about}: ")
