"""The wait for many jobs on one event stream. A flow: it decides, and does no I/O.

The stream is opened first, then one query shows which jobs have ended already, so no end can fall between the two. From
there on each end arrives by itself, whatever the number of jobs. A stream that breaks is resumed after the last event
seen. Where the server has no stream, each job is left to a wait of its own.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from translation_client._core.flow import Event, Flow, Found, Notify, Open, Receive, Send, Sleep
from translation_client._core.record import Record, log, subject
from translation_client._core.wait import LAST_LOOK
from translation_client._errors import ApiError, InvalidRequestError, JobNotFoundError, ProtocolError
from translation_client._wire.failures import Transient, as_failure
from translation_client._wire.requests import ANSWER_TIMEOUT, events_request, query_request
from translation_client._wire.responses import Response, job_from_json, read_jobs, read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from translation_client._core.flow import Action, Reply
    from translation_client._core.schedule import PollingConfig
    from translation_client._models import Job
    from translation_client._wire.events import ServerEvent

QUERY = 10_000
"""Jobs that one query may name."""

_SILENCE = 45.0  # seconds; three heartbeats of the server were missed: the connection is dead
_NO_SUCH_SERVICE = frozenset({404, 405, 406, 410, 501})
_SHORT_LIVED = 1.0  # seconds; streams that end sooner, several times in a row, are forbidden by something on the way
_TOLERATED = 4
_REQUERY = 0.5  # seconds until a job started moments ago and not yet known to every replica is asked for again


class _NoStreamError(Exception):
    """The server, or something on the way to it, offers no stream."""


class WaitForMany:
    """One wait for any number of jobs; ``run()`` is its flow.

    Args:
        job_ids: The jobs; each is given to the user once.
        config: The polling arguments; the timeout is for all jobs together.
        now: The moment the wait begins.
        randomness: Gives numbers from 0 to 1.
        fresh_until: For jobs started here: until when the server may not know them yet.
        known: Jobs as the answers to their starts showed them, and when.
        where: The server, as messages name it.
    """

    def __init__(  # noqa: PLR0913 - the facts a wait depends on, all parameters so that it stays pure
        self,
        job_ids: Iterable[str],
        config: PollingConfig,
        *,
        now: float,
        randomness: Callable[[], float],
        fresh_until: Mapping[str, float],
        known: Collection[tuple[Job, float]] = (),
        where: str = "",
    ) -> None:
        self._record = Record(job_ids, now, where=where)
        for job, seen_at in known:
            self._record.clock.observe(job, seen_at)
        self._config, self._randomness = config, randomness
        self._known, self._fresh_until = known, fresh_until
        self._now = now
        self._deadline = math.inf if config.timeout is None else now + config.timeout
        self._last_event_id = ""
        self._consecutive_failures = self._short_lived = 0
        self._told: set[str] = set()  # jobs whose pending status the callbacks were called for
        self._unknown: list[str] = []  # started moments ago, and not found by the last query
        self._requery_at = math.inf

    def run(self) -> Flow[dict[str, bool]]:
        """Yield actions, a ``Found`` for each job that ends, in the order of ending; return the jobs left.

        Returns:
            The jobs that a server without an event stream leaves to one wait each, each with whether the callbacks
            were already called for it.

        Raises:
            WaitTimeoutError: At the deadline; jobs that have ended were given before.
            StatusUnavailableError: ``max_retries`` used up.
            ApiError: The server refused, or does not know one of the jobs.
        """
        left = self._record.left
        log.info("waiting for %s", subject(left))
        yield from self._notify_first_sight(job for job, _ in self._known)
        try:
            while left:
                if self._now >= self._deadline:
                    yield from self._ask_at_deadline()
                elif (yield from self._open()) and (self._last_event_id or (yield from self._query(list(left)))):
                    yield from self._listen()
        except _NoStreamError:
            log.info("the server offers no event stream; waiting for %s one by one", subject(left))
        except ApiError as error:
            raise self._record.complete(error, self._now) from None
        return {job_id: job_id in self._told for job_id in left}

    # ── the stream ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> Flow[bool]:
        """Open the stream; False after a failure, when the pause it calls for is over."""
        self._record.polls += 1
        request = events_request(self._last_event_id, list(self._record.left))
        reply = yield from self._do(Open(request, min(self._now + ANSWER_TIMEOUT, self._deadline)))
        result = reply.result
        if isinstance(result, Response):
            if result.is_event_stream:
                self._record.answered = True
                return True
            result = self._no_stream(result)
        yield from self._pause(result)
        return False

    def _no_stream(self, response: Response) -> Transient:
        if response.status in _NO_SUCH_SERVICE:
            raise _NoStreamError
        try:
            seen = read_object(response, None)
        except InvalidRequestError as error:
            if not self._last_event_id:
                raise
            self._last_event_id = ""  # the server forgot it: the stream begins now, and the query shows what was missed
            return Transient(error)
        if isinstance(seen, Transient) and not isinstance(seen.error, ProtocolError):
            return seen
        raise _NoStreamError  # a success that is no event stream

    def _listen(self) -> Flow[None]:
        """Give the jobs whose ends the stream reports, until it breaks or the deadline comes."""
        opened = heard = self._now
        while self._record.left and self._now < self._deadline:
            reply = yield from self._do(Receive(min(heard + _SILENCE, self._deadline, self._requery_at)))
            if self._now >= self._requery_at:
                self._requery_at = self._now + _REQUERY
                yield from self._query(self._unknown)
            match reply.result:
                case Transient() as failure:
                    return (yield from self._broken(failure, opened))
                case None if self._now >= heard + _SILENCE:
                    return (yield from self._broken(Transient(TimeoutError("the event stream fell silent")), opened))
                case None | Response():
                    pass
                case events:
                    heard, self._consecutive_failures = self._now, 0
                    yield from self._give_ended(self._jobs_in(events), "stream")
        return None

    def _broken(self, failure: Transient, opened: float) -> Flow[None]:
        self._short_lived = self._short_lived + 1 if self._now - opened < _SHORT_LIVED else 0
        if self._short_lived >= _TOLERATED:
            raise _NoStreamError
        yield from self._pause(failure)

    def _jobs_in(self, events: Sequence[ServerEvent]) -> list[Job]:
        jobs = []
        for event in events:
            self._last_event_id = event.last_event_id
            if event.event != "job" or not event.data:
                continue
            try:
                jobs.append(job_from_json(json.loads(event.data)))
            except (ValueError, RecursionError):
                log.warning("an event of the stream could not be read: %.80r", event.data)
        return jobs

    # ── the query ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _query(self, job_ids: Sequence[str]) -> Flow[bool]:
        """Ask for the jobs at once and give those that have ended; False after a failure."""
        jobs: list[Job] = []
        for first in range(0, len(job_ids), QUERY):
            some = job_ids[first : first + QUERY]
            seen = yield from self._ask(some, min(self._now + ANSWER_TIMEOUT, self._deadline))
            if isinstance(seen, Transient):
                yield from self._pause(seen)
                return False
            self._check_known(some, seen)
            jobs += seen
        self._consecutive_failures = 0
        yield from self._give_ended(sorted(jobs, key=_moment_of_end), "query")
        yield from self._notify_first_sight(jobs)
        return True

    def _ask(self, job_ids: Sequence[str], give_up: float) -> Flow[list[Job] | Transient]:
        self._record.polls += 1
        reply = yield from self._do(Send(query_request(job_ids), give_up))
        if not isinstance(reply.result, Response):
            return as_failure(reply.result)
        if reply.result.status in _NO_SUCH_SERVICE:
            raise _NoStreamError
        page = read_jobs(reply.result)
        if isinstance(page, Transient):
            return page
        self._record.answered = True
        for job in page.jobs:
            self._record.clock.observe(job, self._now)
        return page.jobs

    def _check_known(self, asked: Sequence[str], jobs: Sequence[Job]) -> None:
        missing = set(asked).difference(job.job_id for job in jobs)
        for job_id in missing:
            if self._now >= self._fresh_until.get(job_id, -math.inf):
                text = f"job {job_id}: the server knows no such job"
                error = JobNotFoundError(text, status_code=404, job_id=job_id)
                raise self._record.complete(error, self._now)
        self._unknown = [job_id for job_id in asked if job_id in missing]
        self._requery_at = self._now + _REQUERY if missing else math.inf

    def _ask_at_deadline(self) -> Flow[None]:
        left = list(self._record.left)
        for first in range(0, len(left), QUERY):
            seen = yield from self._ask(left[first : first + QUERY], self._deadline + LAST_LOOK)
            if not isinstance(seen, Transient):
                yield from self._give_ended(sorted(seen, key=_moment_of_end), "query")
                yield from self._notify_first_sight(seen)
        if self._record.left:
            raise self._record.timed_out(self._config.timeout, self._now)

    # ── details ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _notify_first_sight(self, jobs: Iterable[Job]) -> Flow[None]:
        """Notify the user of each pending job that was not seen before."""
        for job in jobs:
            if job.job_id in self._record.left and job.job_id not in self._told and not job.status.is_terminal:
                self._told.add(job.job_id)
                yield from self._do(Notify(Event.CHANGE, job))

    def _give_ended(self, jobs: Iterable[Job], learnt_by: str) -> Flow[None]:
        for job in jobs:
            if job.job_id in self._record.left and job.status.is_terminal:
                ended = self._record.add_end(job, self._now, learnt_by)
                for action in (Notify(Event.CHANGE, ended), Notify(Event.COMPLETION, ended), Found(ended)):
                    yield from self._do(action)

    def _pause(self, result: object) -> Flow[None]:
        """Sleep until the next attempt after a failure; raises where there is nothing to be gained."""
        failure = as_failure(result)
        self._record.add_failure(failure.error)
        self._consecutive_failures += 1
        moment = self._record.next_attempt(
            failure,
            self._consecutive_failures,
            self._config,
            now=self._now,
            deadline=self._deadline,
            randomness=self._randomness,
        )
        yield from self._do(Sleep(min(moment, self._deadline)))

    def _do(self, action: Action) -> Flow[Reply]:
        reply = yield action
        self._now = reply.now
        return reply


def _moment_of_end(job: Job) -> datetime:
    """Return when the job ended, to sort by; the end of time for one that has not ended."""
    return job.ended_at or datetime.max.replace(tzinfo=UTC)
