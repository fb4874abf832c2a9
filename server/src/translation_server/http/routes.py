"""The table of routes: what is called for a request, and what the framework documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import APIRouter, Path
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from translation_server.http import openapi, parameters, representation
from translation_server.http.answers import Answer, json_answer
from translation_server.http.bodies import read_json
from translation_server.http.event_stream import EventStream
from translation_server.http.problems import ProblemError, answer_to, method_not_allowed
from translation_server.http.responses import (
    NO_PREFERENCE,
    WaitPreference,
    held_answer,
    retry_after,
    status_answer,
)
from translation_server.http.schemas import MOST_JOB_IDS, JobQuery, NewJob, validate
from translation_server.jobs.model import Status
from translation_server.observability.metrics import CONTENT_TYPE, HELD, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from fastapi.routing import APIRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from translation_server.config.settings import Settings
    from translation_server.http.answers import Handled
    from translation_server.jobs.model import Fate
    from translation_server.observability.metrics import Metrics
    from translation_server.service.service import Service, Snapshot

JOB_NUMBER: Final = "translation_server.job_number"
"""Where in the scope the number of a start among its user's starts is, if they are counted: with a seed, its fate."""
FATE: Final = "translation_server.fate"
"""Where in the scope the ``Fate`` of a start is, if one was decided; what the request itself scripts wins."""

_LARGEST_QUERY: Final = MOST_JOB_IDS * 64  # bytes; an id in JSON takes 39
_PREFERENCES: Final = frozenset({b"prefer", b"if-none-match"})
_JobId = Annotated[str, Path(description="The id the start answered with.")]


class Routes:
    """Calls the endpoint of a request; whatever is at no address of the table goes to the framework. A handler.

    An endpoint is given the request and the parameter in its path. It returns an `Answer`, or an awaitable of one or of
    another ASGI application that answers. The framework's own way to an endpoint searches the routes one by one, solves
    dependencies and checks models for each request, which costs more than all the rest of an answer.

    Args:
        routes: Each with a fixed path, or with one parameter at its end.
        state: What endpoints find as ``request.app``.
        framework: Answers everything else: the documentation, and unknown addresses.
    """

    def __init__(self, routes: Iterable[APIRoute], state: object, framework: ASGIApp) -> None:
        self._state = state
        self._framework = framework
        self._fixed: dict[str, dict[str, APIRoute]] = {}
        self._open: dict[str, tuple[str, dict[str, APIRoute]]] = {}  # found by what stands before their parameter
        for route in routes:
            self._add(route)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Handled:
        """Handle one request."""
        found = self._find(scope) if scope["type"] == "http" else None
        if found is None:
            return self._framework(scope, receive, send)
        methods, path_parameters = found
        route = methods.get(scope["method"])
        scope["route"] = route or next(iter(methods.values()))
        if route is None:
            return method_not_allowed(", ".join(sorted(methods)))
        scope["app"], scope["path_params"] = self._state, path_parameters
        try:
            handled = route.endpoint(Request(scope, receive), **path_parameters)
        except Exception as error:  # noqa: BLE001 - each is an answer
            return answer_to(error)
        return handled if isinstance(handled, Answer) else _send_awaited(handled, scope, receive, send)

    def _add(self, route: APIRoute) -> None:
        start, _, last = route.path.rpartition("/")
        if last.startswith("{"):
            _, methods = self._open.setdefault(start, (last.strip("{}"), {}))
        else:
            methods = self._fixed.setdefault(route.path, {})
        methods |= dict.fromkeys(route.methods or (), route)

    def _find(self, scope: Scope) -> tuple[dict[str, APIRoute], dict[str, str]] | None:
        """Return the routes at the address, by method, and the parameter in it."""
        path = parameters.path_of(scope)
        methods = self._fixed.get(path)
        if methods is not None:
            return methods, {}
        start, _, last = path.rpartition("/")
        found = self._open.get(start)
        if found is None or not last:
            return None
        name, methods = found
        return methods, {name: last}


async def _send_awaited(answering: Awaitable[ASGIApp], scope: Scope, receive: Receive, send: Send) -> None:
    try:
        answer = await answering
    except ClientDisconnect:
        raise
    except Exception as error:  # noqa: BLE001 - each is an answer
        answer = answer_to(error)
    await answer(scope, receive, send)


jobs = APIRouter(tags=["jobs"])
health = APIRouter(tags=["health"])


@jobs.get("/status/{job_id}", **openapi.STATUS)
@jobs.get("/jobs/{job_id}", **openapi.STATUS)
def show(request: Request, job_id: _JobId) -> Answer | Awaitable[Answer]:
    """Tell a job's status, now or once it has ended."""
    scope = request.scope
    if not scope["query_string"] and _PREFERENCES.isdisjoint(parameters.headers_by_name(scope)):
        service = _service(request)
        snapshot = service.get_cached(scope["user"], job_id)
        if snapshot is not None:
            return status_answer(service, snapshot, NO_PREFERENCE)
    return _show(request, job_id)


async def _show(request: Request, job_id: str) -> Answer:
    asked = _wait_preference(request)
    return await _now_or_held(request, await _service(request).find(_user(request), job_id), asked)


@jobs.post("/start", **openapi.START)
@jobs.post("/jobs", **openapi.START)
async def start(request: Request) -> Answer:
    """Start a job."""
    service = _service(request)
    parameters.read_query(request.scope)
    key = parameters.idempotency_key(parameters.header_values(request.scope, b"idempotency-key"))
    body = await read_json(request, _settings(request).max_body_bytes, waiters=service.waiters)
    number = request.scope.get(JOB_NUMBER)
    draft = validate(NewJob, body).draft(_user(request), service.clock.now(), key, number)
    fate = cast("Fate | None", request.scope.get(FATE))
    draft = draft if fate is None else fate.apply(draft)
    snapshot, replayed = await service.start(draft)
    told = representation.represent(snapshot.job, snapshot.now, service.clock.speed)
    headers = [(b"location", b"/status/" + snapshot.job.job_id.encode()), *retry_after(told.hint or 0.0)]
    if replayed:
        headers.append((b"idempotency-replayed", b"true"))
    return json_answer(told.body, *headers, status=202)


@jobs.get("/status", **openapi.LATEST)
async def show_latest(request: Request) -> Answer:
    """Tell the status of the job that was started last."""
    asked = _wait_preference(request)
    return await _now_or_held(request, await _service(request).latest(_user(request)), asked)


@jobs.get("/jobs", **openapi.LIST)
async def list_jobs(request: Request) -> Answer:
    """List jobs, newest first."""
    query = parameters.read_query(request.scope, parameters.STATUS, parameters.LIMIT, parameters.CURSOR)
    limit = parameters.LIMIT.value(query)
    status, after = parameters.STATUS.value(query), parameters.CURSOR.value(query)
    found = await _service(request).page(_user(request), status, after, limit + 1)
    if found is None:
        parameters.refuse("cursor", parameters.NO_CURSOR)
    more = len(found.jobs) > limit
    page = found.jobs[:limit]
    speed = _service(request).clock.speed
    told = [representation.job_json(job, found.now, speed) for job in page]
    return json_answer(representation.jobs_json(told, page[-1].job_id if more else None))


@jobs.post("/jobs/query", **openapi.QUERY)
async def query_jobs(request: Request) -> Answer:
    """Tell the status of many jobs, in the order asked; unknown ones are left out."""
    parameters.read_query(request.scope)
    service, limit = _service(request), max(_LARGEST_QUERY, _settings(request).max_body_bytes)
    asked = validate(JobQuery, await read_json(request, limit, waiters=service.waiters))
    found = await service.query(_user(request), asked.job_ids)
    speed = _service(request).clock.speed
    told = (representation.job_json(job, found.now, speed) for job in found.jobs)
    return json_answer(representation.jobs_json(told, None))


@jobs.delete("/jobs/{job_id}", **openapi.CANCEL)
async def cancel(request: Request, job_id: _JobId) -> Answer:
    """Cancel a job; repeating it changes nothing."""
    parameters.read_query(request.scope)
    snapshot = await _service(request).cancel(_user(request), job_id)
    return json_answer(representation.job_json(snapshot.job, snapshot.now))


class _EventStreamResponse(Response):
    media_type = "text/event-stream"


class _PrometheusResponse(Response):
    media_type = "text/plain"


@jobs.get("/events", response_class=_EventStreamResponse, **openapi.EVENTS)
async def events(request: Request) -> EventStream:
    """Tell of each job that ends, in the order of ending."""
    service, user = _service(request), _user(request)
    query = parameters.read_query(request.scope, parameters.SINCE, parameters.JOB_ID)
    since, job_ids = parameters.SINCE.value(query), parameters.JOB_ID.values(query)
    seen = parameters.last_event_id(parameters.header_values(request.scope, b"last-event-id"), service.store.identity)
    position = await service.position(user, since) if seen is None else seen
    service.waiters.check_limit(user)
    request.scope[HELD] = True
    return EventStream(service, user, position, job_ids)


@health.get("/health/live", **openapi.LIVE)
def live(_: Request) -> Answer:
    """Say that the server runs."""
    return json_answer(b'{"status":"live"}')


@health.get("/health/ready", **openapi.READY)
async def ready(request: Request) -> Answer:
    """Say whether the server can do its work."""
    if not await _service(request).is_usable():
        raise ProblemError(503, "The server cannot do its work at the moment.", headers={"Retry-After": "1"})
    return json_answer(b'{"status":"ready"}')


@health.get("/metrics", response_class=_PrometheusResponse, **openapi.METRICS)
async def metrics(request: Request) -> Response:
    """Tell Prometheus how the server is doing."""
    service = _service(request)
    jobs, streams = await service.counts(), service.waiters.streams
    state = State(jobs, held_requests=len(service.waiters) - streams, event_streams=streams)
    told = cast("Metrics", request.app.state.metrics)
    return Response(told.render(state), headers={"Content-Type": CONTENT_TYPE})


def _service(request: Request) -> Service:
    return cast("Service", request.scope["app"].state.service)


def _settings(request: Request) -> Settings:
    return cast("Settings", request.scope["app"].state.settings)


def _user(request: Request) -> str:
    return cast("str", request.scope["user"])


def _wait_preference(request: Request) -> WaitPreference:
    seconds = parameters.wait_seconds(request.scope)
    seconds = None if seconds is None else min(seconds, _settings(request).max_wait)
    return WaitPreference(seconds, parameters.header_values(request.scope, b"if-none-match"))


async def _now_or_held(request: Request, snapshot: Snapshot, asked: WaitPreference) -> Answer:
    """Return the answer about one job, after holding the request if that was asked for."""
    if asked.seconds and snapshot.status is Status.PENDING:
        return await held_answer(_service(request), snapshot.job.job_id, asked, request)
    return status_answer(_service(request), snapshot, asked)
