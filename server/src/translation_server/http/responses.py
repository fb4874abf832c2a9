"""The answer that tells the status of one job: now, or held until the job has ended."""

from __future__ import annotations

import asyncio
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.requests import ClientDisconnect

from translation_server.http import parameters, representation
from translation_server.http.answers import Answer, json_answer
from translation_server.http.problems import login_refused
from translation_server.jobs.model import Status
from translation_server.observability.metrics import HELD, TOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.types import Receive

    from translation_server.http.answers import Header
    from translation_server.jobs.model import Job
    from translation_server.service.service import Service, Snapshot


class WaitPreference(NamedTuple):
    """What a status request asks for, besides the status.

    Attributes:
        seconds: For how long to hold it, as far as allowed; None if nobody asked.
        known_tags: The values of `If-None-Match`.
    """

    seconds: float | None
    known_tags: Sequence[str]


NO_PREFERENCE: Final = WaitPreference(None, ())


def status_answer(service: Service, snapshot: Snapshot, asked: WaitPreference, *, held: bool = False) -> Answer:
    """Return the answer about one job; ``held`` is whether the request was."""
    if snapshot.job.final and not asked.known_tags:
        return _final_answer(snapshot.job, asked.seconds)
    at_once = held and not service.waiters.stopping  # the wait is over, and the next one may begin
    told = representation.represent(snapshot.job, snapshot.now, service.clock.speed, at_once=at_once)
    return _answer(told, asked)


async def held_answer(service: Service, job_id: str, asked: WaitPreference, request: Request) -> Answer:
    """Hold the request until the job has ended or the time is over; return the answer.

    Raises:
        ClientDisconnect: The client left meanwhile.
        ProblemError: 401: the user was removed meanwhile, or has another password.
        TooManyWaitersError: The user holds too many requests already.
    """
    found = await hold_job(service, job_id, asked.seconds or 0.0, request)
    return status_answer(service, found, asked, held=True)


async def hold_job(service: Service, job_id: str, seconds: float, request: Request) -> Snapshot:
    """Wait until the job has ended or the time is over; return it. Raises as ``held_answer`` does."""
    owner: str = request.scope["user"]
    request.scope[HELD] = True
    with service.waiters.enter(owner, job_id, Disconnect(request.receive)) as waiter:
        found = await service.hold(waiter, owner, job_id, seconds)
    if waiter.gone:
        raise ClientDisconnect
    if waiter.revoked:
        raise login_refused()
    if found.status is not Status.PENDING:
        request.scope[TOLD] = max(0.0, service.clock.now() - found.job.ends_at)
    return found


class Disconnect:
    """Waits for the client to disconnect; ``wake`` interrupts that.

    The client has nothing more to say than that it leaves, so what it sends is received until it does. To be woken
    interrupts this as ``asyncio.timeout`` does: no task and no future of its own are needed for a waiter.
    """

    __slots__ = ("_is_waiting", "_receive", "_task")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[object] | None = None
        self._is_waiting = False

    async def wait_closed(self) -> bool:
        """Return True when the client has disconnected, False when ``wake`` was called."""
        self._task, self._is_waiting = asyncio.current_task(), True
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if self._is_waiting or (self._task is not None and self._task.uncancel()):
                raise  # somebody else wants this task to end
            return False
        finally:
            self._is_waiting = False
        return True

    def wake(self) -> None:
        """End the wait that is under way, if there is one."""
        if self._is_waiting and self._task is not None:
            self._is_waiting = False
            self._task.cancel()


@lru_cache(maxsize=256)
def _final_answer(job: Job, seconds: float | None) -> Answer:
    """Return that about a job that stays as it is; thousands may have waited for it."""
    return _answer(representation.represent(job, job.ends_at), WaitPreference(seconds, ()))


def _answer(told: representation.Representation, asked: WaitPreference) -> Answer:
    headers = [(b"etag", told.etag.encode()), *retry_after(told.hint)]
    if asked.seconds is not None:
        headers.append((b"preference-applied", parameters.applied(asked.seconds).encode()))
    if asked.known_tags and parameters.matches(asked.known_tags, told.etag):
        return Answer(b"", headers, status=304)
    return json_answer(told.body, *headers)


def retry_after(hint: float | None) -> tuple[Header, ...]:
    """Return the header for a pending job: whole seconds, rounded up (RFC 9110, section 10.2.3)."""
    return () if hint is None else ((b"retry-after", b"%d" % math.ceil(hint)),)
