"""Carries a request to the server and its answer back, on requests, and is over at the deadline whatever happens.

A per-read timeout is no deadline: a server that drips one byte a second, a resolver that hangs or a host with many
dead addresses outlive it. So every exchange runs on a daemon thread of its own, and is abandoned at the deadline: its
socket is shut down, which ends the thread. (A resolver or a connection set-up under way cannot be interrupted: that
thread does nothing more and ends when they do.)
"""

from __future__ import annotations

import os
import socket
import threading
import time
from email.utils import formatdate
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from translation_client._cutting import CuttableAdapter, Cutter
from translation_client._protocol import MAX_BODY, Response, Transient

if TYPE_CHECKING:
    from translation_client._protocol import Request

_CHUNK = 64 * 1024
_CONNECTIONS = 100
_ENDING = 0.02  # seconds an abandoned exchange is given to leave
_LONGEST = 1e6  # seconds; what a lock can wait for is bounded


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
        exchange = _Exchange(self._current_session(), self._base_url, self._headers, request, deadline)
        return exchange.result()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None and self._process == os.getpid():
            session.close()

    def _current_session(self) -> requests.Session:
        with self._lock:
            if self._session is None or self._process != os.getpid():
                # After a fork the parent's connections are left to the parent: two processes on one
                # connection would read each other's answers.
                self._session, self._process = _new_session(self._base_url), os.getpid()
            return self._session


class _Exchange:
    """One request and its answer, on a thread that can be left behind."""

    def __init__(
        self,
        session: requests.Session,
        base_url: str,
        headers: dict[str, str | bytes],
        request: Request,
        deadline: float,
    ) -> None:
        self._session = session
        self._url = base_url + request.path
        self._headers = {**headers, **request.headers}
        self._request = request
        self._deadline = deadline
        self._cutter = Cutter()
        self._over = threading.Event()
        self._outcome: Response | Transient = Transient(TimeoutError("no answer in time"))

    def result(self) -> Response | Transient:
        began = time.monotonic()
        thread = threading.Thread(target=self._run, name="translation-client-exchange", daemon=True)
        thread.start()
        try:
            if self._over.wait(min(max(self._deadline - began, 0.0), _LONGEST)):
                return self._outcome
        finally:
            # Also on Ctrl-C: whoever waited leaves now, and takes the request along.
            if not self._over.is_set():
                self._cutter.cut()
                thread.join(_ENDING)
        return Transient(TimeoutError(f"no answer within {time.monotonic() - began:.3g} s"))

    def _run(self) -> None:
        try:
            with self._cutter:
                self._outcome = self._send()
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            self._outcome = _failure(error)
        except Exception as error:  # noqa: BLE001 - whatever went wrong in the thread is the caller's to know
            self._outcome = Transient(error)
        finally:
            self._over.set()

    def _send(self) -> Response | Transient:
        left = min(max(self._deadline - time.monotonic(), 0.001), _LONGEST)
        with self._session.request(
            self._request.method,
            self._url,
            headers=self._headers,
            data=self._request.body,
            timeout=left,
            allow_redirects=False,
            stream=True,
        ) as answer:
            body = bytearray()
            for chunk in answer.iter_content(_CHUNK):
                body += chunk
                if len(body) > MAX_BODY:
                    return Transient(ConnectionError(f"the answer is longer than {MAX_BODY} bytes"))
            headers = {name.lower(): value for name, value in answer.headers.items()}
            headers.setdefault("date", formatdate(usegmt=True))
            return Response(answer.status_code, headers, bytes(body))


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


def _failure(error: Exception) -> Transient:
    """The failure in plain words; the libraries' own error stays reachable as its cause."""
    root = _root(error)
    never_sent = isinstance(root, NewConnectionError) or isinstance(error, requests.ConnectTimeout)
    plain: Exception
    if isinstance(root, NameResolutionError):
        plain, never_sent = ConnectionError("the server's name could not be resolved"), True
    elif isinstance(error, requests.Timeout) or isinstance(root, TimeoutError):
        plain = TimeoutError("no answer in time")
    else:
        plain = ConnectionError(_words(root))
    plain.__cause__ = error
    return Transient(plain, maybe_received=not never_sent)


def _root(error: BaseException) -> BaseException:
    """The innermost of the errors that requests and urllib3 wrap around each other."""
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            return error if isinstance(error, NewConnectionError) else _root(inner)
    return error


def _words(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, NewConnectionError) else error
    if isinstance(cause, OSError) and cause.errno:
        return (cause.strerror or os.strerror(cause.errno)).lower()
    if isinstance(cause, socket.gaierror):
        return "the server's name could not be resolved"
    text = str(error)
    return text or type(error).__name__
