"""HTTP in, HTTP out; nothing else. What is documented about each route is in ``openapi``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from fastapi import APIRouter, Path
from starlette.requests import Request  # noqa: TC002 - FastAPI looks it up
from starlette.responses import Response

from translation_server.http import openapi, parameters, representation
from translation_server.http.bodies import read_json
from translation_server.http.event_stream import EventStream
from translation_server.http.problems import ProblemError
from translation_server.http.routing import Answer, DirectRoute, at_once, json_answer
from translation_server.http.schemas import MOST_JOB_IDS, JobQuery, NewJob, validate
from translation_server.http.status import NO_WISH, HeldAnswer, Wish, retry_after, status_answer
from translation_server.jobs.model import Status
from translation_server.observability.metrics import CONTENT_TYPE, HELD, State
from translation_server.simulator.recording.exchange import SCOPE_KEY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

    from translation_server.config.settings import Settings
    from translation_server.observability.metrics import Metrics
    from translation_server.service.service import Service, Snapshot

_LARGEST_QUERY = MOST_JOB_IDS * 64  # bytes; an id in JSON takes 39

_WISHES = (b"prefer", b"if-none-match")
_JobId = Annotated[str, Path(description="The id the start answered with.")]


def _shown_at_once(scope: Scope, job_id: str) -> Answer | None:
    """What most ask for who do not want to wait: the job as it is."""
    if not _is_plain(scope):
        return None
    service: Service = scope["app"].state.service
    snapshot = service.at_hand(scope["user"], job_id)
    return None if snapshot is None else status_answer(service, snapshot, NO_WISH)


jobs = APIRouter(route_class=DirectRoute, tags=["jobs"])
health = APIRouter(route_class=DirectRoute, tags=["health"])


@jobs.get("/status/{job_id}", **openapi.STATUS)
@jobs.get("/jobs/{job_id}", **openapi.STATUS)
@at_once(_shown_at_once)
async def show(request: Request, job_id: _JobId) -> ASGIApp:
    """Tell a job's status, now or once it has ended."""
    wish = _wish(request)
    return _now_or_held(request, await _service(request).find(_user(request), job_id), wish)


@jobs.post("/start", **openapi.START)
@jobs.post("/jobs", **openapi.START)
async def start(request: Request) -> Answer:
    """Start a job."""
    service = _service(request)
    parameters.read_query(request.scope["query_string"])
    key = parameters.idempotency_key(_values(request, b"idempotency-key"))
    body = await read_json(request, _settings(request).max_body_bytes)
    counted = request.scope.get(SCOPE_KEY)
    number = None if counted is None else counted.job
    draft = validate(NewJob, body).draft(_user(request), service.clock.now(), key, number)
    snapshot, replayed = await service.start(draft)
    told = representation.tell(snapshot.job, snapshot.now, service.clock.speed)
    headers = [(b"location", b"/status/" + snapshot.job.job_id.encode()), *retry_after(told.hint or 0.0)]
    if replayed:
        headers.append((b"idempotency-replayed", b"true"))
    return json_answer(told.body, *headers, status=202)


@jobs.get("/status", **openapi.LATEST)
async def show_latest(request: Request) -> ASGIApp:
    """Tell the status of the job that was started last."""
    wish = _wish(request)
    return _now_or_held(request, await _service(request).latest(_user(request)), wish)


@jobs.get("/jobs", **openapi.LIST)
async def list_jobs(request: Request) -> Answer:
    """List jobs, newest first."""
    query = parameters.read_query(request.scope["query_string"], once=("status", "limit", "cursor"))
    status = parameters.status(parameters.one(query, "status"))
    limit = parameters.limit(parameters.one(query, "limit"))
    after = parameters.cursor(parameters.one(query, "cursor"))
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
    parameters.read_query(request.scope["query_string"])
    asked = validate(JobQuery, await read_json(request, max(_LARGEST_QUERY, _settings(request).max_body_bytes)))
    found = await _service(request).query(_user(request), asked.job_ids)
    speed = _service(request).clock.speed
    told = (representation.job_json(job, found.now, speed) for job in found.jobs)
    return json_answer(representation.jobs_json(told, None))


@jobs.delete("/jobs/{job_id}", **openapi.CANCEL)
async def cancel(request: Request, job_id: _JobId) -> Answer:
    """Cancel a job; repeating it changes nothing."""
    parameters.read_query(request.scope["query_string"])
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
    query = parameters.read_query(request.scope["query_string"], once=("since",), repeated=("job_id",))
    since = parameters.since(parameters.one(query, "since"))
    seen = parameters.last_event_id(_values(request, b"last-event-id"), service.store.identity)
    position = await service.position(user, since) if seen is None else seen
    request.scope[HELD] = True
    return EventStream(service, user, position, query.get("job_id", ()))


@health.get("/health/live", **openapi.LIVE)
async def live(_: Request) -> Answer:
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


def _is_plain(scope: Scope) -> bool:
    """Whether it asks for the job as it is, and nothing more."""
    if scope["query_string"]:
        return False
    for name, _ in scope["headers"]:  # noqa: SIM110 - at half the cost of any()
        if name in _WISHES:
            return False
    return True


def _wish(request: Request) -> Wish:
    query = parameters.read_query(request.scope["query_string"], once=("wait",))
    seconds = parameters.wait(parameters.one(query, "wait"), _values(request, b"prefer"))
    seconds = None if seconds is None else min(seconds, _settings(request).max_wait)
    return Wish(seconds, _values(request, b"if-none-match"))


def _now_or_held(request: Request, snapshot: Snapshot, wish: Wish) -> ASGIApp:
    """The answer about one job, after holding the request if that was asked for."""
    if wish.seconds and snapshot.status is Status.PENDING:
        return HeldAnswer(_service(request), _user(request), snapshot.job.job_id, wish)
    return status_answer(_service(request), snapshot, wish)


def _values(request: Request, name: bytes) -> list[str]:
    """What the request gives for a header, in lower case; as ``request.headers`` has it, at a fifth of the cost."""
    return [value.decode("latin-1") for given, value in request.scope["headers"] if given == name]
