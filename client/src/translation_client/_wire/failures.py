"""What went wrong on the way to the server, in plain words instead of the libraries' own; the same on both clients."""

from __future__ import annotations

import os
import socket
import ssl
import zlib
from http.client import HTTPException, IncompleteRead, RemoteDisconnected

import requests
from urllib3 import exceptions as urllib3

from translation_client._wire.requests import MAX_BODY, Transient

UNRESOLVED = "the server's name could not be resolved"
TIMED_OUT = "no answer in time"
CLOSED = "the server closed the connection without an answer"
BROKEN_OFF = "the answer broke off"
NO_HTTP = "the answer was no HTTP"
UNPACKABLE = "the answer could not be decompressed"


def failed(cause: BaseException, words: str = "", *, sent: bool = True) -> Transient:
    """The failure whose innermost reason is ``cause``.

    Args:
        cause: Stays reachable as the cause of the error, but alone: the frames of its traceback, and the errors a
            library wraps around it, hold the headers that were sent, and those the credentials.
        words: What to say; empty: what the system or the error itself says.
        sent: False if the request certainly never left.
    """
    kind = TimeoutError if words == TIMED_OUT else ConnectionError
    plain = kind(words or _own_words(cause))
    cause.__cause__ = cause.__context__ = None
    plain.__cause__ = cause.with_traceback(None)
    return Transient(plain, maybe_received=sent)


def out_of_time(seconds: float, *, sent: bool = True) -> Transient:
    """The failure of a request that was given up after so many seconds; not sent, if there was no connection yet."""
    words = "answer" if sent else "connection"
    return Transient(TimeoutError(f"no {words} within {seconds:.3g} s"), maybe_received=sent)


def too_long() -> Transient:
    """The failure of an answer that would fill the memory."""
    return Transient(ConnectionError(f"the answer is longer than {MAX_BODY} bytes"))


def as_transient(error: Exception) -> Transient:
    """The failure of a request made with requests, worth retrying."""
    root = _root(error)
    sent = not isinstance(root, urllib3.NewConnectionError) and not isinstance(error, requests.ConnectTimeout)
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
    """The innermost of the errors that requests and urllib3 wrap around each other."""
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            return error if isinstance(error, urllib3.NewConnectionError) else _root(inner)
    return error


def _own_words(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the server's certificate was not accepted: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
        return os.strerror(cause.errno).lower()
    return str(cause) or type(cause).__name__
