"""An event stream about one job: what has happened so far, and what happens until its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from translation_server.http.responses import Disconnect
from translation_server.observability.metrics import HELD
from translation_server.vendors.view import next_change, view_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from translation_server.service.service import Service
    from translation_server.vendors.format import ApiRequest, Event, Format, Route

_HEADERS: Final = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))


class JobStream:
    """An answer that goes on until the job has ended; an ASGI application.

    Which events there are at a moment is a pure function of the job, so a stream that is resumed tells what the one
    before did not, and no more.

    Args:
        service: Where the job is.
        owner: Whose job.
        job_id: Which job.
        form: Its format.
        route: Says which events there are.
        asked: The request.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a stream depends on all of these
        self, service: Service, owner: str, job_id: str, form: Format, route: Route, asked: ApiRequest
    ) -> None:
        self._service = service
        self._owner = owner
        self._job_id = job_id
        self._form = form
        self._route = route
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        scope[HELD] = True
        service, sent = self._service, self._route.skip(self._asked)
        with service.waiters.enter(self._owner, self._job_id, Disconnect(receive)) as waiter:
            await send({"type": "http.response.start", "status": self._route.status, "headers": list(_HEADERS)})
            while not (waiter.gone or waiter.revoked):
                found = await service.find(self._owner, self._job_id)
                view = view_of(found.job, found.now, self._form, self._asked, service.clock.speed)
                events = self._route.events(view) if self._route.events else ()
                chunk = b"".join(map(_written, events[sent:]))
                sent = max(sent, len(events))
                is_over = view.ending is not None or service.waiters.stopping
                if chunk and not is_over:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if is_over:
                    await send({"type": "http.response.body", "body": chunk})
                    return
                waiter.end = found.job.ends_at
                await waiter.wait_until(next_change(found.job, found.now, self._form))
            await send({"type": "http.response.body", "body": b""})


def _written(event: Event) -> bytes:
    lines = [] if event.name is None else [f"event: {event.name}"]
    lines += [] if event.id is None else [f"id: {event.id}"]
    text = event.data if isinstance(event.data, str) else orjson.dumps(event.data).decode()
    lines += [f"data: {line}" for line in text.split("\n")]
    return "\n".join([*lines, "", ""]).encode()
