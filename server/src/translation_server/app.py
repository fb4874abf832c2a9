"""Wiring: settings in, application out."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi_offline import FastAPIOffline

from translation_server._version import __version__
from translation_server.config.settings import Settings, SettingsError
from translation_server.guard import Guard
from translation_server.http import openapi, problems, routes
from translation_server.http.problems import ProblemError
from translation_server.http.routing import DirectRoute, DirectRoutes, Parts
from translation_server.jobs.simulation import Simulation, model_of
from translation_server.middleware.access import Access
from translation_server.middleware.basic_auth import BasicAuth, is_open_path
from translation_server.middleware.rate_limit import RateLimit, limit_headers
from translation_server.middleware.users import accounts_of
from translation_server.observability import log_file
from translation_server.observability.metrics import Metrics
from translation_server.service.errors import (
    AlreadyEndedError,
    ImpossibleJobError,
    KeyReusedError,
    TooManyPendingError,
    TooManyWaitersError,
    UnknownJobError,
)
from translation_server.service.retention import forget_regularly
from translation_server.service.service import Service
from translation_server.shutdown import on_stop_signal
from translation_server.simulator.configured import clock_of, for_one_process, simulator_of, steady_of
from translation_server.simulator.control_api import control
from translation_server.simulator.layers import around, innermost
from translation_server.simulator.report_api import reports
from translation_server.stores import StoreError, StoreUnavailableError, check_store, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from translation_server.middleware.logins import Users
    from translation_server.service.clock import Clock
    from translation_server.simulator.simulator import Simulator

_LONGEST_ECHO = 64


def create_app(
    settings: Settings, *, accounts: Users | None = None, clock: Clock | None = None, simulator: Simulator | None = None
) -> FastAPI:
    """The server as an ASGI application.

    While it runs, ``app.state.service`` is the ``Service`` behind it.

    Args:
        settings: The configuration.
        accounts: The users; by default those of the settings.
        clock: What time it is; by default the simulator's, or else what the settings ask for.
        simulator: What makes it go wrong, and records what arrives; by default the one the settings ask for, if any.

    Raises:
        SettingsError: The database or the htpasswd file the settings name cannot be used.
    """
    try:
        check_store(settings.database_url)
    except StoreError as error:
        raise SettingsError((str(error),)) from error

    clock = clock or (simulator.clock if simulator else clock_of(settings))
    simulator = simulator or simulator_of(settings, clock)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(settings, clock, metrics) as service:
            app.state.service = service
            yield

    app = FastAPIOffline(
        title="Video translation jobs",
        version=__version__,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        # Newer versions of FastAPI look for OpenTelemetry on each request, which takes a third of the time of a status
        # read, and older ones ignore this. The OpenTelemetry instrumentation of ASGI works as with any application.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state = Parts()
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.simulator = simulator
    has_control = simulator is not None and settings.control_api == "on"
    parts = [routes.jobs, routes.health, *([control, reports] if has_control else [])]
    direct = [route for part in parts for route in part.routes if isinstance(route, DirectRoute)]
    app.router.routes[:0] = direct  # not include_router, which wraps each of them
    openapi.complete(app)
    problems.install(app)
    for kind in _PROBLEMS:
        app.add_exception_handler(kind, _tell)
    # Not by add_middleware, which puts layers of the framework in front of ours: from the innermost to the outermost.
    tell = {ProblemError: problems.handle, **dict.fromkeys(_PROBLEMS, _tell)}
    layers: ASGIApp = DirectRoutes(app.build_middleware_stack(), direct, tell)
    if simulator is not None:
        layers = innermost(layers, simulator, app)
    if settings.rate_limit:
        pace = settings.rate_limit, settings.rate_burst
        layers = RateLimit(layers, *pace, is_open=is_open_path, steady=steady_of(clock), speed=clock.speed)
    if simulator is not None:
        layers = around(layers, simulator, app)
    layers = BasicAuth(layers, accounts or accounts_of(settings))
    layers = Access(layers, count=metrics.request, log=log_file.request_log())
    app.middleware_stack = Guard(layers, settings.max_connections, alone=for_one_process(settings))
    return app


@asynccontextmanager
async def _running(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncIterator[Service]:
    store = await open_store(settings.database_url, metrics.commit)
    service = Service(
        store,
        clock,
        Simulation(model_of(settings), settings.error_probability, settings.random_seed),
        max_pending_jobs=settings.max_pending_jobs,
        max_waiters=settings.max_waiters,
        on_read=metrics.read,
    )
    tasks = [
        asyncio.create_task(service.settling.follow_changes()),
        asyncio.create_task(forget_regularly(service, settings.retention)),
    ]
    try:
        with on_stop_signal(service.waiters.stop):
            yield service
    finally:
        service.waiters.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


async def _tell(request: Request, error: Exception) -> Response:
    """Say in HTTP what the service refused."""
    status, detail, retry_after, more = _problem(error)
    headers = {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}
    return problems.respond(status, detail, headers=headers | _limit(request.app.state.settings, error), **more)


def _limit(settings: Settings, error: Exception) -> dict[str, str]:
    """The headers that name the limit a user has reached."""
    match error:
        case TooManyPendingError(retry_after=seconds):
            return limit_headers("pending-jobs", settings.max_pending_jobs, retry_after=seconds)
        case TooManyWaitersError():
            return limit_headers("waiters", settings.max_waiters, retry_after=1.0, unit="concurrent-requests")
    return {}


def _problem(error: Exception) -> tuple[int, str, float | None, dict[str, object]]:
    """Status, detail, seconds after which to come again, further members."""
    told: tuple[int, str, float | None, dict[str, object]] = (503, _UNAVAILABLE, 1.0, {})
    match error:
        case UnknownJobError(job_id=None):
            told = 404, "There is no job yet.", None, {}
        case UnknownJobError(job_id=job_id):
            told = 404, "There is no such job.", None, {"job_id": str(job_id)[:_LONGEST_ECHO]}
        case AlreadyEndedError(job=job):
            told = 409, f"The job has ended as {job.outcome}; it cannot be cancelled.", None, {"job_id": job.job_id}
        case KeyReusedError(job_id=job_id):
            errors = [{"field": "Idempotency-Key", "message": _KEY_REUSED}]
            told = 422, f"Idempotency-Key: {_KEY_REUSED}", None, {"job_id": job_id, "errors": errors}
        case ImpossibleJobError(reason=reason):
            told = 422, f"video_length: {reason}", None, {"errors": [{"field": "video_length", "message": reason}]}
        case TooManyPendingError(retry_after=seconds):
            told = 429, "You have as many pending jobs as allowed.", seconds, {}
        case TooManyWaitersError():
            told = 429, "You hold as many requests and streams as allowed.", 1.0, {}
    return told


_KEY_REUSED = "was used for a job with another body; a new job needs a new key"
_UNAVAILABLE = "The jobs cannot be read or written at the moment. Nothing was changed; try again."
_PROBLEMS = (
    UnknownJobError,
    ImpossibleJobError,
    AlreadyEndedError,
    KeyReusedError,
    TooManyPendingError,
    TooManyWaitersError,
    StoreUnavailableError,
)
