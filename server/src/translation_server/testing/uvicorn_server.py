"""The application on a socket, in a thread and an event loop of its own: for processes that do something else as well.

Nothing of the process is touched: neither its signals nor its logging nor how it collects garbage. uvicorn's server is
used as it is, except that it sleeps for fixed times: a tenth of a second between two looks whether it shall stop, and
another while it does. Here it is told.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from translation_server.app import Application

_DATE_INTERVAL: Final = 1.0  # seconds
_GRACE: Final = 0.25  # seconds for answers under way when the server stops; whoever is held was told before
_PATIENCE: Final = 30.0  # seconds until a call into the server's loop is given up
_KEEP_ALIVE: Final = 75

_T = TypeVar("_T")


class _Connections(set[Any]):
    """uvicorn's set of connections; tells when it becomes empty."""

    def __init__(self) -> None:
        super().__init__()
        self.empty = asyncio.Event()

    def discard(self, element: object) -> None:
        super().discard(element)
        if not self:
            self.empty.set()


class _Server(uvicorn.Server):
    """uvicorn's server, without its fixed sleeps."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.lifespan = config.lifespan_class(config)
        self.told_to_stop = asyncio.Event()
        self.server_state.connections = self._open = _Connections()

    async def main_loop(self) -> None:
        """Keep the date in the answers right until told to stop."""
        while not self.told_to_stop.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.told_to_stop.wait(), _DATE_INTERVAL)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, let answers under way get out, then break them off."""
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        for connection in [*self._open]:
            connection.shutdown()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_closed(), _GRACE)
        for task in self.server_state.tasks:
            task.cancel()
        for connection in [*self._open]:
            connection.transport.abort()
        await self._all_closed()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)

    async def _all_closed(self) -> None:
        while self._open:
            self._open.empty.clear()
            await self._open.empty.wait()


class ServingThread:
    """One run of a server, from the call that makes it to ``stop``.

    Args:
        sock: Bound, and closed when the server stops.
        make_app: Makes the application; called in the thread.
        max_connections: At the same time.

    Attributes:
        started: Done once the server answers; what it raises is why it cannot.
        ended: Done once nothing is left of it; what it raises went wrong after the start.
    """

    def __init__(self, sock: socket.socket, make_app: Callable[[], Application], max_connections: int) -> None:
        self.started: Future[Application] = Future()
        self.ended: Future[None] = Future()
        for future in (self.started, self.ended):
            future.set_running_or_notify_cancel()  # who gives up waiting for it does not cancel it
        self._sock = sock
        self._make_app = make_app
        self._max_connections = max_connections
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="translation server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell the server to stop; it has when ``ended`` is done."""
        if self._loop is not None and self._server is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._server.told_to_stop.set)

    def join(self) -> None:
        """Return when the thread is gone; raises what went wrong after the start."""
        self._thread.join()
        self.ended.result()

    def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do this in the server's loop, and wait for it; from any other thread."""
        assert self._loop is not None  # noqa: S101 - it has started
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def _run(self) -> None:
        try:
            config = uvicorn.Config(
                "",
                lifespan="off",
                http="h11",
                log_config=None,
                ws="none",
                workers=1,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
            )
            config.access_log = False  # given as an argument, it would change how the process logs
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                runner.run(self._serve(config))
        except BaseException as error:  # noqa: BLE001 - told to whoever started the server, or else to who stops it
            self._sock.close()
            told = self.ended if self.started.done() else self.started
            told.set_exception(error)
        finally:
            if not self.ended.done():
                self.ended.set_result(None)

    async def _serve(self, config: uvicorn.Config) -> None:
        app = self._make_app()
        config.app = app
        config.load()
        async with app.running():
            self._loop, self._server = asyncio.get_running_loop(), _Server(config)
            await self._server.startup(sockets=[self._sock])
            self.started.set_result(app)
            await self._server.main_loop()
            app.state.service.waiters.stop()
            await self._server.shutdown([self._sock])
