"""The operations of both clients, as flows: arguments are checked, and the jobs that were started remembered."""

from __future__ import annotations

import math
import random
import secrets
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from translation_client._core.call import Call, call_given_up, get_given_up, start_given_up
from translation_client._core.flow import Found
from translation_client._core.record import Tally
from translation_client._core.schedule import Experience, PollingConfig
from translation_client._core.wait import Wait
from translation_client._core.wait_many import WaitForMany
from translation_client._models import JobStatus
from translation_client._wire.arguments import check_count, check_job_id, check_job_ids, check_timeout, refuse
from translation_client._wire.requests import cancel_request, list_request, start_request, status_request
from translation_client._wire.responses import read_job, read_jobs, read_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from translation_client._core.call import GivenUp
    from translation_client._core.flow import Flow
    from translation_client._models import Job
    from translation_client._wire.failures import Transient
    from translation_client._wire.requests import Request
    from translation_client._wire.responses import Page, Response

T = TypeVar("T")

CLIENT_CLOSED = "the client is closed: make a new one"

_READ_AFTER_WRITE = 5.0  # seconds after a start in which a 404 may be a replica that has not heard of the job yet
_REMEMBERED = 10_000  # started jobs whose first answer is kept; older ones are waited for like jobs of other clients
_LARGEST_PAGE = 1000


class Unset:
    """Stands for "as the client was told"; None already means "no limit"."""

    def __repr__(self) -> str:
        return "<the client's>"


UNSET = Unset()


class Operations:
    """Makes the flow of each operation; ``clock`` gives the driver's monotonic moments, ``where`` names the server."""

    def __init__(self, config: PollingConfig, clock: Callable[[], float], where: str = "the server") -> None:
        self.config = config
        self._where = where
        self._clock = clock
        self._random = random.SystemRandom().random
        # Threads share it without a lock: each use of it is one step of the interpreter.
        self._started: OrderedDict[str, tuple[Job, float]] = OrderedDict()
        self._experience = Experience()

    def start(
        self,
        video_length: float | None,
        metadata: Mapping[str, object] | None,
        simulate: Mapping[str, object] | None,
        idempotency_key: str | None,
        timeout: float | Unset | None,
    ) -> Flow[Job]:
        """Start one job, exactly one whatever is lost on the way: the key is the same in every attempt."""
        key = secrets.token_hex(16) if idempotency_key is None else idempotency_key
        request = start_request(idempotency_key=key, video_length=video_length, metadata=metadata, simulate=simulate)
        return self._remember(self._call(request, read_start, start_given_up(key, self._where), self._config(timeout)))

    def wait(  # noqa: PLR0913 - what each kind of wait needs, by keyword
        self,
        job_id: str | None,
        timeout: float | Unset | None,
        *,
        look_first: bool = False,
        told: bool = False,
        may_hold: bool = True,
        tally: Tally | None = None,
    ) -> Flow[Job]:
        """Wait for a job; without an id for the latest one, which the first answer names."""
        if job_id is not None:
            check_job_id(job_id)
        known = self._started.get(job_id) if job_id is not None else None
        wait = Wait(
            job_id,
            self._config(timeout),
            now=self._clock(),
            randomness=self._random,
            known=known,
            fresh_until=known[1] + _READ_AFTER_WRITE if known else float("-inf"),
            look_first=look_first,
            told=told,
            may_hold=may_hold,
            experience=self._experience,
            where=self._where,
            tally=tally,
        )
        return wait.run()

    def wait_for_many(
        self, job_ids: Iterable[str], timeout: float | Unset | None
    ) -> tuple[Flow[dict[str, bool]], float]:
        """Wait for any number of jobs on one stream; return the flow, and the deadline of all of them."""
        ids = check_job_ids(job_ids)
        config, now = self._config(timeout), self._clock()
        known = {job_id: start for job_id in ids if (start := self._started.get(job_id)) is not None}
        fresh = {i: started + _READ_AFTER_WRITE for i, (_, started) in known.items()}
        many = WaitForMany(
            ids, config, now=now, randomness=self._random, fresh_until=fresh, known=known.values(), where=self._where
        )
        return many.run(), math.inf if config.timeout is None else now + config.timeout

    def wait_each(
        self, left: Mapping[str, bool], deadline: float, *, look_first: bool, may_hold: bool
    ) -> list[Flow[Job]]:
        """Return one wait for each job that ``wait_for_many`` left, all with the same deadline."""
        timeout = None if deadline == math.inf else max(deadline - self._clock(), 0.0)
        wait = partial(self.wait, timeout=timeout, look_first=look_first, may_hold=may_hold, tally=Tally(len(left)))
        return [wait(job_id, told=told) for job_id, told in left.items()]

    def get(self, job_id: str | None) -> Flow[Job]:
        """Poll once."""
        if job_id is not None:
            check_job_id(job_id)
        once = replace(self.config, max_retries=0)
        return self._call(
            status_request(job_id), lambda r: read_job(r, job_id), get_given_up(job_id, self._where), once
        )

    def cancel(self, job_id: str) -> Flow[Job]:
        """Cancel a job."""
        request = cancel_request(check_job_id(job_id))
        given_up = call_given_up(f"job {job_id}: it is not known whether it was cancelled", self._where, job_id)
        return self._call(request, lambda r: read_job(r, job_id), given_up, self.config)

    def list_jobs(self, status: str | None, limit: int | None) -> Flow[None]:
        """List the user's jobs, newest first, page by page; each is a ``Found``."""
        if status is not None and status not in JobStatus.__members__.values():
            refuse("status", f"one of {', '.join(JobStatus)}, or None", status, wrong_type=not isinstance(status, str))
        check_count("limit", limit, least=1)
        return self._pages(status, limit)

    def _pages(self, status: str | None, limit: int | None) -> Flow[None]:
        given_up = call_given_up("the jobs could not be listed", self._where)
        cursor: str | None = None
        left = math.inf if limit is None else limit
        while left > 0:
            request = list_request(status, int(min(left, _LARGEST_PAGE)), cursor)
            page: Page = yield from self._call(request, read_jobs, given_up, self.config)
            for job in page.jobs[: int(min(left, len(page.jobs)))]:
                yield Found(job)
            left -= len(page.jobs)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _call(
        self,
        request: Request,
        read: Callable[[Response], T | Transient],
        given_up: GivenUp,
        config: PollingConfig,
    ) -> Flow[T]:
        now = self._clock()
        return Call(request, read, config, now=now, randomness=self._random, given_up=given_up).run()

    def _remember(self, flow: Flow[Job]) -> Flow[Job]:
        job = yield from flow
        self._started[job.job_id] = job, self._clock()
        if len(self._started) > _REMEMBERED:
            self._started.popitem(last=False)
        return job

    def _config(self, timeout: float | Unset | None) -> PollingConfig:
        if isinstance(timeout, Unset):
            return self.config
        check_timeout(timeout)
        return replace(self.config, timeout=timeout)
