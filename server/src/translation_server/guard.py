"""Replaces the protocol of the web server that runs the application by `guarded_protocol`.

This happens when the server starts, however that was done: `uvicorn main:app`, several workers, or in a program. The
server's own limits can be used beside it: `--limit-concurrency`, `--timeout-keep-alive` (5 seconds by default).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from uvicorn import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from translation_server.connections import Connections
from translation_server.guarded_protocol import GuardedProtocol

try:
    import resource
except ImportError:  # there are no such limits on Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

_LOGGER: Final = logging.getLogger(__name__)
DRAINED_AFTER: Final = 7
"""Seconds a server that stops waits for requests under way, unless told otherwise: only those are left that do not read
their answers, because whoever is held has been told to come again."""

_RESERVED_FILES: Final = 64  # for the store, the log and what else needs one
_FEWER_CONNECTIONS: Final = (
    "at most %d connections are kept open, not MAX_CONNECTIONS=%d: that needs %d open files, and the system allows %d. "
    "Beyond them, quiet connections are closed. Allow more files (ulimit -n %d), or set MAX_CONNECTIONS=%d"
)


class Guard:
    """ASGI layer: when the server starts, lets it guard its connections; it has no part in any request.

    Args:
        app: the application behind it.
        most: connections at the same time; fewer, if the process cannot open as many files.
        alone: names of settings that mean nothing sensible to one of several processes.
    """

    def __init__(self, app: ASGIApp, most: int, *, alone: Sequence[str] = ()) -> None:
        self._app = app
        self._most = most
        self._alone = alone

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            config = _config_of_the_server()
            if config is not None and config.timeout_graceful_shutdown is None:
                config.timeout_graceful_shutdown = DRAINED_AFTER
            if config is None or not guard(config, allowed_connections(self._most)):
                _LOGGER.warning("slow connections are not closed: that needs uvicorn with httptools")
            if config is not None and config.workers > 1 and self._alone:
                _LOGGER.warning(
                    "%s: for one process, and each of the %d has its own", ", ".join(self._alone), config.workers
                )
        return self._app(scope, receive, send)


def _config_of_the_server() -> Config | None:
    """Find the configuration of the uvicorn server in whose task the application's lifespan runs.

    The task begins in a method of uvicorn's; `receive` is another, but layers in front of us may have wrapped it.
    """
    task = asyncio.current_task()
    frame = getattr(task.get_coro() if task else None, "cr_frame", None)
    config = getattr(frame.f_locals.get("self"), "config", None) if frame else None
    return config if isinstance(config, Config) else None


def guard(config: Config, most: int, **times: float) -> bool:
    """Let a uvicorn server that has not started yet guard its connections; return whether that was possible.

    Args:
        config: The server's.
        most: Connections at the same time.
        times: Other times than those of `Connections`.
    """
    if config.http_protocol_class is not HttpToolsProtocol:
        return False
    connections = Connections(most, idle_time=config.timeout_keep_alive, **times)
    config.http_protocol_class = partial(GuardedProtocol, connections)  # type: ignore[assignment]  # only ever called
    config.loaded_app = entrance(config.loaded_app)
    return True


def entrance(app: ASGIApp) -> ASGIApp:
    """What is called for a request: the application without what its framework and uvicorn put in front of its layers.

    That only names the application in the scope, and heeds the headers of proxies, which few requests have; but a held
    request would keep three more coroutines. An application inside of others, or of another kind, stays as it is.
    """
    inner = app.app if isinstance(app, ProxyHeadersMiddleware) else app
    layers = inner.middleware_stack if type(inner) is FastAPI and not inner.root_path else None
    if not isinstance(layers, Guard):
        return app

    def enter(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope["app"] = inner
        for name, _ in scope["headers"]:
            if name.startswith(b"x-forwarded-"):
                return app(scope, receive, send)
        return layers(scope, receive, send)

    return enter


def allowed_connections(most: int) -> int:
    """Return how many connections there can be, after asking the system for as many open files."""
    if resource is None:
        return most
    usual, largest = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + _RESERVED_FILES
    if usual == resource.RLIM_INFINITY or usual >= wanted:
        return most
    possible = wanted if largest == resource.RLIM_INFINITY else min(wanted, largest)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, largest))
        usual = possible
    allowed = max(1, min(most, usual - _RESERVED_FILES))
    if allowed < most:
        level = logging.WARNING if usual < wanted / 2 else logging.INFO  # nobody minds a few less
        _LOGGER.log(level, _FEWER_CONNECTIONS, allowed, most, wanted, usual, wanted, allowed)
    return allowed
