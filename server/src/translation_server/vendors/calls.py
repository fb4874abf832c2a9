"""Reads a request to a mount, once it is known whose it is: what is behind this layer decides on a value.

The body is read here, because only it says which job some requests are about. The layers behind it find the `Call` in
the scope, and what the recorder needs to know as a `Subject`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from translation_server.http.answers import deliver
from translation_server.http.problems import ProblemError
from translation_server.service.errors import UnknownJobError
from translation_server.simulator.recording.exchange import SUBJECT, Kind, Subject
from translation_server.vendors.bodies import read_fields
from translation_server.vendors.format import Invalid
from translation_server.vendors.mounts import CALL, Call
from translation_server.vendors.view import format_of, view_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.types import Message, Receive, Scope, Send

    from translation_server.http.answers import Handled, Handler
    from translation_server.jobs.model import Job
    from translation_server.service.service import Service
    from translation_server.vendors.format import ApiRequest, Format, JobView, Route

    Match = Callable[[JobView, ApiRequest], bool]

_PAGE: Final = 100  # jobs looked at in one go
_MANY: Final = frozenset({Kind.LIST, Kind.QUERY})
_ONE_JOB: Final = frozenset({Kind.POLL, Kind.RESULT, Kind.CANCEL, Kind.DELETE, Kind.EVENTS})
_LONGEST_NAME: Final = 255
_DIGEST: Final = 16  # characters


class Calls:
    """A layer: completes the `Call` of a request to a mount, and leaves alone what belongs to none.

    Args:
        handler: What is behind it.
        service: Returns the service.
        limit: The most bytes a body may have, without the files in it.
    """

    def __init__(self, handler: Handler, service: Callable[[], Service], limit: int) -> None:
        self._handler = handler
        self._service = service
        self._limit = limit

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Handled:
        """Handle one request."""
        if CALL not in scope:
            return self._handler(scope, receive, send)
        return self._handle(scope[CALL], scope, receive, send)

    async def _handle(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        body = _ReadBody(receive)
        if call.route is not None:
            try:
                await self._complete(call, Request(scope, body.receive))
            except ClientDisconnect:
                raise
            except Exception as error:  # noqa: BLE001 - answered where all requests are, so that it is recorded
                call.refused = error
        scope[SUBJECT] = _subject(call)
        await deliver(self._handler(scope, body.receive, send), scope, body.receive, send)

    async def _complete(self, call: Call, request: Request) -> None:
        form, route, service, user = call.form, call.route, self._service(), request.scope["user"]
        assert route is not None  # noqa: S101 - checked by the caller
        fields = await read_fields(request, self._limit, service.waiters)
        asked = call.request = replace(call.request, params=call.params, body=fields)
        refuse_invalid(form, route, asked)
        if route.kind is Kind.START:
            call.key = key_of(form, asked)
        if route.requires is not None and await self._newest(form, asked, user, route.requires) is None:
            raise UnknownJobError("")
        if route.match is not None and route.kind not in _MANY:
            call.job_id = await self._newest(form, asked, user, route.match)
        elif route.match is None and route.kind in _ONE_JOB:
            call.job_id = await find_id(service, user, form, str(named_by(form, route, asked)))

    async def _newest(self, form: Format, asked: ApiRequest, user: str, match: Match) -> str | None:
        """Return our id of the user's newest job for which ``match`` returns True; None: there is none."""
        async for job, _ in newest_first(self._service(), user, form, asked, match):
            return job.job_id
        return None


class _ReadBody:
    """A request whose body has been read: what is behind finds an empty one, and then when the client leaves."""

    __slots__ = ("_is_read", "_is_told", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_read = False
        self._is_told = False

    async def receive(self) -> Message:
        if self._is_read:
            if self._is_told:
                return await self._receive()
            self._is_told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message


async def newest_first(  # noqa: PLR0913, PLR0917 - what decides about each job
    service: Service, user: str, form: Format, asked: ApiRequest, match: Match | None, after: str | None = None
) -> AsyncIterator[tuple[Job, JobView]]:
    """Yield the user's jobs of a format, the newest first, each with how it is seen now.

    Args:
        service: Where the jobs are.
        user: Whose jobs.
        form: The format.
        asked: The request.
        match: Returns whether a job is meant; None: all are.
        after: Our id of the job after which to begin; an unknown one is before all.
    """
    speed = service.clock.speed
    while True:
        found = await service.page(user, None, after, _PAGE)
        if found is None or not found.jobs:
            return
        for job in found.jobs:
            if format_of(job) == form.name:
                view = view_of(job, found.now, form, asked, speed)
                if match is None or match(view, asked):
                    yield job, view
        after = found.jobs[-1].job_id


async def find_id(service: Service, user: str, form: Format, name: str) -> str | None:
    """Return our id of the job that a service calls by this id or name; None: there can be none."""
    job_id = form.ids.decode(name)
    if job_id is not None or form.named is None:
        return job_id
    try:
        return (await service.by_key(user, f"{form.name}:{name}")).job.job_id
    except UnknownJobError:
        return None


def named_by(form: Format, route: Route, asked: ApiRequest) -> Any:  # noqa: ANN401 - an id or several
    """Return what a request calls the job, or the jobs, it is about.

    Raises:
        ProblemError: It names none.
    """
    try:
        return route.job(asked)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise ProblemError(form.invalid, "The request names no job.") from None


def key_of(form: Format, asked: ApiRequest) -> str | None:
    """Return the idempotency key of a start: the name that was chosen for the job, or what the header says.

    Raises:
        ProblemError: It cannot be kept.
    """
    name = None if form.named is None else form.named(asked)
    if name is None and form.idempotency is not None:
        name = asked.headers.get(form.idempotency)
    if name is not None and not (len(name) <= _LONGEST_NAME and name.isprintable()):
        raise ProblemError(form.invalid, f"A name or a key is printable text of at most {_LONGEST_NAME} characters.")
    return f"{form.name}:{name}" if name else None


def refuse_invalid(form: Format, route: Route, asked: ApiRequest) -> None:
    """Raise ``ProblemError`` for a request that is not as the service documents it."""
    found: list[Invalid] = []
    if route.accepts is not None:
        try:
            route.accepts.model_validate(asked.body)
        except ValidationError as error:
            told = error.errors(include_url=False, include_context=False, include_input=False)
            found = [Invalid(("body", *one["loc"]), one["msg"], one["type"]) for one in told]
    found += route.check(asked)
    if found:
        raise ProblemError(form.invalid, _in_words(found), invalid=[one._asdict() for one in found])


def _in_words(found: Sequence[Invalid]) -> str:
    first = found[0]
    return f"{'.'.join(map(str, first.loc[1:])) or first.loc[0]}: {first.msg}"


def _subject(call: Call) -> Subject:
    asked, route = call.request, call.route
    kind = Kind.OTHER if route is None else route.kind
    return Subject(
        kind=Kind.RESULT if call.route is None and call.is_file else kind,
        job_id=call.job_id,
        key=call.key,
        fingerprint=_fingerprint(asked) if kind is Kind.START else None,
        is_retry=_is_retry(asked),
        wait=None if route is None or call.refused is not None else route.wait(asked),
        read=call.form.read,
        status_at=call.form.status_at,
    )


def _fingerprint(asked: ApiRequest) -> str:
    """Return a digest of what was asked for: the parts of a repeated form are divided by another boundary each time."""
    asked_for = [asked.method, asked.path, asked.body]
    return hashlib.sha256(orjson.dumps(asked_for, option=orjson.OPT_SORT_KEYS)).hexdigest()[:_DIGEST]


def _is_retry(asked: ApiRequest) -> bool:
    """Return whether the client's own library says that it repeats a request."""
    count = asked.headers.get("x-stainless-retry-count", "0")
    return count not in {"", "0"} or "attempt=1" not in asked.headers.get("amz-sdk-request", "attempt=1")
