"""What the server's tests are made with: a clock that is stepped by hand, and the application around a real store."""

import asyncio
import base64
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import orjson
import pytest
from server.tests.postgres import running_postgres, schema

from translation_server.app import create_app
from translation_server.config.settings import Settings
from translation_server.http.responses import Disconnect
from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import Draft
from translation_server.jobs.simulation import Simulation
from translation_server.middleware.users import Accounts
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
    speed: float = 1.0

    def now(self) -> float:
        return self.moment

    def call_at(self, moment: float, callback: Callable[[], None], *, event: bool = True) -> Alarm:  # noqa: ARG002 - as all clocks
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


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once the condition holds, which nothing announces."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.002)


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
        await eventually(lambda: len(self.service.waiters) == count)


class Stream:
    """A client of the stream, without a wire: reads what the application sends."""

    def __init__(self, app, headers, query) -> None:
        self._app = app
        credentials = b"Basic " + base64.b64encode(b"admin:secret")
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": "/events",
            "raw_path": b"/events",
            "query_string": query.encode(),
            "headers": [(b"authorization", credentials), *headers],
        }
        self._messages = asyncio.Queue()
        self._gone = asyncio.Event()
        self._text = b""
        self.last_id = ""

    async def __aenter__(self):
        self._task = asyncio.create_task(self._app(self._scope, self._receive, self._messages.put))
        self.start = await asyncio.wait_for(self._messages.get(), PATIENCE)
        return self

    async def __aexit__(self, *_):
        await self.leave()

    async def leave(self):
        """Close the connection; return once the application has noticed."""
        self._gone.set()
        await asyncio.wait_for(self._task, PATIENCE)

    async def _receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def block(self) -> dict[str, str]:
        """The next block of lines, by field."""
        while b"\n\n" not in self._text:
            message = await asyncio.wait_for(self._messages.get(), PATIENCE)
            if not message.get("more_body"):
                raise EOFError
            self._text += message["body"]
        block, _, self._text = self._text.partition(b"\n\n")
        fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
        self.last_id = fields.get("id", self.last_id)
        return fields

    async def job(self) -> dict:
        """The job of the next event."""
        while "event" not in (block := await self.block()):
            pass
        assert block["event"] == "job"
        return orjson.loads(block["data"])

    async def jobs(self, count: int) -> list[str]:
        """The ids of the next jobs."""
        return [(await self.job())["job_id"] for _ in range(count)]

    @property
    def silent(self) -> bool:
        return not self._text and self._messages.empty()


def silent_client() -> Disconnect:
    """A client that neither says anything nor leaves."""

    async def receive():
        await asyncio.get_running_loop().create_future()

    return Disconnect(receive)


@pytest.fixture
def clock():
    return SteppedClock()


@pytest.fixture
def make_app(tmp_path, clock):
    """Make an application; jobs take 3 to 7 seconds of the stepped clock, in a store of the test's own."""

    def make(*, clock=clock, **changes):
        usual = {
            "database_url": f"sqlite:///{tmp_path / 'jobs.db'}",
            "log_file": tmp_path / "server.log",
            "retention": 0,
        }
        settings = Settings(api_username="admin", api_password="secret", **{**usual, **changes})
        return create_app(settings, accounts=Accounts(USERS), clock=clock)

    return make


@pytest.fixture
async def open_api(make_app):
    """Run an application without a wire; whatever is opened is closed at the end of the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(**changes) -> Api:
            app = make_app(**changes)
            await stack.enter_async_context(app.running())
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


@pytest.fixture(scope="session")
def postgres_server():
    """The URL of a PostgreSQL server: the one that is given, or else one of our own."""
    with contextlib.ExitStack() as stack:
        yield os.environ.get("TEST_DATABASE_URL") or stack.enter_context(running_postgres()).url


@pytest.fixture
def postgres_url(postgres_server):
    """The URL of an empty schema of the test's own."""
    with schema(postgres_server) as url:
        yield url


@pytest.fixture
async def open_a_store(tmp_path):
    """Open a store, as often as wanted: each time as another process would."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(name: str = "jobs.db"):
            path = name if name.startswith(":") else tmp_path / name
            store = await open_store(name if "://" in name else f"sqlite:///{path}")
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


@pytest.fixture
async def connect():
    """Open a stream; it is connected when this returns."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect_(api, query="", last_id=""):
            headers = [(b"last-event-id", last_id.encode())] if last_id else []
            stream = await stack.enter_async_context(Stream(api.app, headers, query))
            first = await stream.block()
            assert first["retry"] == "1000"
            return stream

        yield connect_


@pytest.fixture(name="eventually")
def eventually_():
    return eventually
