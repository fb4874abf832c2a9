"""Answers requests to a mount: reads and changes jobs by the service, and tells of them in the words of the format."""

from __future__ import annotations

import mimetypes
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request

from translation_server.http.problems import ProblemError, answer_to, method_not_allowed
from translation_server.http.responses import hold_job
from translation_server.http.routes import FATE, JOB_NUMBER
from translation_server.jobs.model import Draft
from translation_server.service.errors import AlreadyEndedError, UnknownJobError
from translation_server.simulator.fates import parse_directive, parse_header
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.recording.exchange import STARTED, Kind
from translation_server.vendors.calls import find_id, named_by, newest_first
from translation_server.vendors.format import Jobs, JobView, Reply
from translation_server.vendors.mounts import CALL, dressed, render
from translation_server.vendors.stream import JobStream
from translation_server.vendors.view import format_of, to_metadata, view_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from translation_server.http.answers import Answer, Handled, Handler
    from translation_server.jobs.model import Fate
    from translation_server.service.service import Service, Snapshot
    from translation_server.vendors.format import ApiRequest, Format, Json, Page, Route
    from translation_server.vendors.mounts import Call

_HINTED: Final = frozenset({Kind.START, Kind.POLL})  # what is asked next is a poll
_RESULT: Final = bytes(64)
_MOST_PER_PAGE: Final = 1000
_SAME: Final = b""  # the fingerprint of every start with a key: services do not compare what else it says


class VendorEndpoints:
    """A handler: answers requests to mounts; all others are passed on.

    Args:
        handler: What answers the others.
        service: Returns the service.
        obeys: Whether a request may say how its job goes: ``[simulate …]`` in a text, or the header ``X-Simulate``.
    """

    def __init__(self, handler: Handler, service: Callable[[], Service], *, obeys: bool) -> None:
        self._handler = handler
        self._service = service
        self._obeys = obeys

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Handled:
        """Handle one request."""
        if CALL not in scope:
            return self._handler(scope, receive, send)
        return self._answer(scope[CALL], scope, receive, send)

    async def _answer(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._handle(call, request)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - each is an answer
            problem = answer_to(error)
            answer = dressed(call.form, problem.status, problem.headers, problem.body)
        await answer(scope, receive, send)

    async def _handle(self, call: Call, request: Request) -> ASGIApp:
        if call.route is None:
            return _answer_without_route(call)
        if call.refused is not None:
            raise call.refused
        route, kind = call.route, call.route.kind
        if kind is Kind.OTHER:
            return render(route.answer(call.request), route.status)
        exchange = _Exchange(self._service(), call.form, route, call.request, request)
        if kind is Kind.START:
            fate = request.scope.get(FATE) or (_fate_in(call.request) if self._obeys else None)
            return await exchange.start(call, fate)
        if kind in {Kind.LIST, Kind.QUERY}:
            return await (exchange.list_jobs() if kind is Kind.LIST else exchange.query())
        return await {Kind.CANCEL: exchange.cancel, Kind.DELETE: exchange.delete}.get(kind, exchange.show)(call.job_id)


class _Exchange:
    """One request to a route, and how it is answered."""

    def __init__(self, service: Service, form: Format, route: Route, asked: ApiRequest, request: Request) -> None:
        self._service = service
        self._form = form
        self._route = route
        self._asked = asked
        self._request = request
        self._user: str = request.scope["user"]

    async def start(self, call: Call, fate: Fate | None) -> ASGIApp:
        """Start a job, or several."""
        if call.job_id is not None:
            started = [(await self._find(call.job_id), True)]
        else:
            started = await self._start_all(call.key, fate)
        found = [one for one, _ in started]
        self._request.scope[STARTED] = [one.job.job_id for one in found]
        route = self._route
        if route.events is not None and route.streams(self._asked):
            return self._stream(found[0].job.job_id)
        seconds = route.wait(self._asked)
        if seconds is not None:
            found[0] = await hold_job(self._service, found[0].job.job_id, seconds, self._request)
        views = [self._view(one) for one in found]
        jobs = Jobs(views, self._asked, existing=all(is_old for _, is_old in started))
        return self._render(route.answer(jobs), views[0])

    async def show(self, job_id: str | None) -> ASGIApp:
        """Tell of a job, now or once it has ended, or from now on."""
        found = await self._find(job_id)
        if self._route.events is not None:
            return self._stream(found.job.job_id)
        seconds = self._route.wait(self._asked)
        if seconds is not None:
            found = await hold_job(self._service, found.job.job_id, seconds, self._request)
        view = self._view(found)
        return self._render(self._route.answer(view), view)

    async def cancel(self, job_id: str | None) -> ASGIApp:
        """Cancel a job; of one that has ended, the answer function sees how."""
        found = await self._find(job_id)
        try:
            found = await self._service.cancel(self._user, found.job.job_id)
        except AlreadyEndedError:
            found = await self._find(job_id)
        view = self._view(found)
        return self._render(self._route.answer(view), view)

    async def delete(self, job_id: str | None) -> ASGIApp:
        """Delete a job, or all that the request means; what is pending is cancelled."""
        view = self._view(await self._find(job_id))
        ids = [view_id async for view_id in self._meant(job_id)]
        for one in ids:
            with suppress(UnknownJobError):  # somebody else has deleted it meanwhile
                await self._service.delete(self._user, one)
        return self._render(self._route.answer(view), view)

    async def list_jobs(self) -> Answer:
        """Tell of the user's jobs of this format."""
        size, after = self._route.page.wanted(self._asked)
        most = _size_of(self._route.page, size)
        before = await find_id(self._service, self._user, self._form, after) if after else None
        skipped = self._route.page.skipped(self._asked)
        views = (await self._newest(skipped + most + 1, before))[skipped:]
        jobs = Jobs(views[:most], self._asked, more=len(views) > most)
        return render(self._route.answer(jobs), self._route.status)

    async def query(self) -> Answer:
        """Tell of the jobs that the request means; unknown ones are left to the answer function."""
        if self._route.match is not None:
            views = await self._newest(_MOST_PER_PAGE)
        else:
            names = [str(name) for name in named_by(self._form, self._route, self._asked)]
            ids = [await find_id(self._service, self._user, self._form, name) for name in names]
            found = await self._service.query(self._user, [job_id for job_id in ids if job_id is not None])
            jobs = [job for job in found.jobs if format_of(job) == self._form.name]
            views = [view_of(job, found.now, self._form, self._asked, self._service.clock.speed) for job in jobs]
        return render(self._route.answer(Jobs(views, self._asked)), self._route.status)

    async def _newest(self, most: int, after: str | None = None) -> list[JobView]:
        views: list[JobView] = []
        async for _, view in newest_first(self._service, self._user, self._form, self._asked, self._route.match, after):
            views.append(view)
            if len(views) >= most:
                break
        return views

    async def _meant(self, job_id: str | None) -> AsyncIterator[str]:
        if self._route.match is None:
            yield job_id or ""
            return
        async for job, _ in newest_first(self._service, self._user, self._form, self._asked, self._route.match):
            yield job.job_id

    async def _start_all(self, key: str | None, fate: Fate | None) -> list[tuple[Snapshot, bool]]:
        """Start as many jobs as the request asks for, or none."""
        started: list[tuple[Snapshot, bool]] = []
        try:
            for number in range(self._form.how_many(self._asked)):
                started.append(await self._start_one(number, key, fate))  # noqa: PERF401 - needed if one fails
        except Exception:
            for found, is_old in started:
                if not is_old:
                    with suppress(UnknownJobError):
                        await self._service.delete(self._user, found.job.job_id)
            raise
        return started

    async def _start_one(self, number: int, key: str | None, fate: Fate | None) -> tuple[Snapshot, bool]:
        form, asked = self._form, self._asked
        name = None if form.named is None else form.named(asked)
        draft = Draft(
            owner=self._user,
            created_at=self._service.clock.now(),
            metadata=to_metadata(form, asked, number, name),
            duration=self._route.duration(asked),
            number=self._request.scope.get(JOB_NUMBER),
            part=number,
            key=key if key is None or not number else f"{key}#{number}",
            fingerprint=None if key is None else _SAME,
        )
        found, replayed = await self._service.start(draft if fate is None else fate.apply(draft))
        if replayed and form.reuse == "conflict":
            raise ProblemError(409, "A job with this name exists already.")
        return found, replayed

    async def _find(self, job_id: str | None) -> Snapshot:
        found = await self._service.find(self._user, job_id or "")
        if format_of(found.job) != self._form.name:
            raise UnknownJobError(job_id)
        return found

    def _view(self, found: Snapshot) -> JobView:
        return view_of(found.job, found.now, self._form, self._asked, self._service.clock.speed)

    def _stream(self, job_id: str) -> JobStream:
        return JobStream(self._service, self._user, job_id, self._form, self._route, self._asked)

    def _render(self, answer: Json | Reply, view: JobView) -> Answer:
        is_asked_again = view.ending is None and self._route.kind in _HINTED
        hints = self._form.hints(view) if is_asked_again else {}
        headers = [(name.lower().encode(), value.encode()) for name, value in hints.items()]
        return render(answer, self._route.status, headers)


def _answer_without_route(call: Call) -> Answer:
    if call.is_file and call.request.method == "GET":
        kind = mimetypes.guess_type(call.request.path)[0] or "application/octet-stream"
        return render(Reply(_RESULT, headers={"content-type": kind}), 200)
    allowed = ", ".join(call.allowed)
    nothing = ProblemError(404, "There is nothing at this address.")
    problem = method_not_allowed(allowed) if allowed else answer_to(nothing)
    return dressed(call.form, problem.status, problem.headers, problem.body)


def _size_of(page: Page, text: str | None) -> int:
    given = int(text) if text is not None and text.isdecimal() and len(text) < 10 else page.default  # noqa: PLR2004 - digits
    return max(1, min(given, _MOST_PER_PAGE))


def _fate_in(asked: ApiRequest) -> Fate | None:
    """Return how a request says its job is to go; None: it does not.

    Raises:
        ProblemError: It is said in words that are not allowed (422).
    """
    try:
        for text in (*_texts(asked.body), *asked.query.values()):
            if (fate := parse_directive(text)) is not None:
                return fate
        header = asked.headers.get("x-simulate")
        return None if header is None else parse_header(header)
    except RuleError as error:
        raise ProblemError(422, str(error)) from None


def _texts(value: Json) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
