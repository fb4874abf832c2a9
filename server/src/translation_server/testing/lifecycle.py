"""Start and stop a server inside another program: ``with``, ``async with``, or ``await server.start()``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from translation_server.testing.uvicorn_server import ServingThread, listen

if TYPE_CHECKING:
    from types import TracebackType

    from translation_server.app import Application
    from translation_server.testing.certificate import Certificate

_HOST: Final = "127.0.0.1"
_NOT_RUNNING: Final = "the server is not running: use it inside `with TranslationServer() as server:`, or await start()"


class Lifecycle:
    """Something that starts and stops; a subclass makes the application.

    Args:
        port: The port it listens on unless `start` names another one; 0: any free port.
        max_connections: How many connections there may be at the same time.
        certificate: What it speaks https with; None: it speaks http.
    """

    def __init__(self, port: int, max_connections: int, certificate: Certificate | None = None) -> None:
        self._default_port = port
        self._max_connections = max_connections
        self._certificate = certificate
        self._address = (_HOST, port)
        self._run: ServingThread | None = None

    def __enter__(self) -> Self:
        self._start(self._default_port, _HOST)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run = self._end()
        if run is not None:
            run.join()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, port: int | None = None, host: str = _HOST) -> None:
        """Listen, and return once requests are answered.

        Args:
            port: The port; 0: any free one; by default the one the server was made with.
            host: An address of this machine. With TLS, clients accept 127.0.0.1, ::1 and localhost only.

        Raises:
            OSError: The port cannot be had.
            RuntimeError: The server is running already.
            SettingsError: The database cannot be used.
        """
        run = self._begin(self._default_port if port is None else port, host)
        try:
            self._after_start(run, await asyncio.wrap_future(run.started))
        except BaseException:
            self._give_up(run)
            raise

    async def stop(self) -> None:
        """Stop, and return once nothing is left of the server; a second call does nothing.

        Held requests are answered as if their wait were over, and answers under way get a quarter of a second.
        """
        run = self._end()
        if run is not None:
            await asyncio.shield(asyncio.wrap_future(run.ended))
            run.join()

    @property
    def is_running(self) -> bool:
        """Whether the server is running."""
        return self._run is not None

    @property
    def base_url(self) -> str:
        """The server's URL, without a slash at the end; raises ``RuntimeError`` unless the server is running."""
        host, port = self._running_address()
        scheme = "http" if self._certificate is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def port(self) -> int:
        """The port the server listens on; raises ``RuntimeError`` unless the server is running."""
        return self._running_address()[1]

    @property
    def ca_file(self) -> str:
        """The path of a PEM file with the authority whose certificates a client of a ``tls=True`` server is to trust.

        It is a text, as ``SSL_CERT_FILE`` and ``verify=`` take it. The file is there while the server runs, and during
        `TranslationServer.restart`; after the next start it is in the same place, with the same content.

        Raises:
            RuntimeError: The server is not running, or it speaks http.
        """
        self._running_address()
        if self._certificate is None:
            raise RuntimeError("the server speaks http, without a certificate: make it with tls=True")
        return self._certificate.ca_file

    def _make_app(self) -> Application:
        """Make the application; called in the thread that runs it."""
        raise NotImplementedError

    def _after_start(self, run: ServingThread, app: Application) -> None:
        """Do what is to be done once the server answers."""

    def _before_stop(self) -> None:
        """Do what is to be done before the server is told to stop."""

    def _running_address(self) -> tuple[str, int]:
        if self._run is None:
            raise RuntimeError(_NOT_RUNNING)
        return self._address

    def _start(self, port: int, host: str) -> None:
        run = self._begin(port, host)
        try:
            self._after_start(run, run.started.result())
        except BaseException:
            self._give_up(run)
            run.join()
            raise

    def _begin(self, port: int, host: str) -> ServingThread:
        if self._run is not None:
            raise RuntimeError(f"the server runs already, at {self.base_url}")
        sock = listen(host, port)
        self._address = sock.getsockname()[:2]
        self._run = ServingThread(sock, self._make_app, self._max_connections, self._certificate)
        return self._run

    def _give_up(self, run: ServingThread) -> None:
        """Stop a server that could not start, or whose start nobody waits for any more."""
        self._run = None
        run.started.add_done_callback(lambda _: run.stop())

    def _end(self) -> ServingThread | None:
        run = self._run
        if run is not None:
            self._before_stop()
            self._run = None
            run.stop()
        return run
