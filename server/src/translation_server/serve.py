"""The production server: the application on granian, in worker processes, with HTTP/1.1, HTTP/2 and TLS.

A supervisor, this process, starts the workers, starts one again that dies, and gives up if it dies again at once. Each
worker loads the application by itself and shares the port with the others: the kernel spreads the connections.

What granian cannot do, and what that means:

* The time-out for the head of a request is also that of a connection idle between two requests. It holds for HTTP/1
  only: with HTTP/2 offered, a connection that sends nothing at all is never closed.
* Beyond ``MAX_CONNECTIONS`` connections of a worker, new ones wait until one closes. They are not refused.
* A client that closes its sending half is taken for one that leaves. One that leaves with a second request sent behind
  a held one is noticed when the hold is over, or a stream's next event or heartbeat is sent.
* It names itself in the header ``Server``, without a version.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server import Server

from translation_server.config.settings import Settings, SettingsError
from translation_server.middleware.users import accounts_of
from translation_server.observability import log_file
from translation_server.stores import StoreError, check_store

try:
    import resource
except ImportError:  # there are no such limits on Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp

_LOGGER: Final = logging.getLogger(__name__)
STOP_TIMEOUT: Final = 7
"""Seconds a worker that was told to stop may take before it is killed. Held requests and streams are told to come again
at once, so only clients that do not read their answers are left by then."""

_BACKLOG: Final = 4096  # connections that arrive at once
_RESERVED_FILES: Final = 64  # for the store, the log and what else needs one
_LARGEST_HEAD: Final = 65_536  # bytes
_MOST_STREAMS: Final = 1_000  # requests at the same time on one HTTP/2 connection
_PING_INTERVAL: Final = 10_000  # milliseconds between two questions whether an HTTP/2 client is still there
_PING_TIMEOUT: Final = 10  # seconds it may take to answer
_START_TIMEOUT: Final = 60.0  # seconds until the first worker listens; it is only announced later if it takes longer
_LOGGING: Final = {"handlers": {}, "formatters": {}, "loggers": {"_granian": {"level": "INFO"}}}  # to our own handlers
_FEWER_CONNECTIONS: Final = (
    "each worker takes at most %d connections, not MAX_CONNECTIONS=%d, because the system does not allow it more open "
    "files; beyond them, clients wait. Allow %d (ulimit -n), or set MAX_CONNECTIONS"
)

# While 8,000 waiters come in, Python's defaults make pauses of up to 170 ms, 0.45 s in all. With these, and what is
# there at the start left alone, it is 37 ms and 0.09 s: a full collection comes after ten million allocations.
_GC_THRESHOLDS: Final = (10_000, 10, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where and how the server is reached.

    Attributes:
        host: An address of this machine, or a name of one.
        port: 0: any free one.
        http: ``1``, ``2`` or ``auto``.
        tls_cert: The certificate and its chain, PEM; None: no TLS.
        tls_key: Its private key, PEM, not encrypted.
        header_timeout: Seconds until a connection is closed on which no whole head of a request arrives (HTTP/1).
        trusted_proxies: Whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` is believed: addresses and networks
            separated by commas, or ``*``; None: nobody's.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    http: str = "1"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    header_timeout: float = 10.0
    trusted_proxies: str | None = None


def serve(settings: Settings, env_file: Path, listener: Listener, workers: int = 1) -> None:
    """Serve until a signal says to stop; returns then.

    Args:
        settings: The configuration, which the workers read again by themselves.
        env_file: Where from, beside the environment.
        listener: Where and how.
        workers: Processes.

    Raises:
        SettingsError: The certificate, the database, the htpasswd file or the log file cannot be used.
        OSError: The port cannot be had.
        SystemExit: With status 1: a worker could not be started, or died again right after it was started again.
    """
    _check_certificate(listener)
    _check_usable(settings)  # what is wrong is said here, once, rather than by each worker
    connections = allowed_connections(settings.max_connections)
    with reserve_port(listener.host, listener.port) as reserved:
        address, port = reserved.getsockname()[:2]
        # Not fork: threads run here that would be missing in a worker, with whatever locks they hold.
        multiprocessing.set_start_method("spawn", force=True)
        server = Server(
            target=__name__,
            address=address,
            port=port,
            interface=Interfaces.ASGI,
            workers=workers,
            http=HTTPModes(listener.http),
            websockets=False,
            backlog=_BACKLOG,
            backpressure=connections,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(listener.header_timeout * 1000), max_buffer_size=_LARGEST_HEAD
            ),
            http2_settings=HTTP2Settings(
                max_concurrent_streams=_MOST_STREAMS,
                max_headers_size=_LARGEST_HEAD,
                keep_alive_interval=_PING_INTERVAL,
                keep_alive_timeout=_PING_TIMEOUT,
            ),
            log_dictconfig=_LOGGING,
            ssl_cert=listener.tls_cert,
            ssl_key=listener.tls_key,
            ssl_protocol_min=SSLProtocols.tls12,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_TIMEOUT,
        )
        log_file.configure(settings)  # after granian has set up logging, which ends all handlers
        _log_fewer_connections(connections, settings.max_connections)
        server.on_startup(partial(_announce, listener, (address, port), workers))
        server.serve(target_loader=partial(load_app, env_file, listener.trusted_proxies), wrap_loader=False)


def load_app(env_file: Path, trusted_proxies: str | None) -> ASGIApp:
    """Return the application of this worker process.

    Args:
        env_file: The `.env` file, which need not exist; the environment wins.
        trusted_proxies: See ``Listener``.
    """
    # Ctrl-C reaches each process of a terminal. Until granian listens to it, it would end a worker with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_stop_with_supervisor, name="supervisor", daemon=True).start()

    from translation_server.asgi import configured_app  # noqa: PLC0415 - half a second that only the workers need

    app: ASGIApp = configured_app(env_file)
    if trusted_proxies is not None:
        from granian.utils.proxies import wrap_asgi_with_proxy_headers  # noqa: PLC0415 - nobody is trusted by default

        app = wrap_asgi_with_proxy_headers(app, trusted_proxies)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    return app


def _stop_with_supervisor() -> None:
    """Wait until the supervisor is gone, and stop: nobody could tell this worker to stop any more."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)


def resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Return the address of a host of this machine, IPv4 first.

    Raises:
        OSError: There is none; the message names the host.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OSError(f"--host is {host!r}: {error}") from error
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, (str(address[0]), port)


def reserve_port(host: str, port: int) -> socket.socket:
    """Return a socket that is bound there but does not listen, so that the port is known, and free for the workers.

    Workers share a port, and so would a second server that is started by mistake: both would answer, in turns. Only
    this bind notices that somebody listens there already.

    Raises:
        OSError: It cannot be had; the message says which, and why.
    """
    family, address = resolve(host, port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier run may linger
        sock.bind(address)
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {_origin(address)}: {error.strerror}") from None
    return sock


def allowed_connections(most: int) -> int:
    """Return how many connections there can be, after asking the system for as many open files.

    Without a limit below that of open files, a server that reaches it would try to accept again and again.
    """
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
    return max(1, min(most, usual - _RESERVED_FILES))


def _log_fewer_connections(allowed: int, most: int) -> None:
    if allowed < most:
        level = logging.WARNING if allowed < most / 2 else logging.INFO  # nobody minds a few less
        _LOGGER.log(level, _FEWER_CONNECTIONS, allowed, most, most + _RESERVED_FILES)


def _check_usable(settings: Settings) -> None:
    accounts_of(settings)
    try:
        check_store(settings.database_url)
    except StoreError as error:
        raise SettingsError((str(error),)) from error


def _check_certificate(listener: Listener) -> None:
    if (listener.tls_cert is None) != (listener.tls_key is None):
        raise SettingsError(("--tls-cert and --tls-key belong together",))
    if listener.tls_cert is None or listener.tls_key is None:
        return
    for option, path in (("--tls-cert", listener.tls_cert), ("--tls-key", listener.tls_key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise SettingsError((f"{option} is {str(path)!r}, which cannot be read: {error.strerror}",)) from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(listener.tls_cert, listener.tls_key, password="")
    except (ssl.SSLError, ValueError):
        line = "--tls-cert and --tls-key: allowed is a certificate in PEM, and its own private key, not encrypted"
        raise SettingsError((line,)) from None


def _announce(listener: Listener, address: tuple[str, int], workers: int) -> None:
    """Say where the server is once it answers."""
    threading.Thread(
        target=_announce_listening, args=(listener, address, workers), name="announce", daemon=True
    ).start()


def _announce_listening(listener: Listener, address: tuple[str, int], workers: int) -> None:
    host, port = address
    deadline = time.monotonic() + _START_TIMEOUT
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not served
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((reachable, port), timeout=1):
            break
        time.sleep(0.05)
    scheme = "http" if listener.tls_cert is None else "https"
    count = "1 worker" if workers == 1 else f"{workers} workers"
    line = f"translation-server is running on {scheme}://{_origin(address)} (pid {os.getpid()}, {count})"
    _LOGGER.info("%s", line)
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the one line an operator at a terminal waits for


def _origin(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
