"""A real server inside a test: the same application on a real socket, with its clock, faults and record at hand.

```python
with TranslationServer(completion_time=5400, clock="stepped") as server, server.client() as client:
    job_id = client.start_job()
    server.clock.advance(5400)
    assert client.wait(job_id).status == "completed"
```
"""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from translation_server.app import create_app
from translation_server.middleware.users import Accounts
from translation_server.simulator.clocks import MovableClock
from translation_server.simulator.simulator import Simulator
from translation_server.testing.certificate import Certificate
from translation_server.testing.lifecycle import Lifecycle
from translation_server.testing.options import choose_clock, choose_users, delay_settings, make_settings
from translation_server.testing.sdk_environment import called, environment_variables, mount_url
from translation_server.vendors.catalog import find_formats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from translation_client import AsyncTranslationStatusClient, TranslationStatusClient
    from translation_server.app import Application
    from translation_server.jobs.delays import DelayModel
    from translation_server.jobs.stages import Stages
    from translation_server.service.clock import Clock
    from translation_server.service.service import Service
    from translation_server.simulator.faults.incidents import Incident
    from translation_server.simulator.faults.model import Fault
    from translation_server.simulator.faults.rules import Rule
    from translation_server.simulator.recording.exchange import Requests
    from translation_server.simulator.report.politeness import Politeness
    from translation_server.simulator.report.report import Report
    from translation_server.testing.uvicorn_server import ServingThread
    from translation_server.vendors.format import Format

_MEMORY: Final = "sqlite:///:memory:"


class TranslationServer(Lifecycle):
    """The translation job service inside a test: ``with``, ``async with``, or ``start()`` and ``stop()``.

    It runs in a thread of its own, on 127.0.0.1, with its jobs in memory. After a stop it can be started again: without
    its jobs, unless they are in a file, but with its clock, its faults and its record as they were.

    Args:
        completion_time: Seconds each job takes; or the shortest and the longest such time.
        min_delay: The shortest time a job takes, in seconds; 3 by default.
        max_delay: The longest; 7 by default.
        delay_model: How long jobs take instead: a model of ``delays``, or its text, such as ``lognormal:60:180``.
        stages: The stages that jobs report: ``transcribing:0.2,translating:0.6,rendering:0.2``.
        error_rate: How many jobs end in error, 0 to 1.
        seed: The same seed gives the same jobs and the same faults, whatever the concurrency; by default a new one.
        clock: ``"real"``, the default: goes with the machine's time, and can be advanced. ``"stepped"``: stands still
            until it is advanced. A number: goes so many times as fast. Or a clock, which several servers may share.
        username: The user's name; by default always the same.
        password: The user's password; by default a new one for each server.
        users: The passwords of all users, by name; the first is ``username`` unless that is given.
        faults: What goes wrong from the beginning; see ``simulator.faults``.
        incident: What happens from the beginning, by its name in ``simulator.incidents``.
        database_url: Where the jobs are kept; by default in memory.
        port: The port to listen on; by default any free one.
        formats: Other services' APIs that are mounted, by name or as ``Format``; see ``base_url_of``.
        tls: Whether it speaks https, with a certificate of its own; see ``ca_file``. Needs ``translation-server[tls]``.
        settings: Any other variable of the configuration, in lower case: ``max_wait=5``.

    Attributes:
        clock: The server's clock.
        faults: What goes wrong, and how often it did.
        fates: What becomes of jobs, where a test decides it: ``fates.add(outcome="error", times=3)``.
        username: The user's name.
        password: The user's password.

    Raises:
        ModuleNotFoundError: ``tls`` needs a library that is not installed; the message says how to install it.
        TypeError: There is no such setting.
        ValueError: A setting makes no sense; the message names it, and what is allowed.
    """

    def __init__(  # noqa: PLR0913 - each has a name, and hardly anybody gives more than three
        self,
        *,
        completion_time: float | tuple[float, float] | None = None,
        min_delay: float | None = None,
        max_delay: float | None = None,
        delay_model: DelayModel | str | None = None,
        stages: Stages | str | None = None,
        error_rate: float = 0.0,
        seed: int | None = None,
        clock: Clock | str | float | None = None,
        username: str | None = None,
        password: str | None = None,
        users: Mapping[str, str] | None = None,
        faults: Iterable[Fault | Rule | str] = (),
        incident: Incident | str | None = None,
        database_url: str = _MEMORY,
        port: int = 0,
        formats: Iterable[Format | str] = (),
        tls: bool = False,
        **settings: object,
    ) -> None:
        self._users = choose_users(username, password, users)
        self.username, self.password = next(iter(self._users.items()))
        self.clock: MovableClock = choose_clock(clock)
        self._simulator = Simulator(clock=self.clock, seed=seed, faults=faults, incident=incident)
        self.faults, self.fates = self._simulator.faults, self._simulator.fates
        given = {"min_delay": min_delay, "max_delay": max_delay, "stages": stages and str(stages)}
        self._settings = make_settings(
            settings,
            self.__init__.__kwdefaults__,  # type: ignore[misc]  # the names are what is wanted
            **given,
            **delay_settings(completion_time, delay_model),
            api_username=self.username,
            api_password=self.password,
            error_probability=error_rate,
            random_seed=self._simulator.seed,
            database_url=database_url,
        )
        formats = [formats] if isinstance(formats, str) else [*formats]
        self._formats = find_formats(formats)
        texts = {
            "delay_model": delay_model and str(delay_model),
            "incident": incident and str(incident),
            "clock": clock,
        }
        self._arguments = {
            "completion_time": completion_time,
            "error_rate": error_rate or None,
            **texts,
            **given,
            "formats": [one if isinstance(one, str) else one.name for one in formats] or None,
            "tls": tls or None,
            **settings,
        }
        self._service: Service | None = None
        self._clients: list[TranslationStatusClient] = []
        self._detach_from_clock: Callable[[], None] = lambda: None
        super().__init__(port, self._settings.max_connections, Certificate() if tls else None)

    def __repr__(self) -> str:
        where = self.base_url if self.is_running else "not running"
        return f"<{type(self).__name__} {where}, user {self.username!r}, {self.clock!r}>"

    def restart(self) -> None:
        """Stop, and start again on the same port with the same jobs.

        Raises:
            ValueError: The jobs are in memory, and would be lost.
            RuntimeError: The server is not running.
        """
        host, port = self._running_address()
        if self._settings.database_url == _MEMORY:
            raise ValueError("the jobs are in memory and would be lost: give database_url='sqlite:////tmp/jobs.db'")
        with self._certificate or nullcontext():  # a client that asks meanwhile finds the file of the authority
            self.__exit__(None, None, None)
            self._start(port, host)

    def base_url_of(self, name: str) -> str:
        """Return the URL below which a mounted format is, without a slash at its end.

        Args:
            name: The name of the format, or of its mount.

        Raises:
            RuntimeError: The server is not running.
            ValueError: It is not mounted; the message names what is.
        """
        return mount_url(called(name, self._formats)[0], self.base_url)

    @property
    def api_key(self) -> str:
        """The API key under every mount: ``username:password``."""
        return f"{self.username}:{self.password}"

    def environment_of(self, *names: str) -> dict[str, str]:
        """Return the environment variables by which official SDKs find this server and trust its certificate.

        Args:
            names: The names of formats or mounts; by default all that are mounted.

        Raises:
            RuntimeError: The server is not running.
            ValueError: One is not mounted; the message names what is.
        """
        return environment_variables(
            [form for name in names for form in called(name, self._formats)] if names else self._formats,
            base_url=self.base_url,
            username=self.username,
            password=self.password,
            ca_file=None if self._certificate is None else self.ca_file,
        )

    @property
    def held(self) -> int:
        """The number of requests and event streams held now; a test waits for it before it advances the clock."""
        self._running_address()
        return 0 if self._service is None else len(self._service.waiters)

    @property
    def requests(self) -> Requests:
        """The requests that have arrived; ``requests.where(kind="poll", job=1)`` narrows it."""
        return self._simulator.requests

    def report(self, limits: Politeness | None = None) -> Report:
        """Report how well the clients have behaved; ``limits`` say what is polite."""
        return self._simulator.report(limits)

    def trace(self) -> str:
        """Return what has happened, in the same words in every run with the same seed."""
        return self._simulator.trace()

    def reset(self) -> None:
        """Forget what has arrived and every fate, and go back to the first faults. Jobs and the clock stay."""
        self._simulator.reset()

    def begin(self, incident: Incident | str) -> None:
        """Let an incident happen from now on, by its name in ``simulator.incidents``."""
        self._simulator.begin(incident)

    @property
    def replay_line(self) -> str:
        """The line that makes a server with the same jobs and the same bad luck."""
        return self._simulator.replay_line(**{name: one for name, one in self._arguments.items() if one is not None})

    def client(self, **arguments: Any) -> TranslationStatusClient:  # noqa: ANN401 - the client's own
        """Return a client of this server, which is closed when the server stops.

        Args:
            arguments: The client's own; with the ``username`` of another user, that user's password is filled in.

        Raises:
            ModuleNotFoundError: The client is not installed.
        """
        client: TranslationStatusClient = _make_client("TranslationStatusClient", self._credentials(arguments), "")
        self._clients.append(client)
        return client

    def async_client(self, **arguments: Any) -> AsyncTranslationStatusClient:  # noqa: ANN401 - the client's own
        """Return an asynchronous client, which you close: ``async with server.async_client() as client:``."""
        client: AsyncTranslationStatusClient = _make_client(
            "AsyncTranslationStatusClient", self._credentials(arguments), "[async]"
        )
        return client

    def curl(self, path: str = "/status", *options: str) -> str:
        """Return the ``curl`` command line for a path, credentials included."""
        trust = [] if self._certificate is None else ["--cacert", self.ca_file]
        words = ["curl", "--user", self.api_key, *trust, *options, self.base_url + path]
        return shlex.join(words)

    def _credentials(self, arguments: dict[str, Any]) -> dict[str, Any]:
        name = arguments.get("username", self.username)
        ours = {"base_url": self.base_url, "username": name, "password": self._users.get(name)}
        if self._certificate is not None and arguments.get("session") is None:  # whose session is told by itself
            ours["verify"] = self.ca_file
        return ours | arguments

    def _make_app(self) -> Application:
        return create_app(
            self._settings,
            accounts=Accounts(self._users),
            clock=self.clock,
            simulator=self._simulator,
            formats=self._formats,
        )

    def _after_start(self, run: ServingThread, app: Application) -> None:
        service = self._service = app.state.service
        if isinstance(self.clock, MovableClock):
            self._detach_from_clock = self.clock.add_source(lambda: run.call(service.next_end()))

    def _before_stop(self) -> None:
        self._detach_from_clock()
        self._service = None
        for client in self._clients:
            client.close()
        self._clients.clear()


def _make_client(name: str, arguments: dict[str, Any], extra: str) -> Any:  # noqa: ANN401 - a client of either kind
    try:
        import translation_client  # noqa: PLC0415 - the server needs it for nothing else
    except ModuleNotFoundError as error:
        needed = f"the client is not installed: pip install 'translation-client{extra}'"
        raise ModuleNotFoundError(needed, name=error.name) from error
    return getattr(translation_client, name)(**arguments)
