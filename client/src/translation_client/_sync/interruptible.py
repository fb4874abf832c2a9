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
from typing import TYPE_CHECKING, Any, Protocol

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from translation_client._wire.failures import out_of_time

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from translation_client._wire.failures import Transient
    from translation_client._wire.responses import Response

_MAIN = 0.04  # seconds; Ctrl-C is promised to end a wait within 0.05
_OTHERS = 3600.0  # seconds; the time a lock can be waited for is bounded
_ENDING = 0.02  # seconds an abandoned request is given to end


class UnderWay(Protocol):
    """What goes on until it is over, or the client is closed."""

    def abandon(self) -> None:
        """End it, and release at once whoever waits for it."""


def run_aside(target: Callable[[], None], name: str) -> None:
    """Run the function on a daemon thread that is never joined."""
    threading.Thread(target=target, name=name, daemon=True).start()


def slices(until: float) -> Iterator[float]:
    """Give the timeouts to wait with, one after the other, until the moment (on ``time.monotonic()``); at least one."""
    longest = _MAIN if threading.current_thread() is threading.main_thread() else _OTHERS
    left = until - time.monotonic()
    while True:
        yield min(max(left, 0.0), longest)
        left = until - time.monotonic()
        if left <= 0:
            return


_running = threading.local()


class Interrupter:
    """Interrupts the request of one thread from another; ``with interrupter:`` marks the thread whose request it is.

    Args:
        reported: Whether the connections report their sockets. Otherwise nothing is known of the request until its
            answer begins, so it counts as sent.
    """

    def __init__(self, *, reported: bool = True) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._interrupted = False
        self._used = not reported

    def __enter__(self) -> None:
        _running.interrupter = self

    def __exit__(self, *_: object) -> None:
        _running.interrupter = None
        with self._lock:
            self._socket = None  # the connection goes back to the pool: from here on it is another request's

    def interrupt(self) -> bool:
        """Shut the socket in use, or the one that is about to be used; return whether anything may have been sent."""
        with self._lock:
            self._interrupted = True
            self._shut()
            return self._used

    def use(self, used: socket.socket | None) -> None:
        """Remember the socket that the request uses; a request that was interrupted before ends here."""
        with self._lock:
            self._socket = used
            if self._interrupted:
                self._shut()
            elif used is not None:
                self._used = True

    def _shut(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # it was over already
            # Not SSLSocket.shutdown, which takes the TLS state away under the thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def report_socket(used: socket.socket | None) -> None:
    """Report to the interrupter of this thread's request which socket it uses."""
    interrupter: Interrupter | None = getattr(_running, "interrupter", None)
    if interrupter is not None:
        interrupter.use(used)


class _ReportingConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        report_socket(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on as they come
        report_socket(self.sock)
        super().request(*args, **kwargs)


class _SecureReportingConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        report_socket(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on as they come
        report_socket(self.sock)
        super().request(*args, **kwargs)


class _ReportingPool(HTTPConnectionPool):
    ConnectionCls = _ReportingConnection


class _SecureReportingPool(HTTPSConnectionPool):
    ConnectionCls = _SecureReportingConnection


class InterruptibleAdapter(HTTPAdapter):
    """The adapter of requests, with connections that an ``Interrupter`` can end.

    Args:
        tls: What to verify servers with, in place of a CA bundle; None: as the session says.
        keywords: As those of ``HTTPAdapter``.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, **keywords: Any) -> None:  # noqa: ANN401 - handed on
        self._tls: dict[str, Any] = {} if tls is None else {"ssl_context": tls}
        super().__init__(**keywords)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on as they come
        """Make the pools of the connections that go straight to the server."""
        super().init_poolmanager(*args, **{**kwargs, **self._tls})
        _use_reporting_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on as they come
        """Make the pools of the connections that go through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs, **self._tls)
        _use_reporting_pools(manager)
        return manager

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on
        """Return which pool a request belongs to; a context that was given is used as it is."""
        host, tls = super().build_connection_pool_key_attributes(*args, **kwargs)
        return host, self._tls or tls

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on as they come
        """Set up how a connection verifies the server; not where a context was given, which would be altered."""
        if not self._tls:
            super().cert_verify(*args, **kwargs)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close all connections, also those a request under way brings back later."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - no dictionary: it forbids iteration
                manager.pools[key].close()
        super().close()


def _use_reporting_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _ReportingPool, "https": _SecureReportingPool}


class Exchange:
    """One request and its answer, on a thread of its own that can be left behind; making it sends the request.

    Args:
        send: Sends the request and reads the answer, however long that takes; never raises.
        deadline: The moment (on ``time.monotonic()``) until which the answer is of interest.
        reported: Whether the connection reports its socket.
    """

    def __init__(self, send: Callable[[], Response | Transient], deadline: float, *, reported: bool = True) -> None:
        self.deadline = deadline
        self._send = send
        self._began = time.monotonic()
        self._interrupter = Interrupter(reported=reported)
        self._lock = threading.Lock()
        self._under_way = threading.Lock()  # held while it is; an Event, interrupted, can stay locked
        self._under_way.acquire()
        self._outcome: Response | Transient | None = None
        self._on_over: Callable[[Response | Transient], None] | None = None
        run_aside(self._run, "translation-client-exchange")

    def result(self) -> Response | Transient:
        """Wait for the outcome, until the deadline; a caller that leaves earlier (Ctrl-C) ends the request."""
        try:
            any(self._under_way.acquire(timeout=left) for left in slices(self.deadline))
        except BaseException:
            self.interrupt()
            raise
        return self._outcome or self.interrupt()

    def interrupt(self) -> Response | Transient:
        """End the request, whatever it is doing; the outcome is a failure, unless the answer came first."""
        came_first = self._outcome  # what comes after the interruption is a consequence of it
        sent = self._interrupter.interrupt()
        if came_first is None:
            self._under_way.acquire(timeout=_ENDING)
        return came_first or self._given_up(sent=sent)

    def abandon(self) -> None:
        """End the request, and release at once whoever waits for it."""
        self._finish(self._given_up(sent=self._interrupter.interrupt()))

    def call_when_over(self, call: Callable[[Response | Transient], None]) -> None:
        """Call back with the outcome, from the request's thread, or at once if it is over."""
        with self._lock:
            self._on_over = call
            outcome = self._outcome
        if outcome is not None:
            call(outcome)

    def _given_up(self, *, sent: bool) -> Transient:
        return out_of_time(time.monotonic() - self._began, sent=sent)

    def _run(self) -> None:
        with self._interrupter:
            outcome = self._send()
        self._finish(outcome)

    def _finish(self, outcome: Response | Transient) -> None:
        with self._lock:
            if self._outcome is not None:
                return
            self._outcome = outcome
            call = self._on_over
        self._under_way.release()
        if call is not None:
            call(outcome)
