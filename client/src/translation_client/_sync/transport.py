"""Carries a request to the server and its answer back, on requests, and is over at the deadline whatever happens.

A per-read timeout is no deadline: a server that drips one byte a second, a resolver that hangs or a host with many
dead addresses outlive it. So every exchange runs on a daemon thread of its own, and is abandoned at the deadline: its
socket is shut down, which ends the thread. (A resolver or a connection set-up under way cannot be interrupted: that
thread does nothing more and ends when they do.)
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
import zlib
from email.utils import formatdate
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

import requests
from urllib3.exceptions import NewConnectionError

from translation_client._core.operations import CLIENT_CLOSED
from translation_client._sync.interruptible import Exchange, InterruptibleAdapter, UnderWay, report_socket, slices
from translation_client._sync.stream import Stream
from translation_client._wire.arguments import refuse
from translation_client._wire.failures import (
    BROKEN_OFF,
    CLOSED,
    MAX_BODY,
    NO_HTTP,
    TIMED_OUT,
    UNPACKABLE,
    UNRESOLVED,
    Transient,
    failed,
    too_long,
)
from translation_client._wire.requests import ANSWER_TIMEOUT
from translation_client._wire.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._wire.requests import Request
    from translation_client._wire.target import Verify

U = TypeVar("U", bound=UnderWay)

_CHUNK = 64 * 1024
_CONNECTING = 3.0  # seconds one address is given to take the connection before the next one is tried
_CONNECTIONS = 1000  # kept for further requests; one beyond them is closed, with a warning in the log of urllib3


class Transport:
    """Connections to one origin; safe to share between threads, and replaced after a fork.

    Args:
        base_url: Where the server is, without a trailing slash.
        headers: Sent with every request, the credentials among them.
        session: The user's own, used as it is and never closed; None: a session of ours for each process.
        verify: What the server's certificate is verified with, in a session of ours.
    """

    def __init__(
        self,
        base_url: str,
        headers: dict[str, str | bytes],
        *,
        session: requests.Session | None = None,
        verify: Verify = True,
    ) -> None:
        if session is not None and not isinstance(session, requests.Session):
            refuse("session", "a requests.Session, or None", session, wrong_type=True)
        self._base_url = base_url
        self._headers = headers
        self._given = session
        self._verify = verify
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._process = 0
        self._under_way: WeakSet[UnderWay] = WeakSet()
        self._closed = False
        self._open = threading.Lock()  # held until the client is closed: sleepers wait for it
        self._open.acquire()

    def exchange(self, request: Request, deadline: float) -> Response | Transient:
        """Return the answer, or the failure; at the deadline (on ``time.monotonic()``) at the latest."""
        return self.begin(request, deadline).result()

    def begin(self, request: Request, deadline: float) -> Exchange:
        """Send the request without waiting for the answer."""
        return self.register(
            lambda: Exchange(lambda: self._send(request, deadline), deadline, reported=self._given is None)
        )

    def open(self, request: Request) -> Stream:
        """Open an event stream, without waiting for its head."""
        return self.register(
            lambda: Stream(
                lambda: self._request(request, ANSWER_TIMEOUT, None),
                _read_unless_stream,
                as_transient,
                reported=self._given is None,
            )
        )

    def register(self, make: Callable[[], U]) -> U:
        """Make what is under way until it is over, and abandon it when the client is closed.

        Raises:
            RuntimeError: The client is closed.
        """
        with self._lock:
            self.check_open()
            if self._process != os.getpid():
                # After a fork the parent's connections are left to the parent: two processes on one
                # connection would read each other's answers.
                self._session, self._process, self._under_way = None, os.getpid(), WeakSet()
            made = make()
            self._under_way.add(made)
            return made

    def sleep(self, until: float) -> None:
        """Sleep until the moment (on ``time.monotonic()``); raises ``RuntimeError`` when the client is closed."""
        for left in slices(until):
            if self._open.acquire(timeout=left):
                self._open.release()  # for the next sleeper
                break
        self.check_open()

    def check_open(self) -> None:
        """Raise ``RuntimeError`` if the client is closed."""
        if self._closed:
            raise RuntimeError(CLIENT_CLOSED)

    def close(self) -> None:
        """Close the connections, and end what is under way; a second call changes nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            ours = self._process == os.getpid()
            session, under_way = self._session, list(self._under_way) if ours else []
        self._open.release()
        for each in under_way:
            each.abandon()
        if session is not None and ours:
            session.close()

    def _send(self, request: Request, deadline: float) -> Response | Transient:
        try:
            left = max(deadline - time.monotonic(), 0.001)
            with self._request(request, min(left, _CONNECTING), left) as answer:
                return _read(answer)
        except Exception as error:  # noqa: BLE001 - whatever went wrong in the thread is the caller's to know
            return as_transient(error)

    def _request(self, request: Request, connect_timeout: float, read_timeout: float | None) -> requests.Response:
        answer = self._current_session().request(
            request.method,
            self._base_url + request.path,
            headers={**self._headers, **request.headers},
            data=request.body,
            auth=_keep_credentials,
            timeout=(connect_timeout, read_timeout),
            allow_redirects=False,
            stream=True,
        )
        if self._given is not None:  # its connections report nothing; from here on the socket is known
            report_socket(getattr(getattr(answer.raw, "connection", None), "sock", None))
        return answer

    def _current_session(self) -> requests.Session:
        if self._given is not None:
            return self._given
        with self._lock:
            if self._session is None:
                self._session = _new_session(self._base_url, self._verify)
            return self._session


def _keep_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send the client's own credentials, where a session has others or would look for some in a ``.netrc``."""
    return request


def _read(answer: requests.Response) -> Response | Transient:
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            return too_long()
    return _head(answer, bytes(body))


def _read_unless_stream(answer: requests.Response) -> Response | Transient:
    head = _head(answer, b"")
    return head if head.is_event_stream else _read(answer)


def _head(answer: requests.Response, body: bytes) -> Response:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    headers.setdefault("date", formatdate(usegmt=True))
    return Response(answer.status_code, headers, body)


def _new_session(base_url: str, verify: Verify) -> requests.Session:
    session = requests.Session()
    tls = None if isinstance(verify, bool | str | os.PathLike) else verify
    chosen = verify if verify is False else os.fspath(verify) if isinstance(verify, str | os.PathLike) else None
    # What the environment says (proxies, CA bundle) is looked up once, not with every request.
    settings = session.merge_environment_settings(base_url, {}, None, chosen, None)
    session.proxies, session.verify, session.cert = settings["proxies"], settings["verify"], settings["cert"]
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = InterruptibleAdapter(tls, pool_connections=2, pool_maxsize=_CONNECTIONS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def as_transient(error: Exception) -> Transient:
    """Return the failure of a request made with requests, worth retrying."""
    root = _root(error)
    sent = not isinstance(root, NewConnectionError) and not isinstance(error, requests.ConnectTimeout)
    cause = root.__cause__ if not sent and root.__cause__ is not None else root
    if isinstance(cause, socket.gaierror):
        return failed(cause, UNRESOLVED, sent=False)
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return failed(cause, TIMED_OUT, sent=sent)
    for kind, words in _WORDS.items():
        if isinstance(cause, kind):
            return failed(cause, words)
    return failed(cause, sent=sent and not isinstance(cause, ssl.SSLCertVerificationError))


_WORDS: dict[type[Exception], str] = {
    RemoteDisconnected: CLOSED,
    IncompleteRead: BROKEN_OFF,  # urllib3's is one, too
    HTTPException: NO_HTTP,
    zlib.error: UNPACKABLE,
}


def _root(error: BaseException) -> BaseException:
    """Return the innermost of the errors that requests and urllib3 wrap around each other."""
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            return error if isinstance(error, NewConnectionError) else _root(inner)
    return error
