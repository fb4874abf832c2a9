"""Wiring: settings in, application out."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from translation_server._version import __version__
from translation_server.config.settings import Settings, SettingsError, model_of
from translation_server.http import openapi, problems
from translation_server.http.answers import as_asgi
from translation_server.http.routes import Routes, health, jobs
from translation_server.jobs.simulation import Simulation
from translation_server.middleware.access import Access
from translation_server.middleware.basic_auth import BasicAuth, is_open_path
from translation_server.middleware.rate_limit import RateLimit
from translation_server.middleware.users import accounts_of
from translation_server.observability import log_file
from translation_server.observability.metrics import Metrics
from translation_server.service.retention import forget_regularly
from translation_server.service.service import Service
from translation_server.simulator.configured import around, clock_of, innermost, monotonic_of, simulator_of
from translation_server.simulator.control_api import control
from translation_server.stores import StoreError, check_store, open_store
from translation_server.vendors.calls import Calls
from translation_server.vendors.catalog import find_formats, formats_in
from translation_server.vendors.endpoints import VendorEndpoints
from translation_server.vendors.mounts import Mounts
from translation_server.vendors.overview import overview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from types import FrameType
    from typing import Any

    from fastapi import APIRouter, FastAPI

    from translation_server.http.answers import Handler
    from translation_server.middleware.logins import Users
    from translation_server.service.clock import Clock
    from translation_server.simulator.simulator import Simulator
    from translation_server.vendors.format import Format


class State:
    """What the parts of one application share.

    Attributes:
        settings: The configuration.
        metrics: What is counted.
        simulator: What makes it go wrong, and records what arrives; None: nothing does.
        mounts: Other services' APIs; None: there are none.
        service: What users can do; only while the application runs.
    """

    service: Service

    def __init__(
        self, settings: Settings, metrics: Metrics, simulator: Simulator | None, mounts: Mounts | None
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.simulator = simulator
        self.mounts = mounts


class Application(Access):
    """The whole server, as an ASGI application: its outermost layer, and what is behind it.

    It needs no particular server. Whoever embeds it without the ASGI lifespan protocol enters ``running()`` meanwhile.

    Args:
        settings: The configuration.
        accounts: Who may come in.
        clock: What time it is.
        simulator: What makes it go wrong, if anything.
        mounts: Other services' APIs, if any.
        obeys: Whether requests to these may say how their jobs go.
    """

    def __init__(  # noqa: PLR0913 - everything there is to wire, by name
        self,
        settings: Settings,
        accounts: Users,
        clock: Clock,
        simulator: Simulator | None,
        mounts: Mounts | None,
        *,
        obeys: bool,
    ) -> None:
        self.state = State(settings, Metrics(), simulator, mounts)
        self._accounts = accounts
        self._clock = clock
        has_control = simulator is not None and settings.control_api == "on"
        routers = [jobs, health, *([control] if has_control else []), *([overview] if mounts else [])]
        self._framework = _framework(self, routers)
        routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
        handler: Handler = Routes(routes, self, self._framework)
        outermost: dict[str, Any] = {"count": self.state.metrics.request, "log": log_file.request_log()}
        if mounts is None:
            super().__init__(BasicAuth(self._limited(handler), accounts), **outermost)
            return
        handler = self._limited(VendorEndpoints(handler, self._service, obeys=obeys))
        handler = Calls(handler, self._service, settings.max_body_bytes)
        handler = BasicAuth(handler, accounts, is_open=lambda path: is_open_path(path) or mounts.is_open(path))
        super().__init__(handler, translate=mounts.translate, **outermost)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return self._framework.openapi()

    def release(self) -> None:
        """Take everything out of an application that is over: FastAPI remembers hundreds, by their functions."""
        self._framework.router.routes.clear()
        vars(self).clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the store, and do what is done beside the requests."""
        settings, metrics = self.state.settings, self.state.metrics
        store = await open_store(settings.database_url, metrics.commit)
        service = self.state.service = Service(
            store,
            self._clock,
            Simulation(model_of(settings), settings.error_probability, settings.random_seed),
            max_pending_jobs=settings.max_pending_jobs,
            max_waiters=settings.max_waiters,
            on_read=metrics.read,
            version_of=self._accounts.version_of,
        )
        tasks = [
            asyncio.create_task(service.settlement.follow_changes()),
            asyncio.create_task(service.waiters.follow_users()),
            asyncio.create_task(forget_regularly(service, settings.retention)),
        ]
        try:
            with on_stop_signal(service.waiters.stop):
                yield
        finally:
            service.waiters.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await store.close()

    def _service(self) -> Service:
        return self.state.service

    def _limited(self, routes: Handler) -> Handler:
        """Return the routes behind the rate limit, and in between and around what the simulator adds."""
        settings, simulator = self.state.settings, self.state.simulator
        handler = routes if simulator is None else innermost(as_asgi(routes), simulator, self._service)
        if settings.rate_limit:
            pace = settings.rate_limit, settings.rate_burst
            monotonic, speed = monotonic_of(self._clock), self._clock.speed
            handler = RateLimit(handler, *pace, is_open=is_open_path, monotonic=monotonic, speed=speed)
        return handler if simulator is None else around(as_asgi(handler), simulator, self._service)


def create_app(
    settings: Settings,
    *,
    accounts: Users | None = None,
    clock: Clock | None = None,
    simulator: Simulator | None = None,
    formats: Iterable[Format | str] = (),
) -> Application:
    """Return the server as an ASGI application.

    While it runs, ``state.service`` is the ``Service`` behind it.

    Args:
        settings: The configuration.
        accounts: The users; by default those of the settings.
        clock: What time it is; by default the simulator's, or else what the settings ask for.
        simulator: What makes it go wrong, and records what arrives; by default the one the settings ask for, if any.
        formats: Other services' APIs that are mounted, beside those the settings ask for: formats or their names.

    Raises:
        SettingsError: The database, the htpasswd file, the faults or the formats the settings name cannot be used.
        ValueError: There is no such format.
    """
    try:
        check_store(settings.database_url)
    except StoreError as error:
        raise SettingsError((str(error),)) from error
    clock = clock or (simulator.clock if simulator else clock_of(settings))
    mounted = find_formats([*formats_of(settings), *formats])
    obeys = simulator is not None or settings.control_api == "on"
    return Application(
        settings,
        accounts or accounts_of(settings),
        clock,
        simulator or simulator_of(settings, clock),
        Mounts(mounted) if mounted else None,
        obeys=obeys,
    )


def formats_of(settings: Settings) -> tuple[Format, ...]:
    """Return the formats that ``FORMATS`` names; raises ``SettingsError`` if it names one that is not known."""
    try:
        return formats_in(settings.formats or "")
    except ValueError as error:
        raise settings.refusal("formats", str(error)) from None


def _framework(application: Application, routers: list[APIRouter]) -> FastAPI:
    """Return what documents the routes, and answers at all other addresses."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with application.running():
            yield

    app = FastAPIOffline(
        title="Video translation jobs",
        version=__version__,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        app.include_router(router)
    openapi.complete(app)
    problems.install(app)
    return app


@contextmanager
def on_stop_signal(callback: Callable[[], None]) -> Iterator[None]:
    """Call ``callback`` in the running loop when SIGTERM or SIGINT arrives, beside what the signal does anyway.

    A web server that is told to stop waits for the requests under way before it tells the application, and a held
    request waits for its job: so the application listens to the same signals.

    Signals nobody handles, and servers in other threads than the main one, are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    undo = [_listen(number, loop, callback) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for restore in undo:
            restore()


def _listen(number: int, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Callable[[], None]:
    before: Any = signal.getsignal(number)
    if not callable(before):
        return lambda: None

    def handle(signal_number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        before(signal_number, frame)

    def restore() -> None:
        if signal.getsignal(number) is handle:
            signal.signal(number, before)

    signal.signal(number, handle)
    return restore
