"""Lets another thread end a request that is under way: connections that say which socket they use.

urllib3 offers no way to interrupt a request. Shutting its socket down ends every read and write on it at once, and
the request with them; for that the socket must be known while the request runs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_running = threading.local()


class Cutter:
    """Ends the request of one thread from another; ``with cutter:`` marks the thread whose request it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self._used = False

    def __enter__(self) -> None:
        _running.cutter = self

    def __exit__(self, *_: object) -> None:
        _running.cutter = None
        with self._lock:
            self._socket = None  # the connection goes back to the pool: from here on it is somebody else's

    def cut(self) -> bool:
        """Shut the socket in use, or the one that is about to be used; whether anything may have been sent."""
        with self._lock:
            self._cut = True
            self._shut()
            return self._used

    def use(self, used: socket.socket | None) -> None:
        """Note the socket that the request uses; if it was cut already, it ends here."""
        with self._lock:
            self._socket = used
            if self._cut:
                self._shut()
            elif used is not None:
                self._used = True

    def _shut(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # it was over already
            # Not SSLSocket.shutdown, which takes the TLS state away under the thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _note_use(used: socket.socket | None) -> None:
    """Tell the cutter of this thread's request which socket that is on."""
    cutter: Cutter | None = getattr(_running, "cutter", None)
    if cutter is not None:
        cutter.use(used)


class _WatchedConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _note_use(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on as they come
        _note_use(self.sock)
        super().request(*args, **kwargs)


class _WatchedSecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _note_use(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on as they come
        _note_use(self.sock)
        super().request(*args, **kwargs)


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecureConnection


class CuttableAdapter(HTTPAdapter):
    """The adapter of requests, with connections that a ``Cutter`` can end."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on as they come
        """Make the pools of the connections that go straight to the server."""
        super().init_poolmanager(*args, **kwargs)
        _watch(self.poolmanager)

    def close(self) -> None:
        """Close all connections, also those a request under way brings back later."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - no dictionary: it forbids iteration
                manager.pools[key].close()
        super().close()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on as they come
        """Make the pools of the connections that go through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        _watch(manager)
        return manager


def _watch(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedSecurePool}
