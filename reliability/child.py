"""What runs in a server's process; imported once, before it is forked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import server_bugs
import uvicorn

# Imported here so that no server has to do it after its fork.
import uvicorn.lifespan.on
import uvicorn.loops.auto
import uvicorn.protocols.http.auto
import uvicorn.protocols.websockets.auto

from translation_server.app import create_app
from translation_server.config.settings import Settings
from translation_server.observability import log_file
from translation_server.service.clock import SystemClock

with contextlib.suppress(ModuleNotFoundError):  # an extra
    import translation_server.stores.postgres.store  # noqa: F401 - as above

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from translation_server.app import Application

_GRACE = 8  # seconds, as the server's own command gives


def serve(values: Mapping[str, Any], port: int, bug: str, wall_offset: Any, waiters: Any) -> None:  # noqa: ANN401 - shared numbers have no public type
    """Serve on a port that other servers of this machine may listen on as well, until told to stop."""
    settings = Settings(**values)
    _print_into(settings.log_file.with_name("printed"))
    log_file.configure(settings)
    if bug:
        server_bugs.plant(bug)
    clock = SystemClock(lambda: time.time() + wall_offset.value) if wall_offset is not None else None
    app = create_app(settings, clock=clock)
    if waiters is not None:
        _count_waiters(app, waiters)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE, backlog=4096)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        uvicorn.Server(config).run(sockets=[listener])


def _print_into(file: Path) -> None:
    """Keep what it prints out of the command's own output."""
    with file.open("ab") as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)


def _count_waiters(app: Application, number: Any) -> None:  # noqa: ANN401 - as above
    """Say every few milliseconds how many requests and streams are held."""
    inner = app.running

    async def count() -> None:
        while True:
            number.value = len(app.state.service.waiters)
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with inner():
            counting = asyncio.create_task(count())
            try:
                yield
            finally:
                counting.cancel()

    app.running = running  # type: ignore[method-assign]
