"""The wait for many jobs on one event stream: decides, and does nothing else.

The stream is opened first, then one query tells which jobs have ended already: nothing can fall between the two. From
there on each end arrives by itself, whatever the number of jobs. A stream that breaks is resumed after the last event
seen. A server without a stream leaves the jobs to one wait each.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from translation_client._core.flow import Event, Flow, Found, Open, Receive, Send, Sleep, Tell
from translation_client._core.record import log
from translation_client._core.record_many import ObservedMany, count_of, moment_of_end
from translation_client._core.wait import LAST_LOOK
from translation_client._errors import ApiError, InvalidRequest, ProtocolError
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

_SILENCE = 45.0  # seconds; three heartbeats of the server missed: nobody is there any more
_NO_SUCH_SERVICE = frozenset({404, 405, 406, 410, 501})
_SHORT_LIVED = 1.0  # seconds; a stream that ends sooner, time and again, meets something that forbids streams
_TOLERATED = 4
_REQUERY = 0.5  # seconds until a job started moments ago and not yet known to every replica is asked for again


class _NoStreamError(Exception):
    """The server, or something on the way to it, offers no stream."""


class Many:
    """One wait for any number of jobs; ``run()`` is its flow.

    Args:
        job_ids: The jobs; each is handed out once.
        config: The polling arguments; the timeout is for all of them together.
        now: The moment the wait begins.
        randomness: Gives numbers from 0 to 1.
        fresh_until: For jobs started here: until when the server may not know them yet.
        known: Jobs as the answers to their starts told them, and when.
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
        self._observed = ObservedMany(job_ids, now, where)
        for job, seen_at in known:
            self._observed.clock.note(job, seen_at)
        self._config, self._randomness = config, randomness
        self._known, self._fresh_until = known, fresh_until
        self._now = now
        self._deadline = math.inf if config.timeout is None else now + config.timeout
        self._last_event_id = ""
        self._failures_in_a_row = self._short_lived = 0
        self._unknown: list[str] = []  # started moments ago, and not found by the last query
        self._requery_at = math.inf

    def run(self) -> Flow[dict[str, bool]]:
        """Yield actions, a ``Found`` for each job that ends, in the order of ending; return ``left_over``.

        Raises:
            WaitTimeout: At the deadline; what has ended was handed out before.
            StatusUnavailable: ``max_retries`` used up.
            ApiError: The server refused, or does not know one of the jobs.
        """
        left = self._observed.left
        log.info("waiting for %s", count_of(left))
        yield from self._tell_first_seen(job for job, _ in self._known)
        try:
            while left:
                if self._now >= self._deadline:
                    yield from self._last_look()
                elif (yield from self._open()) and (self._last_event_id or (yield from self._query(list(left)))):
                    yield from self._listen()
        except _NoStreamError:
            log.info("the server offers no event stream; waiting for %s one by one", count_of(left))
        except ApiError as error:
            raise self._observed.error(error, self._now) from None
        return self._observed.left_over()

    # ── the stream ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> Flow[bool]:
        """Open the stream; False after a failure, when the pause it calls for is over."""
        self._observed.requests += 1
        request = events_request(self._last_event_id, list(self._observed.left))
        reply = yield from self._do(Open(request, min(self._now + ANSWER_TIMEOUT, self._deadline)))
        result = reply.result
        if isinstance(result, Response):
            if result.is_event_stream:
                return True
            result = self._no_stream(result)
        yield from self._pause(result)
        return False

    def _no_stream(self, response: Response) -> Transient:
        if response.status in _NO_SUCH_SERVICE:
            raise _NoStreamError
        try:
            seen = read_object(response, None)
        except InvalidRequest as error:
            if not self._last_event_id:
                raise
            self._last_event_id = ""  # the server forgot it: from now on, then, and the query tells what was missed
            return Transient(error)
        if isinstance(seen, Transient) and not isinstance(seen.error, ProtocolError):
            return seen
        raise _NoStreamError  # a success that is something else

    def _listen(self) -> Flow[None]:
        """Hand out what the stream tells until it breaks, or the deadline comes."""
        opened = heard = self._now
        while self._observed.left and self._now < self._deadline:
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
                    heard, self._failures_in_a_row = self._now, 0
                    yield from self._hand_out(self._jobs_in(events), "stream")
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
                log.warning("an event of the stream was not understood: %.80r", event.data)
        return jobs

    # ── the query ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _query(self, job_ids: Sequence[str]) -> Flow[bool]:
        """Ask for the jobs at once and hand out those that have ended; False after a failure."""
        jobs: list[Job] = []
        for first in range(0, len(job_ids), QUERY):
            some = job_ids[first : first + QUERY]
            seen = yield from self._ask(some, min(self._now + ANSWER_TIMEOUT, self._deadline))
            if isinstance(seen, Transient):
                yield from self._pause(seen)
                return False
            self._check_known(some, seen)
            jobs += seen
        self._failures_in_a_row = 0
        yield from self._hand_out(sorted(jobs, key=moment_of_end), "query")
        yield from self._tell_first_seen(jobs)
        return True

    def _ask(self, job_ids: Sequence[str], give_up: float) -> Flow[list[Job] | Transient]:
        self._observed.requests += 1
        reply = yield from self._do(Send(query_request(job_ids), give_up))
        if not isinstance(reply.result, Response):
            return as_failure(reply.result)
        if reply.result.status in _NO_SUCH_SERVICE:
            raise _NoStreamError
        page = read_jobs(reply.result)
        if isinstance(page, Transient):
            return page
        for job in page.jobs:
            self._observed.clock.note(job, self._now)
        return page.jobs

    def _check_known(self, asked: Sequence[str], jobs: Sequence[Job]) -> None:
        missing = set(asked).difference(job.job_id for job in jobs)
        for job_id in missing:
            if self._now >= self._fresh_until.get(job_id, -math.inf):
                raise self._observed.unknown(job_id, self._now)
        self._unknown = [job_id for job_id in asked if job_id in missing]
        self._requery_at = self._now + _REQUERY if missing else math.inf

    def _last_look(self) -> Flow[None]:
        left = list(self._observed.left)
        for first in range(0, len(left), QUERY):
            seen = yield from self._ask(left[first : first + QUERY], self._deadline + LAST_LOOK)
            if not isinstance(seen, Transient):
                yield from self._hand_out(sorted(seen, key=moment_of_end), "query")
                yield from self._tell_first_seen(seen)
        if self._observed.left:
            raise self._observed.timed_out(self._config.timeout, self._now)

    # ── details ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _tell_first_seen(self, jobs: Iterable[Job]) -> Flow[None]:
        for job in self._observed.first_seen(jobs):
            yield from self._do(Tell(Event.CHANGE, job))

    def _hand_out(self, jobs: Iterable[Job], learnt_by: str) -> Flow[None]:
        for job in jobs:
            found = self._observed.ended(job, self._now, learnt_by)
            if found is not None:
                for action in (Tell(Event.CHANGE, found), Tell(Event.COMPLETION, found), Found(found)):
                    yield from self._do(action)

    def _pause(self, result: object) -> Flow[None]:
        failure = as_failure(result)
        self._observed.failed(failure.error)
        self._failures_in_a_row += 1
        limit = self._config.max_retries
        if limit is not None and self._failures_in_a_row > limit:
            raise self._observed.unavailable(f"max_retries={limit}", self._now) from failure.error
        asked = failure.retry_after or 0.0
        if asked and self._now + asked > self._deadline:
            why = f"the server asks to wait {asked:g} s (Retry-After), beyond the deadline"
            raise self._observed.timed_out(self._config.timeout, self._now, why)
        delay = max(asked, self._config.retry_delay(self._failures_in_a_row, self._randomness))
        yield from self._do(Sleep(min(self._now + delay, self._deadline)))

    def _do(self, action: Action) -> Flow[Reply]:
        reply = yield action
        self._now = reply.now
        return reply
