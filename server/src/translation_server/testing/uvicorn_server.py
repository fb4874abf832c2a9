"""The application on a socket, served by uvicorn in a thread and an event loop of its own.

Nothing of the process is touched: neither its signals nor its logging nor how it collects garbage.

uvicorn's ``Server`` sleeps for fixed times: a tenth of a second between two looks at whether it shall stop, and another
one while it stops. So three of its methods are overridden, ``startup``, ``main_loop`` and ``shutdown``, and a test does
not wait for a stop. What they lean on: ``Server.servers``, ``Server.on_tick``, and ``Server.server_state`` with its
``tasks`` and its ``connections``, each of which has ``shutdown()`` and ``transport``.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import uvicorn

try:
    import resource
except ImportError:  # there are no such limits on Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from translation_server.app import Application
    from translation_server.testing.certificate import Certificate

_BACKLOG: Final = 2048
_LAST_PORT: Final = 65_535
_RESERVED_FILES: Final = 64  # for all else the process does
_DATE_INTERVAL: Final = 1.0  # seconds after which the date in the answers is another one
_GRACE: Final = 0.25  # seconds for answers under way when the server stops; whoever is held was told before
_CLOSE_INTERVAL: Final = 0.001  # seconds between two looks at whether the last connections have closed
_CALL_TIMEOUT: Final = 30.0  # seconds until a call into the server's loop is given up
_KEEP_ALIVE: Final = 75  # seconds

_T = TypeVar("_T")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; what connects to it is answered once somebody accepts it.

    Args:
        host: An address of this machine, or a name of one.
        port: 1 to 65535; 0: any free one.

    Raises:
        OSError: The address or the port cannot be had; the message says which, and why.
    """
    if not 0 <= port <= _LAST_PORT:
        raise OSError(f"cannot listen on {host}, port {port}: there are ports from 1 to {_LAST_PORT}, and 0 for any")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise OSError(f"cannot listen on {host!r}, port {port!r}: {error}") from error
    try:
        _claim_port(sock)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return sock


def _claim_port(sock: socket.socket) -> None:
    """Let a port be used again at once after a server on it has stopped; and by nobody else meanwhile."""
    if os.name == "nt":  # where SO_REUSEADDR would let two servers share a port
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009 - elsewhere there is none
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def possible_connections(wanted: int) -> int:
    """Return how many connections there can be in a process whose limits are not ours to change."""
    if resource is None:
        return wanted
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if limit == resource.RLIM_INFINITY else max(1, min(wanted, limit - _RESERVED_FILES))


class ServingThread:
    """One run of a server, from the call that makes it to ``stop``.

    Args:
        sock: Bound, and closed when the server stops.
        make_app: Makes the application; called in the thread.
        max_connections: At the same time, as far as the process may open files; a request on a further one is answered
            with 503, and the connection closed.
        certificate: What it speaks https with; None: it speaks http.

    Attributes:
        started: Done once the server answers; its exception is why it cannot.
        ended: Done once nothing is left of the server; its exception is what went wrong after the start.
    """

    def __init__(
        self,
        sock: socket.socket,
        make_app: Callable[[], Application],
        max_connections: int,
        certificate: Certificate | None = None,
    ) -> None:
        self.started: Future[Application] = Future()
        self.ended: Future[None] = Future()
        for future in (self.started, self.ended):
            future.set_running_or_notify_cancel()  # whoever gives up waiting for it does not cancel it
        self._sock = sock
        self._make_app = make_app
        self._max_connections = possible_connections(max_connections)
        self._certificate = certificate
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="translation server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell the server to stop; it has when ``ended`` is done."""
        if self._server is not None and self._server.loop is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._server.loop.call_soon_threadsafe(self._server.stopping.set)

    def join(self) -> None:
        """Return when the thread has ended; raises what went wrong after the start."""
        self._thread.join()
        self.ended.result()

    def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do this in the server's loop and wait for it; from any other thread, once the server has started."""
        assert self._server is not None  # noqa: S101 - it has started
        assert self._server.loop is not None  # noqa: S101 - likewise
        return asyncio.run_coroutine_threadsafe(work, self._server.loop).result(_CALL_TIMEOUT)

    def _run(self) -> None:
        try:
            with self._certificate or nullcontext() as certificate:
                self._serve(certificate and certificate.server_file)
        except BaseException as error:  # noqa: BLE001 - raised by whoever starts the server, or else by who stops it
            self._sock.close()
            future = self.ended if self.started.done() else self.started
            future.set_exception(error)
        finally:
            if not self.ended.done():
                self.ended.set_result(None)

    def _serve(self, certificate_file: str | None) -> None:
        app = self._make_app()
        try:
            self._server = _Server(app, self._max_connections, certificate_file, self.started)
            self._server.run([self._sock])
        finally:
            app.release()


class _Server(uvicorn.Server):
    """uvicorn's server without its fixed sleeps.

    Attributes:
        loop: In which it runs; None before that.
        stopping: Set in this loop to stop the server.
    """

    def __init__(
        self, app: Application, max_connections: int, certificate_file: str | None, started: Future[Application]
    ) -> None:
        # h11, because httptools takes the body of a request that offers an upgrade for the next request.
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                workers=1,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                limit_concurrency=max_connections + 1,  # it counts the connection that it refuses
                ssl_certfile=certificate_file,  # with the key in it
            )
        )
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stopping = asyncio.Event()
        self._app = app
        self._started = started

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the application as well; uvicorn would log its failure and hide the exception."""
        async with self._app.running():
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self._started.set_result(self._app)

    async def main_loop(self) -> None:
        """Keep the date in the answers right until told to stop."""
        while not self.stopping.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), _DATE_INTERVAL)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, let answers under way get out, then close what is left."""
        self._app.state.service.waiters.stop()
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        for connection in [*self.server_state.connections]:
            connection.shutdown()
        if await self._has_drained():
            return
        for connection in [*self.server_state.connections]:
            connection.transport.abort()  # for the application, the client leaves
        if not await self._has_drained():
            for task in self.server_state.tasks:
                task.cancel()
            await asyncio.gather(*self.server_state.tasks, return_exceptions=True)

    async def _has_drained(self) -> bool:
        """Wait for the answers under way, and return whether no connection is left."""
        state = self.server_state
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                while state.tasks or state.connections:
                    if state.tasks:
                        await asyncio.wait([*state.tasks])
                    await asyncio.sleep(_CLOSE_INTERVAL)
        return not (state.tasks or state.connections)
