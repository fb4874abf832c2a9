"""The wait for one job. A flow: it decides, and does no I/O.

Where a callback wants the status of a job that was not started here, the first request asks for an answer at once.

After every answer the wait chooses anew, best first:

1. the server held the request and confirms it (``Preference-Applied``): ask again at once;
2. the server gave a time (``poll_after``, else ``Retry-After``): ask again then;
3. neither: ask after an interval that grows with the job's age and takes into account how long earlier jobs took
   (``PollingConfig.blind_interval``).

A failure worth retrying is retried with full jitter, not before its ``Retry-After``. At the
deadline there is one last look (earlier by what an answer takes to come, where that is long); the wait ends neither
before the deadline nor more than 0.1 s after it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from translation_client._core.flow import Event, Flow, Notify, Send, Sleep
from translation_client._core.record import Record, Sightings
from translation_client._core.schedule import Experience, LongPoll
from translation_client._errors import ApiError, JobNotFoundError
from translation_client._models import JobStatus
from translation_client._wire.failures import Transient, as_failure
from translation_client._wire.requests import status_request
from translation_client._wire.responses import Response, applied_wait, read_job, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._core.flow import Reply
    from translation_client._core.record import Tally
    from translation_client._core.schedule import PollingConfig
    from translation_client._models import Job

LAST_LOOK = 0.06
"""Seconds after the deadline at which the last look is given up; the promise is 0.1."""

_EARLIEST_LOOK = 2.0  # seconds before the deadline: no round trip worth waiting for takes longer
_MERGE = 0.05  # a poll due this close to the last look becomes the last look
_NAMELESS_HOLD = 1.0  # seconds; until an answer names the latest job, another one may become the latest


class _Answer(NamedTuple):
    """A job as one answer showed it, and what the answer says about the next request."""

    job: Job
    held: bool  # the server kept the request until there was something to say, or its time was over
    at_once: bool = False  # the next request may follow without a pause, as it will be held
    demand: float | None = None  # Retry-After, where it is the only hint


class Wait:
    """One wait for one job; ``run()`` is its flow.

    Args:
        job_id: The job; None for the user's latest one, which the first answer names.
        config: The polling arguments, the timeout among them.
        now: The moment the wait begins.
        randomness: Gives numbers from 0 to 1.
        known: The job as the answer to its start showed it, and when, if this client started it.
        fresh_until: Until this moment a 404 may be a read that overtook the write, and is retried.
        look_first: Whether a callback wants the status now, not only at the end.
        told: Whether the callbacks have already been called for the pending job.
        may_hold: Whether the driver can afford a request that the server holds.
        experience: What the client's earlier waits have learnt; this wait adds to it.
        where: The server, as messages name it.
        tally: Shared by waits that are one for their user; None where this wait stands alone.
    """

    def __init__(  # noqa: PLR0913 - the facts a wait depends on, all parameters so that it stays pure
        self,
        job_id: str | None,
        config: PollingConfig,
        *,
        now: float,
        randomness: Callable[[], float],
        known: tuple[Job, float] | None = None,
        fresh_until: float = -math.inf,
        look_first: bool = False,
        told: bool = False,
        may_hold: bool = True,
        experience: Experience | None = None,
        where: str = "",
        tally: Tally | None = None,
    ) -> None:
        self._job_id = job_id
        self._record = Record([] if job_id is None else [job_id], now, where=where, tally=tally)
        self._sightings = Sightings(now, from_start=known is not None)
        self._config = config
        self._randomness = randomness
        self._now = now
        self._deadline = math.inf if config.timeout is None else now + config.timeout
        self._known = known
        self._fresh_until = fresh_until
        self._look_first = look_first and may_hold and known is None and not told  # without a hold every poll is a look
        self._told = JobStatus.PENDING if told else None  # the status the callbacks were last called for
        self._long_poll = LongPoll()
        self._may_hold = may_hold
        self._experience = Experience() if experience is None else experience
        self._round_trip = 0.0
        self._consecutive_failures = 0

    def run(self) -> Flow[Job]:
        """Yield actions until the job has ended, and return it.

        Raises:
            WaitTimeoutError: At the deadline, or at once where the server asks for a pause beyond it.
            StatusUnavailableError: ``max_retries`` or ``max_polls`` is used up.
            ApiError: The server refused.
        """
        if self._known is not None:
            job, seen_at = self._known
            yield from self._observe(job, seen_at)
            if job.status.is_terminal:
                return self._end(job, "start")
            if self._experience.server_holds is False:  # then there is no point in asking right after the start
                yield from self._sleep_before_poll(self._next_poll(_Answer(job, held=False)))
        while True:
            last_look = self._now >= self._last_look_at()
            seen = yield from self._poll(last_look=last_look)
            if isinstance(seen, _Answer) and seen.job.status.is_terminal:
                self._experience.learn(self._sightings.duration(self._randomness))
                return self._end(seen.job, "long poll" if seen.held else "poll")
            self._check_polls()
            if last_look:
                yield from self._sleep(self._deadline)
                raise self._record.timed_out(self._config.timeout, self._now)
            moment = self._next_attempt(seen) if isinstance(seen, Transient) else self._next_poll(seen)
            yield from self._sleep_before_poll(moment)

    # ── one poll ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _poll(self, *, last_look: bool) -> Flow[_Answer | Transient]:
        sent, look = self._now, self._look_first and self._sightings.job is None
        hold = 0.0 if look or last_look else self._hold()
        give_up = self._deadline + LAST_LOOK if last_look else min(sent + LongPoll.timeout(hold), self._last_look_at())
        reply = yield Send(status_request(self._job_id, 0.0 if look else hold or None), give_up)
        self._now, took = reply.now, reply.now - sent
        self._record.polls += 1
        seen = self._read(reply, sent)
        if isinstance(seen, Transient):
            cut = self._long_poll.failed(hold, took)
            self._consecutive_failures += not cut  # a cut is the price of asking for a hold, and no outage
            self._record.add_failure(seen.error)
            return seen
        job, response = seen
        self._consecutive_failures, self._record.last_error = 0, None
        applied, demand = applied_wait(response), retry_after(response) if job.poll_after is None else None
        if not applied:
            self._round_trip = max(0.5 * self._round_trip, took)
        if hold:
            self._experience.server_holds = applied is not None
        passed = self._sightings.passed(job, sent)
        held = self._long_poll.answered(hold, applied, took, passed=passed, ended=job.status.is_terminal)
        self._record.held += held
        yield from self._observe(job, self._now, polled=True)
        hinted = job.poll_after is not None or demand is not None
        expected = look and self._experience.expects_hold(confirmed=applied is not None, hinted=hinted)
        return _Answer(job, held, held or expected, demand)

    def _hold(self) -> float:
        room = self._last_look_at() - self._now - self._round_trip
        hold = self._long_poll.hold(room) if self._may_hold else 0.0
        return hold if self._job_id is not None else min(hold, _NAMELESS_HOLD)

    def _read(self, reply: Reply, sent: float) -> tuple[Job, Response] | Transient:
        result = reply.result
        if not isinstance(result, Response):
            return as_failure(result)
        try:
            seen = read_job(result, self._job_id)
        except ApiError as error:
            if isinstance(error, JobNotFoundError) and sent < self._fresh_until:
                return Transient(error)
            raise self._record.complete(error, self._now) from None
        return seen if isinstance(seen, Transient) else (seen, result)

    def _observe(self, job: Job, seen_at: float, *, polled: bool = False) -> Flow[None]:
        first = self._sightings.job is None
        self._job_id = job.job_id
        self._record.left = {job.job_id: None}
        self._record.last_job = job
        self._record.clock.observe(job, seen_at)
        self._sightings.observe(job, seen_at)
        if first:
            self._record.log("Initial status: %s", job.status)
        elif not job.status.is_terminal:
            elapsed = self._record.elapsed(self._now)
            self._record.log("Poll #%d after %.1f s: %s", self._record.polls, elapsed, job.status)
        if polled:
            yield from self._notify(Event.POLL, job)
        if job.status is not self._told:
            self._told = job.status
            yield from self._notify(Event.CHANGE, job)
        if job.status.is_terminal:
            yield from self._notify(Event.COMPLETION, job)

    def _notify(self, event: Event, job: Job) -> Flow[None]:
        reply = yield Notify(event, job)
        self._now = reply.now

    def _end(self, job: Job, learnt_by: str) -> Job:
        return self._record.add_end(job, self._now, learnt_by, seen_at=self._sightings.seen_at)

    # ── the next one ────────────────────────────────────────────────────────────────────────────────────────────────

    def _last_look_at(self) -> float:
        """Return the moment of the last look: the deadline, less what an answer takes beyond the time allowed after."""
        early = 1.5 * self._round_trip - 0.75 * LAST_LOOK
        return self._deadline - min(max(early, 0.0), _EARLIEST_LOOK)

    def _next_poll(self, answer: _Answer) -> float:
        return self._not_after_last_look(self._now + self._pause(answer))

    def _pause(self, answer: _Answer) -> float:
        age, polls, hint = self._sightings.age(self._now), self._record.polls, answer.job.poll_after
        if answer.at_once and (answer.demand is not None or self._hold()):  # the next one can be held as well
            return answer.demand or 0.0
        if hint is not None:
            return self._config.hinted_interval(hint, age, polls, self._randomness)
        if answer.demand is not None:  # unlike poll_after it is a demand: never undercut
            return max(self._config.hinted_interval(answer.demand, age, polls, self._randomness), answer.demand)
        return self._config.blind_interval(age, polls, self._experience, self._randomness)

    def _next_attempt(self, failure: Transient) -> float:
        """Return when to try again after a failure; raises where there is nothing to be gained."""
        moment = self._record.next_attempt(
            failure,
            self._consecutive_failures,
            self._config,
            now=self._now,
            deadline=self._deadline,
            randomness=self._randomness,
        )
        return max(self._not_after_last_look(moment), self._now + (failure.retry_after or 0.0))

    def _not_after_last_look(self, moment: float) -> float:
        look = self._last_look_at()
        return moment if moment < look - _MERGE else max(look, self._now)

    def _check_polls(self) -> None:
        limit = self._config.max_polls
        if limit is not None and self._record.polls >= limit:
            raise self._record.unavailable(f"max_polls={limit} used up", self._now) from self._record.last_error

    def _sleep_before_poll(self, until: float) -> Flow[None]:
        if until > self._now:
            self._record.log("Sleeping for %.3g s before poll #%d", until - self._now, self._record.polls + 1)
            yield from self._sleep(until)

    def _sleep(self, until: float) -> Flow[None]:
        if until > self._now:
            reply = yield Sleep(until)
            self._now = reply.now
