"""The event stream: one event for each job of a user that ends, in the order of ending."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from translation_server.http import parameters, representation
from translation_server.http.responses import Disconnect
from translation_server.stores import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.types import Receive, Scope, Send

    from translation_server.jobs.model import Job
    from translation_server.service.service import Service
    from translation_server.service.waiters import Waiter

_LOGGER = logging.getLogger(__name__)
_HEARTBEAT = 15.0  # seconds of silence after which a comment shows that the connection lives
_RECONNECT = 1000  # milliseconds after which a client that lost the stream comes again
_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
)


class EventStream:
    """An answer that goes on until the client leaves, its user is removed or the server stops; an ASGI application.

    Args:
        service: Where the jobs are.
        owner: Whose jobs.
        position: Where in their order of ending it begins.
        job_ids: Which of them; empty: all.
    """

    def __init__(self, service: Service, owner: str, position: int, job_ids: Collection[str]) -> None:
        self._service = service
        self._owner = owner
        self._position = position
        self._job_ids = frozenset(job_ids)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Send the stream."""
        with self._service.waiters.enter(self._owner, None, Disconnect(receive)) as waiter:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            try:
                await self._send_all(waiter, send)
            except StoreUnavailableError:
                _LOGGER.warning("an event stream ends early, because the store does not work; its client will resume")
            await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, waiter: Waiter, send: Send) -> None:
        # A block without data is no event, but its id counts: a client that is cut off before the first event resumes
        # from here, instead of from the moment of its return.
        chunk = f"retry: {_RECONNECT}\nid: {self._id(self._position)}\n: connected\n\n".encode()
        while not waiter.gone:
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if self._service.waiters.stopping or waiter.revoked:
                return
            jobs, next_end = await self._service.endings(self._owner, self._position)
            if not jobs:
                chunk = await self._wait(waiter, math.inf if next_end is None else next_end)
            else:
                chunk = self._events(jobs)
                self._position = jobs[-1].ending or self._position

    async def _wait(self, waiter: Waiter, next_end: float) -> bytes:
        begun = asyncio.get_running_loop().time()
        waiter.end = next_end
        await waiter.wait_until(next_end, seconds=_HEARTBEAT)
        return b": \n\n" if asyncio.get_running_loop().time() - begun >= _HEARTBEAT else b""

    def _events(self, jobs: Sequence[Job]) -> bytes:
        wanted = [job for job in jobs if not self._job_ids or job.job_id in self._job_ids]
        return b"".join(representation.event(job, job.ends_at, self._id(job.ending or 0)) for job in wanted)

    def _id(self, position: int) -> str:
        return parameters.to_event_id(self._service.store.identity, position)
