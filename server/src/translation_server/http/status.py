"""The answer that tells of one job: now, or held until the job has ended."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.requests import ClientDisconnect

from translation_server.http import parameters, representation
from translation_server.http.routing import Answer, json_answer
from translation_server.jobs.model import Status
from translation_server.observability.metrics import HELD, TOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from translation_server.jobs.model import Job
    from translation_server.service.service import Service, Snapshot


class Wish(NamedTuple):
    """What a request asks for, besides the status.

    Attributes:
        seconds: For how long to hold it, as far as allowed; None if nobody asked.
        known: What it gives for `If-None-Match`.
    """

    seconds: float | None
    known: Sequence[str]


NO_WISH: Final = Wish(None, ())


def status_answer(service: Service, snapshot: Snapshot, wish: Wish, *, held: bool = False) -> Answer:
    """The answer about one job; ``held`` is whether the request was."""
    if snapshot.job.final and not wish.known:
        return _final_answer(snapshot.job, wish.seconds)
    at_once = held and not service.waiters.stopping  # the wait is over, and the next one may begin
    told = representation.tell(snapshot.job, snapshot.now, service.clock.speed, at_once=at_once)
    return _telling(told, wish)


class HeldAnswer:
    """The answer about a pending job, once it has ended or the time is over; an ASGI application.

    Of an end that thousands wait for it tells as soon as it can, before the request's own task goes on: what is left
    to do for each comes when all have been told.

    Args:
        service: Where the job is.
        owner: Whose job it is.
        job_id: Which one.
        wish: What the request asks for.
    """

    __slots__ = ("_job_id", "_owner", "_scope", "_service", "_wish")

    def __init__(self, service: Service, owner: str, job_id: str, wish: Wish) -> None:
        self._service = service
        self._owner = owner
        self._job_id = job_id
        self._wish = wish
        self._scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, and send it.

        Raises:
            ClientDisconnect: Nobody is left to be told.
            TooManyWaitersError: Its owner has too many.
        """
        self._scope = scope
        scope[HELD] = True
        with self._service.waiters.enter(self._owner, self._job_id, receive, self._tell) as waiter:
            found = await self._service.hold(waiter, self._owner, self._job_id, self._wish.seconds or 0.0)
        if waiter.told:
            return
        if waiter.gone:
            raise ClientDisconnect
        await status_answer(self._service, found, self._wish, held=True)(scope, receive, send)
        if found.status is not Status.PENDING:
            self._note(found.job)

    def _tell(self, job: Job) -> bool:
        """See ``Waiter``."""
        if not job.final or self._wish.known or not _final_answer(job, self._wish.seconds).send_whole(self._scope):
            return False
        self._note(job)
        return True

    def _note(self, job: Job) -> None:
        self._scope[TOLD] = max(0.0, self._service.clock.now() - job.ends_at)


@lru_cache(maxsize=256)
def _final_answer(job: Job, seconds: float | None) -> Answer:
    """That about a job that stays as it is; thousands may have waited for it."""
    return _telling(representation.tell(job, job.ends_at), Wish(seconds, ()))


def _telling(told: representation.Told, wish: Wish) -> Answer:
    headers = [(b"etag", told.etag.encode()), *retry_after(told.hint)]
    if wish.seconds is not None:
        headers.append((b"preference-applied", parameters.applied(wish.seconds).encode()))
    if wish.known and parameters.matches(wish.known, told.etag):
        return Answer(b"", headers, status=304)
    return json_answer(told.body, *headers)


def retry_after(hint: float | None) -> tuple[tuple[bytes, bytes], ...]:
    """The header for a pending job: whole seconds, rounded up."""
    return () if hint is None else ((b"retry-after", b"%d" % math.ceil(hint)),)
