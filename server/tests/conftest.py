"""What the server's tests are made with: a clock that is stepped by hand, and the application around a real store."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from translation_server.app import create_app
from translation_server.auth import Accounts
from translation_server.jobs import Draft
from translation_server.settings import Settings
from translation_server.simulation import Simulation, Uniform
from translation_server.stores import open_store

USERS = {"admin": "secret", "eve": "secret"}
PATIENCE = 10.0
START = 1_800_000_000.0


@dataclass(eq=False)
class Alarm:
    """One timer of a stepped clock."""

    moment: float
    callback: Callable[[], None]
    loop: asyncio.AbstractEventLoop

    def cancel(self) -> None:
        self.moment = float("inf")


@dataclass
class SteppedClock:
    """A clock that stands still until it is advanced."""

    moment: float = START
    alarms: list[Alarm] = field(default_factory=list)

    def now(self) -> float:
        return self.moment

    def call_at(self, moment: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(moment, callback, asyncio.get_running_loop())
        self.alarms.append(alarm)
        self.advance(0)
        return alarm

    def advance(self, seconds: float) -> None:
        """Let time pass, and call whoever waited for it, each in its own loop."""
        self.moment += seconds
        due = [alarm for alarm in self.alarms if alarm.moment <= self.moment]
        self.alarms = [alarm for alarm in self.alarms if self.moment < alarm.moment < float("inf")]
        for alarm in due:
            alarm.loop.call_soon_threadsafe(alarm.callback)


@dataclass
class Api:
    """The application, running, and a client of it for each user."""

    app: object
    admin: httpx.AsyncClient
    eve: httpx.AsyncClient

    @property
    def service(self):
        return self.app.state.service

    async def waiters(self, count: int) -> None:
        """Return once so many requests and streams are held."""
        deadline = time.monotonic() + PATIENCE
        while len(self.service.waiters) != count:
            assert time.monotonic() < deadline, f"{len(self.service.waiters)} waiters instead of {count}"
            await asyncio.sleep(0.001)


@pytest.fixture
def clock():
    return SteppedClock()


@pytest.fixture
def make_app(tmp_path, clock):
    """Make an application; jobs take 3 to 7 seconds of the stepped clock, in a store of the test's own."""

    def make(*, clock=clock, **changes):
        usual = {"database_url": f"sqlite:///{tmp_path / 'jobs.db'}", "log_file": tmp_path / "server.log"}
        settings = Settings(api_username="admin", api_password="secret", **{**usual, **changes})
        return create_app(settings, accounts=Accounts(USERS), clock=clock)

    return make


@pytest.fixture
async def open_api(make_app):
    """Run an application without a wire; whatever is opened is closed at the end of the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(**changes) -> Api:
            app = make_app(**changes)
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app)
            clients = [
                await stack.enter_async_context(
                    httpx.AsyncClient(transport=transport, base_url="http://test", auth=(name, password))
                )
                for name, password in USERS.items()
            ]
            return Api(app, *clients)

        yield open_


@pytest.fixture
async def api(open_api) -> Api:
    return await open_api()


@pytest.fixture
async def open_a_store(tmp_path):
    """Open a store, as often as wanted: each time as another process would."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(name: str = "jobs.db"):
            path = name if name.startswith(":") else tmp_path / name
            store = await open_store(f"sqlite:///{path}")
            stack.push_async_callback(store.close)
            return store

        yield open_


@pytest.fixture
def accept() -> Callable[..., Awaitable[object]]:
    """Put a job that ends after so many seconds into a store."""
    simulation = Simulation(Uniform(3, 7), 0.3, seed=1)

    async def accept_(store, duration: float | None = 5.0, *, owner="admin", limit=10_000, **changes):
        draft = Draft(owner, **{"created_at": START, "duration": duration, **changes})
        return await store.insert(draft, simulation.accept, limit)

    return accept_
