"""Requests that can be interrupted at any moment: by their deadline, by a signal, by another thread.

urllib3 offers no way to interrupt a request. Shutting its socket down ends every read and write on it at once, and
the request with them; for that the socket must be known while the request runs.

CPython looks for signals before it enters a blocking call. A signal that arrives between that look and the call itself
does not interrupt the call, so Ctrl-C would have to wait for a held answer. Therefore the main thread, which runs the
signal handlers, never blocks for long: it waits in slices. An exception that a handler raises is lost while CPython
clears up behind an object, as it does behind each ``Thread``; so no thread object is kept.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from translation_client._wire.failures import out_of_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from translation_client._wire.failures import Transient
    from translation_client._wire.responses import Response


_MAIN = 0.04  # seconds; Ctrl-C is promised to end a wait within 0.05
_OTHERS = 3600.0  # seconds; what a lock can wait for, and a sleep, is bounded


def run_aside(target: Callable[[], None], name: str) -> None:
    """Run it on a daemon thread that nobody joins."""
    threading.Thread(target=target, name=name, daemon=True).start()


def slices(until: float) -> Iterator[float]:
    """The timeouts to wait with, one after the other, until the moment (on ``time.monotonic()``); at least one."""
    longest = _MAIN if threading.current_thread() is threading.main_thread() else _OTHERS
    left = until - time.monotonic()
    while True:
        yield min(max(left, 0.0), longest)
        left = until - time.monotonic()
        if left <= 0:
            return


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


_ENDING = 0.02  # seconds an abandoned exchange is given to leave


class Exchange:
    """A request under way; it is begun by making it.

    Args:
        send: Sends the request and reads the answer, however long that takes; never raises.
        deadline: The moment (on ``time.monotonic()``) at which nobody waits for it any more.
    """

    def __init__(self, send: Callable[[], Response | Transient], deadline: float) -> None:
        self.deadline = deadline
        self._send = send
        self._began = time.monotonic()
        self._cutter = Cutter()
        self._lock = threading.Lock()
        self._under_way = threading.Lock()  # held while it is; an Event, interrupted, can stay locked
        self._under_way.acquire()
        self._outcome: Response | Transient | None = None
        self._when_over: Callable[[Response | Transient], None] | None = None
        run_aside(self._run, "translation-client-exchange")

    def result(self) -> Response | Transient:
        """Wait for the outcome, until the deadline; whoever leaves earlier (Ctrl-C) takes the request along."""
        try:
            any(self._under_way.acquire(timeout=left) for left in slices(self.deadline))
        except BaseException:
            self.cut()
            raise
        return self._outcome or self.cut()

    def cut(self) -> Response | Transient:
        """End it, whatever it is doing; the outcome is a failure, unless the answer came first."""
        came_first = self._outcome  # what comes after the cut is a consequence of it
        sent = self._cutter.cut()
        if came_first is None:
            self._under_way.acquire(timeout=_ENDING)
        return came_first or out_of_time(time.monotonic() - self._began, sent=sent)

    def when_over(self, call: Callable[[Response | Transient], None]) -> None:
        """Call back with the outcome, from its thread, or at once if it is over."""
        with self._lock:
            self._when_over = call
            outcome = self._outcome
        if outcome is not None:
            call(outcome)

    def _run(self) -> None:
        with self._cutter:
            outcome = self._send()
        with self._lock:
            self._outcome = outcome
            call = self._when_over
        self._under_way.release()
        if call is not None:
            call(outcome)
