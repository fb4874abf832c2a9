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
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import NewConnectionError

from translation_client._sync.interruptible import CuttableAdapter, Exchange
from translation_client._sync.stream import Stream
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
    from translation_client._wire.requests import Request

_CHUNK = 64 * 1024
_CONNECTING = 3.0  # seconds one address is given to take the connection before the next one is tried
_CONNECTIONS = 1000  # kept for further requests; one beyond them is closed, with a warning in the log of urllib3


class Transport:
    """Connections to one origin; safe to share between threads, and replaced after a fork.

    Args:
        base_url: Where the server is, without a trailing slash.
        headers: Sent with every request, the credentials among them.
    """

    def __init__(self, base_url: str, headers: dict[str, str | bytes]) -> None:
        self._base_url = base_url
        self._headers = headers
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._process = 0

    def exchange(self, request: Request, deadline: float) -> Response | Transient:
        """The answer, or the failure; at the deadline (on ``time.monotonic()``) at the latest."""
        return self.begin(request, deadline).result()

    def begin(self, request: Request, deadline: float) -> Exchange:
        """Send the request without waiting for the answer."""
        return Exchange(lambda: self._send(request, deadline), deadline)

    def open(self, request: Request) -> Stream:
        """Open an event stream, without waiting for its head."""
        return Stream(lambda: self._request(request, ANSWER_TIMEOUT, None), _read_unless_stream, as_transient)

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None and self._process == os.getpid():
            session.close()

    def _send(self, request: Request, deadline: float) -> Response | Transient:
        try:
            left = max(deadline - time.monotonic(), 0.001)
            with self._request(request, min(left, _CONNECTING), left) as answer:
                return _read(answer)
        except Exception as error:  # noqa: BLE001 - whatever went wrong in the thread is the caller's to know
            return as_transient(error)

    def _request(self, request: Request, connect_timeout: float, read_timeout: float | None) -> requests.Response:
        return self._current_session().request(
            request.method,
            self._base_url + request.path,
            headers={**self._headers, **request.headers},
            data=request.body,
            timeout=(connect_timeout, read_timeout),
            allow_redirects=False,
            stream=True,
        )

    def _current_session(self) -> requests.Session:
        with self._lock:
            if self._session is None or self._process != os.getpid():
                # After a fork the parent's connections are left to the parent: two processes on one
                # connection would read each other's answers.
                self._session, self._process = _new_session(self._base_url), os.getpid()
            return self._session


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


def _new_session(base_url: str) -> requests.Session:
    session = requests.Session()
    # What the environment says (proxies, CA bundle) is looked up once, not with every request.
    settings = session.merge_environment_settings(base_url, {}, None, None, None)
    session.proxies, session.verify, session.cert = settings["proxies"], settings["verify"], settings["cert"]
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = CuttableAdapter(pool_connections=2, pool_maxsize=_CONNECTIONS)
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
